"""A real client that stops reading for a while: what it was sent meanwhile waits outside the call."""

import socket
from contextlib import suppress

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect

from retold.app.listen import bind, listening
from retold.clock import SystemClock
from retold.domain.call import CallAudio
from retold.ports import AudioFrame
from retold.transports.websocket import WebSocketOptions, WebSocketTransport
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

RATE = 8_000
PAGE = "x" * 16_000_000
"""More than the kernel and uvicorn buffer between them."""


async def first_chunk(transport: WebSocketTransport) -> None:
    arrived = anyio.Event()

    def take(_chunk: bytes) -> None:
        arrived.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.listen, take)
        await arrived.wait()
        tasks.cancel_scope.cancel()


async def test_a_client_that_reads_again_gets_what_waited_in_order() -> None:
    transport = WebSocketTransport(CallAudio(sample_rate=RATE), SystemClock(), WebSocketOptions())

    async def join(websocket: WebSocket) -> None:
        await websocket.accept()
        await transport.serve(websocket)

    with anyio.fail_after(PATIENCE_S):
        application = Starlette(routes=[WebSocketRoute("/", join)])
        async with (
            listening(application, bind("127.0.0.1", 0)) as url,
            connect(url.replace("http", "ws"), compression=None, max_queue=1, max_size=None) as client,
        ):
            await client.send(bytes(320))
            await first_chunk(transport)
            await transport.send_event({"event_type": "metadata", "metadata": PAGE})
            for sample in range(4):
                await transport.play(AudioFrame(bytes([sample, 0]), RATE))
            await transport.clear()
            await transport.send_event({"event_type": "metadata", "metadata": 1})
            # All this came back although nobody reads: it waits outside the call.
            await anyio.sleep(0.2)
            events_and_audio = [await client.recv() for _ in range(4)]
            await transport.play(AudioFrame(b"\7\0", RATE))
            assert await client.recv() == b"\7\0"
            await transport.close("agent_hangup")
    assert events_and_audio[1:] == [b"\0\0", "clear", '{"event_type":"metadata","metadata":1}']
    assert transport.discarded_frames == 0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel has no such deadline")
async def test_a_client_that_never_reads_again_is_let_go() -> None:
    let_go = anyio.Event()

    async def join(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        with suppress(WebSocketDisconnect):
            await websocket.send_text(PAGE)
            # This one waits until there is room, and there never is.
            await websocket.send_text("more")
        let_go.set()

    application = Starlette(routes=[WebSocketRoute("/", join)])
    with anyio.fail_after(PATIENCE_S):
        async with (
            listening(application, bind("127.0.0.1", 0, stalled_ms=1_000)) as url,
            connect(url.replace("http", "ws"), compression=None, ping_interval=None, close_timeout=0.1) as client,
        ):
            await client.send("I am listening")
            client.transport.pause_reading()
            await let_go.wait()
