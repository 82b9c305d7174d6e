"""Clients that ask slowly, or nothing, or do not take their answer, against the real listener with short deadlines."""

import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import SocketStream
from starlette.types import Receive, Scope, Send

from retold.api import limits
from retold.api.limits import BodyLimits
from retold.app import http
from retold.app.listen import bind, listening
from support.patience import PATIENCE_S, undisturbed

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

ENDLESS = b"x" * 65_536


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once; `/endless` never ends."""
    _ = receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": ENDLESS, "more_body": True})
        # Once the connection is cut, uvicorn takes everything and never waits.
        await anyio.lowlevel.checkpoint()
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_WITHIN_S", 0.3)
    monkeypatch.setattr(http, "TAKEN_WITHIN_S", 0.3)


@asynccontextmanager
async def served(connection_limit: int = 1_000) -> AsyncGenerator[str]:
    listener = bind("127.0.0.1", 0)
    async with listening(BodyLimits(application), listener, connection_limit=connection_limit) as url:
        yield url
    listener.close()


async def connected(url: str) -> SocketStream:
    host, _, port = url.removeprefix("http://").partition(":")
    return await anyio.connect_tcp(host, int(port))


async def until_closed(stream: SocketStream) -> bytes:
    """What still came; fails when the other side does not close."""
    received = b""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:"], ids=["silent", "half a header"])
async def test_who_does_not_finish_a_request_is_cut_off(begun: bytes) -> None:
    async with served() as url, await connected(url) as slow, httpx2.AsyncClient(base_url=url) as honest:
        if begun:
            await slow.send(begun)
        assert await until_closed(slow) == b""
        assert (await honest.get("/")).text == "ok"


async def test_a_header_that_trickles_is_cut_off_although_something_comes() -> None:
    async with served() as url, await connected(url) as slow, anyio.create_task_group() as tasks:

        async def trickle() -> None:
            await slow.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            with contextlib.suppress(anyio.BrokenResourceError):
                while True:
                    await slow.send(b"a")
                    await anyio.sleep(0.05)

        tasks.start_soon(trickle)
        await until_closed(slow)
        tasks.cancel_scope.cancel()


async def test_a_second_request_on_the_same_connection_has_its_own_time() -> None:
    async with served() as url:
        # Who stands still for a moment is cut off, and rightly; whose time goes on from request to request always is.
        assert await undisturbed(lambda: asks_in_time(url), bool)


async def asks_in_time(url: str) -> bool:
    """Ask three times in one and a half times what one request may take; whether each was answered."""
    async with await connected(url) as slow:
        try:
            for _ in range(3):
                await slow.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await slow.receive()).startswith(b"HTTP/1.1 200")
                await anyio.sleep(0.15)
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return False
        with contextlib.suppress(anyio.BrokenResourceError):
            await slow.send(b"GET / HTTP/1.1\r\n")
        assert await until_closed(slow) == b""
        return True


async def test_a_body_that_trickles_is_answered_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.3)
    async with served() as url, await connected(url) as slow:
        await slow.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = await until_closed(slow)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"the body was not complete" in answer


async def test_who_does_not_take_the_answer_is_cut_off() -> None:
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        async with served() as url:
            host, _, port = url.removeprefix("http://").partition(":")
            with contextlib.suppress(BlockingIOError):
                raw.connect((host, int(port)))
            await anyio.wait_writable(raw)
            raw.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            with anyio.fail_after(PATIENCE_S):
                while not await is_reset(raw):  # noqa: ASYNC110 - a reset makes no event
                    await anyio.sleep(0.1)


async def is_reset(raw: socket.socket) -> bool:
    """Whether the other side has cut the connection; takes nothing of what came."""
    try:
        raw.send(b"x")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


async def test_at_the_limit_those_who_ask_nothing_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_WITHIN_S", 60)
    monkeypatch.setattr(http, "EVICTABLE_AFTER_S", 0.05)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(connection_limit=5))
        silent = [await stack.enter_async_context(await connected(url)) for _ in range(5)]
        await anyio.sleep(0.2)
        async with httpx2.AsyncClient(base_url=url) as honest:
            assert (await honest.get("/")).status_code == 200
        assert await until_closed(silent[0]) == b""


async def test_who_was_there_before_a_burst_of_connections_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_WITHIN_S", 60)
    monkeypatch.setattr(http, "EVICTABLE_AFTER_S", 60)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(connection_limit=3))
        connections = [await stack.enter_async_context(await connected(url)) for _ in range(5)]
        for place, status in ((4, b"503"), (0, b"200")):
            await connections[place].send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with anyio.fail_after(PATIENCE_S):
                assert (await connections[place].receive()).split()[1] == status


async def test_far_beyond_the_limit_connections_are_not_taken() -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(connection_limit=2))
        fresh = [await stack.enter_async_context(await connected(url)) for _ in range(6)]
        assert await until_closed(fresh[-1]) == b""


async def test_what_is_no_http_is_refused_in_our_shape() -> None:
    async with served() as url, await connected(url) as stranger:
        await stranger.send(b"HELO example.com\r\n\r\n")
        head, _, body = (await until_closed(stranger)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["status"] == "error"


async def test_headers_without_end_are_refused() -> None:
    async with served() as url, await connected(url) as stranger:
        await stranger.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000)
        assert (await until_closed(stranger)).startswith(b"HTTP/1.1 400")


async def test_what_follows_a_body_without_end_is_refused() -> None:
    async with served() as url, await connected(url) as stranger:
        begun = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: "
        await stranger.send(begun + b"a" * 20_000)
        assert (await until_closed(stranger)).startswith(b"HTTP/1.1 400")


async def test_what_is_no_http_behind_a_request_does_not_spoil_its_answer() -> None:
    async with served() as url, await connected(url) as stranger:
        await stranger.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nHELO example.com\r\n\r\n")
        answer = await until_closed(stranger)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"ok" in answer
    assert b"400" not in answer
