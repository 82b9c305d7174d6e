"""The listener's short way for binary messages, with a real client."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect

from retold.app.listen import bind, listening
from retold.transports.websocket import DIRECT
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


class Application:
    """Takes messages both ways and notes which came by which."""

    def __init__(self) -> None:
        self.came: list[tuple[str, bytes | str]] = []
        self.divert: Callable[[Callable[[bytes], None] | None], None] | None = None
        self.extensions: dict[str, Any] = {}
        self.may_receive = anyio.Event()
        self.has_news = anyio.Event()
        self.has_accepted = anyio.Event()

    async def serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.extensions = websocket.scope["extensions"]
        self.divert = self.extensions[DIRECT]
        self.has_accepted.set()
        await self.may_receive.wait()
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            self._note("queued", message)

    def take(self, chunk: bytes) -> None:
        self.came.append(("direct", chunk))
        self.has_news.set()

    def _note(self, way: str, message: Any) -> None:
        self.came.append((way, message.get("bytes") or message["text"]))
        self.has_news.set()

    async def until(self, count: int) -> None:
        while len(self.came) < count:
            self.has_news = anyio.Event()
            await self.has_news.wait()


@asynccontextmanager
async def connected(application: Application) -> AsyncGenerator[ClientConnection]:
    asgi = Starlette(routes=[WebSocketRoute("/", application.serve)])
    with anyio.fail_after(PATIENCE_S):
        async with listening(asgi, bind("127.0.0.1", 0)) as url, connect(url.replace("http", "ws")) as client:
            yield client


async def test_audio_is_handed_over_where_it_is_read_and_text_is_not() -> None:
    application = Application()
    application.may_receive.set()
    async with connected(application) as client:
        await client.send(b"before")
        await application.until(1)
        assert application.divert is not None
        application.divert(application.take)
        for message in (b"one", "ping", b"two"):
            await client.send(message)
            await application.until(len(application.came) + 1)
        application.divert(None)
        await client.send(b"after")
        await application.until(5)
    assert application.came == [
        ("queued", b"before"),
        ("direct", b"one"),
        ("queued", "ping"),
        ("direct", b"two"),
        ("queued", b"after"),
    ]


async def test_audio_never_overtakes_a_message_that_waits() -> None:
    application = Application()
    async with connected(application) as client:
        await client.send("waits")
        await application.has_accepted.wait()
        assert application.divert is not None
        application.divert(application.take)
        await client.send(b"one")
        # Its answer says that all before it has been read.
        await (await client.ping())
        assert application.came == []
        application.may_receive.set()
        await application.until(2)
    assert application.came == [("queued", "waits"), ("queued", b"one")]


async def test_fragments_are_handed_over_in_one_piece() -> None:
    application = Application()
    application.may_receive.set()
    async with connected(application) as client:
        await client.send("ready")
        await application.until(1)
        assert application.divert is not None
        application.divert(application.take)
        await client.send([b"a", b"b", b"c"])
        await application.until(2)
    assert application.came[1:] == [("direct", b"abc")]


async def test_connection_that_is_over_is_not_held_by_its_scope() -> None:
    application = Application()
    application.may_receive.set()
    async with connected(application):
        await application.has_accepted.wait()
        assert DIRECT in application.extensions
    assert DIRECT not in application.extensions
