import io
import json
from typing import cast

import httpx2
import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from retold.api.request_ids import RequestIds
from retold.app import App
from retold.log import set_up_logging
from retold.storage.agents import AgentStore

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sent", ["abc-123", "0af7651916cd43dd8448eb211c80319c", "a" * 128])
async def test_a_well_formed_id_is_sent_back(api: httpx2.AsyncClient, sent: str) -> None:
    for path in ("/list-agents", "/health/live", "/nowhere"):
        assert (await api.get(path, headers={"X-Request-Id": sent})).headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "a" * 129, "<script>", "é", "a\tb"])
async def test_another_is_replaced_by_one_of_ours(api: httpx2.AsyncClient, sent: str) -> None:
    answer = await api.get("/list-agents", headers={b"X-Request-Id": sent.encode()})
    assert answer.headers.get_list("X-Request-Id")[0].startswith("req_")
    assert len(answer.headers.get_list("X-Request-Id")) == 1


async def test_errors_have_an_id_and_so_has_what_they_log(app: App, api: httpx2.AsyncClient) -> None:
    log = io.StringIO()
    set_up_logging("warning", "json", log)
    app.store.agents = cast(AgentStore, None)
    answer = await api.get("/list-agents", headers={"X-Request-Id": "find-me"})
    assert answer.headers["X-Request-Id"] == "find-me"
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {line.get("request_id") for line in logged} == {"find-me"}


async def test_the_id_is_bound_for_the_time_of_the_request() -> None:
    seen: list[object] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(structlog.contextvars.get_contextvars().get("request_id"))
        await send({"type": "websocket.accept", "headers": []})

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await RequestIds(app)({"type": "websocket", "headers": [(b"x-request-id", b"mine")]}, receive, send)
    assert seen == ["mine"]
    assert (b"x-request-id", b"mine") in sent[0]["headers"]
    assert "request_id" not in structlog.contextvars.get_contextvars()
