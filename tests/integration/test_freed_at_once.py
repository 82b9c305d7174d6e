"""What a call leaves is freed when the call is over: none of it waits for the garbage collector."""

import gc
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.server import ServerProtocol

from retold.app.http import HttpConnection
from retold.app.listen import bind, listening
from retold.app.websockets import DirectWebSockets
from retold.clock import SystemClock
from retold.domain.api_key import NewKey
from retold.domain.reasons import CallStatus
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.outbound import Outbound
from retold.storage.store import Store, with_call
from support.llm_server import Peer, llm_server
from support.patience import PATIENCE_S
from support.stored import make_agent, make_record

pytestmark = pytest.mark.anyio


class Newcomers:
    """The objects of some kinds that came after this one was made."""

    def __init__(self, *kinds: type) -> None:
        self._kinds = kinds
        # Held, so that none of them gives its identity to a newcomer.
        self._old = self._all()

    def count(self) -> int:
        """How many there are."""
        old = {id(one) for one in self._old}
        return sum(id(one) not in old for one in self._all())

    async def until_gone(self) -> None:
        """Wait until the last one is freed."""
        with anyio.fail_after(PATIENCE_S):
            while self.count():  # noqa: ASYNC110 - an object goes without an event
                await anyio.sleep(0.02)

    def _all(self) -> list[object]:
        # By its type: a weak proxy answers for what it refers to, or raises.
        return [one for one in gc.get_objects() if issubclass(type(one), self._kinds)]


@contextmanager
def no_collector() -> Generator[None]:
    """Inside, only what nothing refers to is freed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


@asynccontextmanager
async def serving() -> AsyncGenerator[int]:
    """The listener with something to ask and something to talk to; gives its port."""
    asgi = Starlette(routes=[Route("/", answer), WebSocketRoute("/listen", listen)])
    listener = bind("127.0.0.1", 0)
    with anyio.fail_after(PATIENCE_S), no_collector():
        async with listening(asgi, listener):
            yield listener.getsockname()[1]


async def test_http_connection_is_freed_when_it_is_over() -> None:
    connections = Newcomers(HttpConnection)
    async with serving() as port:
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert (await client.receive()).startswith(b"HTTP/1.1 200")
            assert connections.count() == 1
        await connections.until_gone()


@pytest.mark.parametrize("is_cut", [False, True])
async def test_connection_that_became_a_websocket_is_freed_when_it_is_over(*, is_cut: bool) -> None:
    connections = Newcomers(HttpConnection, DirectWebSockets, ServerProtocol)
    async with serving() as port:
        async with connect(f"ws://127.0.0.1:{port}/listen") as client:
            await client.send("hello")
            assert connections.count() > 0
            if is_cut:
                client.transport.abort()
        await connections.until_gone()


async def test_websocket_to_a_brain_is_freed_when_it_is_over() -> None:
    async def talks(peer: Peer) -> None:
        await peer.replies(0, "Hello.")

    connections = Newcomers(ClientConnection, ClientProtocol)
    async with llm_server(talks) as server:
        with no_collector():
            socket = await Outbound(["127.0.0.1"], lambda: None).connect_websocket(server.url, timeout_s=PATIENCE_S)
            await socket.receive()
            assert connections.count() > 0
            await socket.close()
            del socket
            await connections.until_gone()


async def test_what_a_call_asks_and_tells_the_database_leaves_no_garbage(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=SystemClock(), ballast_bytes=4096)
    try:
        await store.keys.create(DEFAULT_ORG_ID, "key_1", NewKey(api_key_name="one"))
        await store.agents.save(DEFAULT_ORG_ID, make_agent())
        # The first time statements are compiled, which does leave some.
        await _life(store)
        gc.collect()
        old = {id(one) for one in gc.get_objects()}
        gc.set_debug(gc.DEBUG_SAVEALL)
        await _life(store)
        gc.collect()
        # What earlier tests left is not meant, nor a connection that another thread opened only now.
        new = [one for one in gc.garbage if id(one) not in old]
        assert [one for one in new if type(one).__module__.startswith("sqlalchemy.sql")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        await store.close()


async def _life(store: Store) -> None:
    """What the store is asked and told in the course of a call."""
    record = make_record()
    call_id = CallId(record.call.call_id)
    for reference in (None, "latest_published", 0):
        await store.agents.find(DEFAULT_ORG_ID, record.call.agent_id, reference)
    await store.create_call(record)
    await store.find_call(None, call_id)
    await store.start_call(call_id, 1)
    await store.find_call_json(DEFAULT_ORG_ID, call_id, "http://here")
    await store.finish_call(with_call(record, call_status=CallStatus.ENDED))
