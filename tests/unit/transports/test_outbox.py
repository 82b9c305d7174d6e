"""A client that reads slowly, or not at all: nobody who sends waits for it, and nothing piles up without a bound."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from retold.domain.call import CallAudio
from retold.ports import AudioFrame
from retold.transports.outbox import MAX_WAITING_EVENT_BYTES
from retold.transports.websocket import WebSocketOptions, WebSocketTransport
from support.fake_socket import FakeSocket
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

RATE = 8_000
FRAME_BYTES = 320


@asynccontextmanager
async def stuck_client() -> AsyncGenerator[tuple[WebSocketTransport, FakeSocket]]:
    """A call whose client has stopped reading: frame 0 is under way."""
    options = WebSocketOptions(enable_update=True)
    transport, socket = WebSocketTransport(CallAudio(sample_rate=RATE), VirtualClock(), options), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.serve, socket)
        await anyio.sleep(0.001)
        socket.is_stuck = True
        await play(transport, 0)
        yield transport, socket
        tasks.cancel_scope.cancel()


async def play(transport: WebSocketTransport, *numbers: int) -> None:
    for number in numbers:
        await transport.play(AudioFrame(bytes([number]) * FRAME_BYTES, RATE))


def got(socket: FakeSocket) -> list[Any]:
    """Frame numbers, words, and events in the order the client has them."""
    return [_content(message) for message in socket.sent if message["type"] == "websocket.send"]


def _content(message: Any) -> Any:
    if "bytes" in message:
        return message["bytes"][0]
    return message["text"] if message["text"] in {"clear", "pong"} else json.loads(message["text"])


async def read_again(socket: FakeSocket) -> list[Any]:
    socket.unstick()
    await anyio.sleep(0.001)
    return got(socket)


async def test_nobody_waits_for_a_slow_client_and_order_is_kept() -> None:
    async with stuck_client() as (transport, socket):
        started = anyio.current_time()
        await play(transport, 1)
        await transport.send_event({"event_type": "metadata", "metadata": 1})
        await play(transport, 2)
        assert anyio.current_time() == started
        assert got(socket) == []
        assert await read_again(socket) == [0, 1, {"event_type": "metadata", "metadata": 1}, 2]
        await play(transport, 3)
        assert got(socket)[-1] == 3
        assert transport.discarded_frames == 0


async def test_clear_overtakes_audio_but_no_event() -> None:
    async with stuck_client() as (transport, socket):
        await play(transport, 1, 2)
        await transport.send_event({"event_type": "metadata", "metadata": 1})
        await transport.clear()
        await play(transport, 3)
        await transport.clear()
        await play(transport, 4)
        assert await read_again(socket) == [0, {"event_type": "metadata", "metadata": 1}, "clear", 4]
        assert transport.discarded_frames == 0


async def test_audio_beyond_one_second_is_dropped_and_counted() -> None:
    async with stuck_client() as (transport, socket):
        await play(transport, *range(1, 61))
        assert transport.discarded_frames == 10
        assert await read_again(socket) == list(range(51))


async def test_only_the_newest_update_waits_but_every_change_of_turn() -> None:
    async with stuck_client() as (transport, socket):
        for number in range(3):
            await transport.send_event({"event_type": "update", "transcript": [number]})
        await transport.send_event({"event_type": "update", "transcript": [3], "turntaking": "user_turn"})
        for number in (4, 5):
            await transport.send_event({"event_type": "update", "transcript": [number]})
        events = (await read_again(socket))[1:]
        assert [event["transcript"] for event in events] == [[3], [5]]
        assert events[0]["turntaking"] == "user_turn"


async def test_a_client_that_only_pings_fills_nothing() -> None:
    async with stuck_client() as (_, socket):
        for _ in range(100):
            socket.put_text("ping")
        await anyio.sleep(0.1)
        assert await read_again(socket) == [0, "pong"]


async def test_each_sign_of_reading_gives_five_more_seconds() -> None:
    async with stuck_client() as (transport, socket):
        await play(transport, 1)
        await anyio.sleep(4)
        socket.unstick()
        await anyio.sleep(0.001)
        socket.is_stuck = True
        await play(transport, 2, 3)
        await anyio.sleep(4.9)
        assert transport.is_connected
        await anyio.sleep(0.2)
        assert not transport.is_connected
        assert transport.discarded_frames == 2


async def test_a_client_that_lets_too_many_events_wait_counts_as_cut() -> None:
    async with stuck_client() as (transport, _):
        page = "x" * (MAX_WAITING_EVENT_BYTES // 2)
        await transport.send_event({"event_type": "metadata", "metadata": page})
        assert transport.is_connected
        await transport.send_event({"event_type": "metadata", "metadata": page})
        assert transport.accepts_socket


async def test_a_socket_that_breaks_while_we_wait_is_left_to_its_close_code() -> None:
    async with stuck_client() as (transport, socket):
        await play(transport, 1)
        socket.is_broken = True
        assert await read_again(socket) == []
        assert transport.is_connected
        assert transport.discarded_frames == 2


async def test_events_but_no_audio_go_out_before_the_goodbye() -> None:
    async with stuck_client() as (transport, socket):
        await play(transport, 1)
        await transport.send_event({"event_type": "metadata", "metadata": 1})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.close, "agent_hangup")
            await anyio.sleep(0.001)
            assert await read_again(socket) == [0, {"event_type": "metadata", "metadata": 1}]
        assert socket.closing == (1000, "agent_hangup")


async def test_goodbye_to_a_client_that_stays_stuck_takes_five_seconds_at_most() -> None:
    async with stuck_client() as (transport, socket):
        started = anyio.current_time()
        await transport.close("agent_hangup")
        assert anyio.current_time() - started <= 5.001
        assert socket.closing is None


async def test_a_goodbye_that_is_given_up_frees_the_socket() -> None:
    options = WebSocketOptions()
    transport, socket = WebSocketTransport(CallAudio(sample_rate=RATE), VirtualClock(), options), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.serve, socket)
        await anyio.sleep(0.001)
        socket.is_stuck = True
        await play(transport, 0)
        with anyio.move_on_after(1):
            await transport.close("agent_hangup")
    assert anyio.current_time() == pytest.approx(1.001)
