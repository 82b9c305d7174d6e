"""Joining a call by plain ASGI: what a socket that comes too late is told."""

from typing import Any, cast

import anyio
import httpx2
import pytest
from starlette.types import Message

from retold.app import App
from retold.clock import SystemClock
from retold.domain.call import CallRecord
from retold.ids import CallId
from retold.ports import Transport
from retold.transports.websocket import WebSocketOptions, WebSocketTransport
from support.patience import PATIENCE_S
from support.stored import make_record

pytestmark = pytest.mark.anyio


async def test_of_two_that_join_at_once_the_slower_is_refused(app: App, api: httpx2.AsyncClient) -> None:
    made = await api.post("/v2/create-web-call", json={"agent_id": "demo"})
    record = await app.store.find_call(None, CallId(made.json()["call_id"]))
    assert record is not None
    # The faster one holds the seat, and its transport is not there to be asked yet.
    with app.live.seat(record, cast("Transport", None)), anyio.fail_after(PATIENCE_S):
        refusal = await refused(app, record)
    assert refusal["code"] == 1008
    assert "connected already" in refusal["reason"]


async def test_a_call_that_is_written_down_is_over_although_it_is_still_registered_as_live(app: App) -> None:
    record = make_record(call_status="ended", disconnection_reason="user_hangup")
    await app.store.create_call(record)
    left = WebSocketTransport(record.audio, SystemClock(), WebSocketOptions())
    with app.live.seat(record, left), anyio.fail_after(PATIENCE_S):
        refusal = await refused(app, record)
    assert (refusal["code"], refusal["reason"]) == (1008, "the call is over")


async def test_nobody_joins_a_call_that_the_server_dials(app: App) -> None:
    record = make_record().model_copy(update={"is_dialled_by_us": True})
    await app.store.create_call(record)
    with anyio.fail_after(PATIENCE_S):
        refusal = await refused(app, record)
    assert refusal["code"] == 1008
    assert "dials" in refusal["reason"]


async def refused(app: App, record: CallRecord) -> Message:
    """Join by plain ASGI; gives the close message."""
    sent: list[Message] = []
    is_closed = anyio.Event()
    coming: list[Message] = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        if not coming:
            await is_closed.wait()
            return {"type": "websocket.disconnect", "code": 1008}
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            is_closed.set()

    scope: dict[str, Any] = {
        "type": "websocket",
        "path": f"/audio-websocket/{record.call.call_id}",
        "headers": [],
        "query_string": b"",
    }
    await app.asgi(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    return sent[1]
