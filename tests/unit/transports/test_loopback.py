"""The in-memory leg, on virtual time."""

import anyio
import pytest

from retold.ports import AudioFrame
from retold.transports.loopback import LoopbackTransport
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

RATE = 8_000
CHUNK_BYTES = RATE // 50 * 2


async def record(transport: LoopbackTransport) -> list[tuple[float, bytes]]:
    chunks: list[tuple[float, bytes]] = []
    await transport.listen(lambda chunk: chunks.append((transport.now_ms(), chunk)))
    return chunks


async def test_microphone_runs_in_real_time_with_silence_between_passages() -> None:
    transport = LoopbackTransport(VirtualClock(), sample_rate=RATE)
    assert transport.say(b"\x01\x00" * 160, at_ms=30) == pytest.approx(50)
    transport.hang_up(at_ms=100)
    chunks = await record(transport)
    assert [at for at, _ in chunks] == pytest.approx([20, 40, 60, 80, 100])
    sound = b"".join(pcm for _, pcm in chunks)
    assert sound.find(b"\x01") == 30 * RATE // 1000 * 2
    assert sound.count(b"\x01") == 160
    assert {len(pcm) for _, pcm in chunks} == {CHUNK_BYTES}


async def test_caller_may_speak_and_hang_up_in_mid_call() -> None:
    transport = LoopbackTransport(VirtualClock(), sample_rate=RATE)
    chunks: list[tuple[float, bytes]] = []

    async def listen() -> None:
        chunks.extend(await record(transport))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.sleep(0.1)
        transport.say(b"\x02\x00" * 800)
        await anyio.sleep(0.2)
        transport.hang_up()
    assert b"".join(pcm for _, pcm in chunks).count(b"\x02") == 800
    assert chunks[-1][0] == pytest.approx(300)


async def test_everything_the_agent_sends_is_recorded() -> None:
    transport = LoopbackTransport(VirtualClock(), sample_rate=RATE)
    await transport.play(AudioFrame(b"\x03\x00" * 800, RATE), "hello")
    await transport.send_event({"event_type": "update"})
    await anyio.sleep(0.04)
    await transport.clear()
    assert [(frame.at_ms, frame.text) for frame in transport.played] == [(0, "hello")]
    assert transport.events == [(0, {"event_type": "update"})]
    assert transport.cleared_at_ms == [pytest.approx(40)]
    assert [run.end_ms for run in transport.heard.runs()] == [pytest.approx(40)]


async def test_close_ends_listening() -> None:
    transport = LoopbackTransport(VirtualClock(), sample_rate=RATE)
    chunks: list[tuple[float, bytes]] = []

    async def listen() -> None:
        chunks.extend(await record(transport))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.sleep(0.05)
        await transport.close("agent_hangup")
    assert transport.closed_with == "agent_hangup"
    assert len(chunks) == 2
