"""A watcher of the monitor websocket that has stopped reading; virtual time."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from starlette.websockets import WebSocket

from retold.api.monitor import SEND_TIMEOUT_S, TRY_LATER, monitor
from retold.domain.call import CallRecord
from retold.ids import DEFAULT_ORG_ID
from support.fake_socket import FakeSocket
from support.stored import make_record

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


class OneCall:
    """A store with one call, and nobody on it."""

    def __init__(self, record: CallRecord) -> None:
        self._record = record

    def find(self, _call_id: str) -> None:
        return None

    async def find_call(self, _org_id: str, _call_id: str) -> CallRecord:
        return self._record


async def watching(record: CallRecord, fake: FakeSocket) -> WebSocket:
    """The watcher's websocket, accepted."""
    house = OneCall(record)
    context = SimpleNamespace(deps=SimpleNamespace(live=house, store=house))
    scope: dict[str, Any] = {"type": "websocket", "app": SimpleNamespace(state=SimpleNamespace(context=context))}
    fake.put({"type": "websocket.connect"})
    websocket = WebSocket(scope, fake.receive, fake.send)
    await websocket.accept()
    return websocket


async def test_a_watcher_that_takes_nothing_is_told_to_come_again() -> None:
    record, fake = make_record(call_status="ended", disconnection_reason="user_hangup"), FakeSocket()
    websocket = await watching(record, fake)
    fake.is_stuck = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(monitor, websocket, record.call.call_id, DEFAULT_ORG_ID)
        await anyio.sleep(SEND_TIMEOUT_S + 0.5)
        fake.unstick()
    assert fake.closing == (TRY_LATER, "too slow")
    assert fake.texts == []


async def test_a_watcher_that_takes_its_time_is_told_the_end() -> None:
    record, fake = make_record(call_status="ended", disconnection_reason="user_hangup"), FakeSocket()
    websocket = await watching(record, fake)
    fake.is_stuck = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(monitor, websocket, record.call.call_id, DEFAULT_ORG_ID)
        await anyio.sleep(SEND_TIMEOUT_S - 0.5)
        fake.unstick()
    assert fake.closing == (1000, "call_ended")
    assert fake.texts == ['{"type":"call_ended","disconnection_reason":"user_hangup"}']
