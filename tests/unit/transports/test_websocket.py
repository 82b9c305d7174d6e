"""The audio websocket transport against sockets in memory, on virtual time."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from retold.domain.call import CallAudio
from retold.errors import FrontendCorrupted
from retold.ports import AudioFrame
from retold.settings import Settings
from retold.transports.websocket import WebSocketOptions, WebSocketTransport
from support.fake_socket import FakeSocket
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

CHUNK = b"\x01\x00" * 160


class Call:
    """A transport, the engine's side of it, and the moments at which things happened."""

    def __init__(self, audio: CallAudio | None = None, **options: Any) -> None:
        self.clock = VirtualClock()
        self.transport = WebSocketTransport(
            audio or CallAudio(sample_rate=8_000), self.clock, WebSocketOptions(**options)
        )
        self.chunks: list[bytes] = []
        self.ended_at_ms: float | None = None
        self.error: FrontendCorrupted | None = None

    @property
    def heard(self) -> bytes:
        return b"".join(self.chunks)

    async def listen(self) -> None:
        try:
            await self.transport.listen(self.chunks.append)
        except FrontendCorrupted as error:
            self.error = error
            await self.transport.close("error_frontend_corrupted_payload")
        self.ended_at_ms = self.clock.monotonic_ms()


async def pause(seconds: float = 0.001) -> None:
    await anyio.sleep(seconds)


async def test_caller_audio_comes_as_it_was_chunked() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        for size in (2, 320, 4_000):
            socket.put_audio(bytes(size))
            await pause()
        socket.hang_up()
    assert [len(chunk) for chunk in call.chunks] == [2, 320, 4_000]


@pytest.mark.parametrize("code", [1000, 1001, 1005, 4000])
async def test_close_frame_hangs_up_at_once(code: int) -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        await pause(1)
        socket.put_audio(CHUNK)
        socket.hang_up(code)
    assert call.heard == CHUNK
    assert call.ended_at_ms == pytest.approx(1_000)
    assert not call.transport.accepts_socket


async def test_ping_is_answered() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        socket.put_text("ping")
        socket.hang_up()
    assert socket.texts == ["pong"]


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param({"type": "websocket.receive", "bytes": b"\x00"}, id="half a sample"),
        pytest.param({"type": "websocket.receive", "bytes": b""}, id="empty chunk"),
        pytest.param({"type": "websocket.receive", "text": '{"event": "start"}'}, id="unknown text"),
        pytest.param({"type": "websocket.receive", "text": "Ping"}, id="almost a ping"),
        pytest.param({"type": "websocket.disconnect", "code": 1009, "reason": "too big"}, id="frame too big"),
    ],
)
async def test_nonsense_ends_the_call_after_the_audio_before_it(nonsense: dict[str, Any]) -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        socket.put_audio(CHUNK)
        socket.put(nonsense)
    assert call.heard == CHUNK
    assert call.error is not None
    if nonsense["type"] == "websocket.receive":
        assert socket.closing == (1007, "error_frontend_corrupted_payload")


async def test_engine_that_never_says_goodbye_does_not_hold_the_socket() -> None:
    call, socket = Call(), FakeSocket()
    socket.put_text("nonsense")
    await call.transport.serve(socket)
    assert call.clock.monotonic_ms() == pytest.approx(5_000)
    assert not call.transport.accepts_socket


async def test_agent_audio_and_clear_keep_their_order() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause()
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        await call.transport.clear()
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        socket.hang_up()
    assert [message.get("bytes") or message["text"] for message in socket.sent] == [CHUNK, "clear", CHUNK]


async def test_mulaw_call_speaks_mulaw_both_ways() -> None:
    call, socket = Call(CallAudio(encoding="mulaw", sample_rate=8_000)), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        socket.put_audio(b"\xff" * 160)
        await pause()
        await call.transport.play(AudioFrame(bytes(320), 8_000))
        socket.hang_up()
    assert call.heard == bytes(320)
    assert socket.audio == [b"\xff" * 160]


async def test_alignment_sends_json_in_place_of_audio() -> None:
    call, socket = Call(enable_audio_alignment=True), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause()
        await call.transport.play(AudioFrame(b"\x00\x00", 8_000), "Hi there")
        socket.hang_up()
    assert socket.audio == []
    assert [json.loads(text) for text in socket.texts] == [{"audio": "AAA=", "text": "Hi there"}]


@pytest.mark.parametrize(
    ("enable_update", "expected"), [(False, ["metadata"]), (True, ["update", "metadata"])], ids=["off", "on"]
)
async def test_update_events_go_only_to_who_asked(enable_update: bool, expected: list[str]) -> None:
    call, socket = Call(enable_update=enable_update), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause()
        await call.transport.send_event({"event_type": "update", "transcript": []})
        await call.transport.send_event({"event_type": "metadata", "metadata": {"page": 2}})
        socket.hang_up()
    assert [json.loads(text)["event_type"] for text in socket.texts] == expected


async def test_second_socket_is_refused_while_the_first_lives() -> None:
    call, first, second = Call(), FakeSocket(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, first)
        tasks.start_soon(call.listen)
        await pause()
        await call.transport.serve(second)
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        first.hang_up()
    assert second.closing == (1008, "the call is connected already, or over")
    assert first.audio == [CHUNK]


async def test_cut_socket_may_come_back_and_the_call_goes_on() -> None:
    call, first, second = Call(), FakeSocket(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, first)
        tasks.start_soon(call.listen)
        first.put_audio(CHUNK)
        first.cut()
        await pause(9)
        assert call.ended_at_ms is None
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        await call.transport.clear()
        assert call.transport.discarded_frames == 1
        tasks.start_soon(call.transport.serve, second)
        second.put_audio(CHUNK)
        await pause(20)
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        second.hang_up()
    assert call.heard == CHUNK * 2
    assert second.sent == [{"type": "websocket.send", "bytes": CHUNK}]
    assert call.ended_at_ms == pytest.approx(29_000)


async def test_cut_socket_that_stays_away_ends_the_call() -> None:
    call, socket, late = Call(rejoin_timeout_ms=10_000), FakeSocket(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        await pause(2)
        socket.cut()
    assert call.ended_at_ms == pytest.approx(12_000)
    await call.transport.serve(late)
    assert late.closing is not None


@pytest.mark.parametrize("code", [1006, 1011, 1012])
async def test_lost_connections_are_cuts(code: int) -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        socket.hang_up(code)
        await pause()
        assert call.transport.accepts_socket
        await call.transport.close("user_hangup")


async def test_client_that_stops_reading_counts_as_cut_after_five_seconds() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        await pause()
        socket.is_stuck = True
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        assert call.clock.monotonic_ms() == pytest.approx(1)
        await pause(4.9)
        assert call.transport.is_connected
        await pause(0.2)
        assert call.transport.accepts_socket
        assert call.transport.discarded_frames == 1
    assert call.ended_at_ms == pytest.approx(15_001)


async def test_sending_to_a_hung_up_client_is_no_cut() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        await pause()
        socket.is_broken = True
        await call.transport.play(AudioFrame(CHUNK, 8_000))
        socket.hang_up()
    assert call.ended_at_ms == pytest.approx(1)
    assert call.transport.discarded_frames == 1


@pytest.mark.parametrize(("reason", "code"), [("agent_hangup", 1000), ("error_asr", 1011)], ids=["normal end", "error"])
async def test_close_tells_code_and_reason(reason: str, code: int) -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        tasks.start_soon(call.listen)
        await pause()
        await call.transport.close(reason)
    assert socket.closing == (code, reason)
    assert call.ended_at_ms is not None


async def test_long_close_reason_fits_the_control_frame() -> None:
    call, socket = Call(), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause()
        await call.transport.close("ü" * 100)
    assert socket.closing == (1000, "ü" * 61)


async def test_close_before_any_socket_ends_listening() -> None:
    call = Call()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.listen)
        await pause()
        await call.transport.close("error_user_not_joined")
    assert call.ended_at_ms is not None


async def test_audio_takes_the_short_way_only_while_somebody_listens() -> None:
    call, socket = Call(), FakeSocket()
    takers: list[Callable[[bytes], None] | None] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket, takers.append)
        await pause()
        assert takers == [None]
        tasks.start_soon(call.listen)
        await pause()
        take = takers[-1]
        assert take is not None
        take(CHUNK)
        assert call.chunks == [CHUNK]
        socket.hang_up()
    assert takers[-1] is None


async def test_nonsense_on_the_short_way_ends_the_call_and_nothing_after_it_is_heard() -> None:
    call, socket = Call(), FakeSocket()
    takers: list[Callable[[bytes], None] | None] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.listen)
        tasks.start_soon(call.transport.serve, socket, takers.append)
        await pause()
        take = takers[-1]
        assert take is not None
        for chunk in (CHUNK, b"\x00", CHUNK):
            take(chunk)
    assert call.chunks == [CHUNK]
    assert call.error is not None
    assert socket.closing == (1007, "error_frontend_corrupted_payload")


async def test_unread_audio_is_bounded_and_none_is_lost() -> None:
    call, socket = Call(), FakeSocket()
    for _ in range(1_000):
        socket.put_audio(CHUNK)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause(1)
        assert len(socket.inbox) >= 1_000 - 52
        tasks.start_soon(call.listen)
        socket.hang_up()
    assert call.heard == CHUNK * 1_000


@pytest.mark.parametrize(
    ("chunk_ms", "lead_ms"), [(20, 100), (100, 130), (250, 280)], ids=["small blocks", "larger ones", "the largest"]
)
async def test_agent_audio_is_sent_as_far_ahead_as_the_clients_blocks_need(chunk_ms: int, lead_ms: int) -> None:
    call, socket = Call(), FakeSocket()
    assert call.transport.lead_ms == 290
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        socket.put_audio(bytes(2 * call.transport.sample_rate * chunk_ms // 1000))
        await pause(1)
        assert call.transport.lead_ms == lead_ms
        socket.hang_up()


def test_options_come_from_the_query_and_the_settings() -> None:
    settings = Settings(playout_lead_ms=60, rejoin_timeout_ms=5_000)
    options = WebSocketOptions.from_query({"enable_update": "true", "enable_audio_alignment": "false"}, settings)
    assert options == WebSocketOptions(
        enable_update=True, enable_audio_alignment=False, lead_ms=60, rejoin_timeout_ms=5_000
    )


@pytest.mark.parametrize(
    ("asked", "lead_ms"),
    [("0", 0), ("1500", 1_500), ("9999", 5_000), ("-1", 0), ("soon", None), ("", None)],
    ids=["none", "more", "too much", "negative", "no number", "empty"],
)
async def test_client_may_ask_for_its_lead(asked: str, lead_ms: int | None) -> None:
    options = WebSocketOptions.from_query({"lead_ms": asked}, Settings())
    assert options.asked_lead_ms == lead_ms
    call, socket = Call(asked_lead_ms=lead_ms), FakeSocket()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        socket.put_audio(CHUNK)
        await pause()
        assert call.transport.lead_ms == (100 if lead_ms is None else lead_ms)
        socket.hang_up()


async def test_a_long_lead_leaves_the_loop_to_others_after_each_frame() -> None:
    call, socket = Call(asked_lead_ms=5_000), FakeSocket()
    turns: list[int] = []

    async def other() -> None:
        for _ in range(5):
            turns.append(len(socket.sent))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.transport.serve, socket)
        await pause()
        tasks.start_soon(other)
        for _ in range(5):
            await call.transport.play(AudioFrame(CHUNK, 8_000))
        socket.hang_up()
    assert turns == sorted(set(turns))
