"""What every implementation of ports.Transport does, whatever lies under it."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
import pytest

from retold.domain.call import CallAudio
from retold.ports import AudioFrame, Transport
from retold.transports.loopback import LoopbackTransport
from retold.transports.websocket import WebSocketOptions, WebSocketTransport
from support.fake_socket import FakeSocket
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

RATE = 8_000
SPEECH = b"\x01\x00" * (RATE // 10)


@dataclass
class Leg:
    """A transport and the peer at its other end."""

    transport: Transport
    speak: Callable[[bytes], None]
    hang_up: Callable[[], None]
    heard: Callable[[], bytes]


def loopback(_tasks: anyio.abc.TaskGroup) -> Leg:
    transport = LoopbackTransport(VirtualClock(), sample_rate=RATE)

    def speak(pcm: bytes) -> None:
        transport.say(pcm)

    return Leg(transport, speak, transport.hang_up, lambda: b"".join(frame.pcm for frame in transport.played))


def websocket(tasks: anyio.abc.TaskGroup) -> Leg:
    transport = WebSocketTransport(CallAudio(sample_rate=RATE), VirtualClock(), WebSocketOptions())
    socket = FakeSocket()
    tasks.start_soon(transport.serve, socket)
    return Leg(transport, socket.put_audio, socket.hang_up, lambda: b"".join(socket.audio))


def ignore(_chunk: bytes) -> None:
    pass


Connect = Callable[[anyio.abc.TaskGroup], Leg]


@pytest.fixture(params=[loopback, websocket], ids=["loopback", "websocket"])
def connect(request: pytest.FixtureRequest) -> Connect:
    return request.param


async def test_speech_arrives_whole_and_at_the_rate_of_the_leg(connect: Connect) -> None:
    chunks: list[bytes] = []
    async with anyio.create_task_group() as tasks:
        leg = connect(tasks)
        assert leg.transport.sample_rate == RATE
        tasks.start_soon(leg.transport.listen, chunks.append)
        leg.speak(SPEECH)
        await anyio.sleep(0.5)
        leg.hang_up()
    assert b"".join(chunks).count(b"\x01") == len(SPEECH) // 2


async def test_listening_ends_when_the_peer_hangs_up(connect: Connect) -> None:
    with anyio.fail_after(1):
        async with anyio.create_task_group() as tasks:
            leg = connect(tasks)
            tasks.start_soon(leg.transport.listen, ignore)
            await anyio.sleep(0.1)
            leg.hang_up()


async def test_listening_ends_when_we_hang_up(connect: Connect) -> None:
    with anyio.fail_after(1):
        async with anyio.create_task_group() as tasks:
            leg = connect(tasks)
            tasks.start_soon(leg.transport.listen, ignore)
            await anyio.sleep(0.1)
            await leg.transport.close("agent_hangup")


async def test_what_goes_wrong_with_the_audio_reaches_who_listens(connect: Connect) -> None:
    def refuse(_chunk: bytes) -> None:
        raise ValueError("not this one")

    async with anyio.create_task_group() as tasks:
        leg = connect(tasks)
        leg.speak(SPEECH)
        with pytest.raises(ValueError, match="not this one"), anyio.fail_after(1):
            await leg.transport.listen(refuse)
        await leg.transport.close("error_unknown")


async def test_agent_audio_reaches_the_peer_in_order(connect: Connect) -> None:
    async with anyio.create_task_group() as tasks:
        leg = connect(tasks)
        await anyio.sleep(0.01)
        for sample in range(1, 6):
            await leg.transport.play(AudioFrame(bytes([sample, 0]), RATE), "word")
        assert leg.heard() == b"\1\0\2\0\3\0\4\0\5\0"
        await leg.transport.close("agent_hangup")


async def test_everything_may_be_called_after_the_end(connect: Connect) -> None:
    async with anyio.create_task_group() as tasks:
        leg = connect(tasks)
        await anyio.sleep(0.01)
        for _ in range(2):
            await leg.transport.close("agent_hangup")
        await leg.transport.play(AudioFrame(SPEECH, RATE))
        await leg.transport.clear()
        await leg.transport.send_event({"event_type": "metadata", "metadata": 1})
        chunks: list[bytes] = []
        await leg.transport.listen(chunks.append)
        assert chunks == []


async def test_lead_is_within_what_the_port_allows(connect: Connect) -> None:
    async with anyio.create_task_group() as tasks:
        leg = connect(tasks)
        assert 0 <= leg.transport.lead_ms <= 300
        await leg.transport.close("agent_hangup")
