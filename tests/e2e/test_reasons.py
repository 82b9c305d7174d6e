"""Every reason for which a call can end, made to happen on real servers and read back by get-call.

All calls are held at once, because some of them take as long as the API's smallest limits: a minute for the longest.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from support.audio_client import tone
from support.broken_packages import broken_speech
from support.customer import Customer, customer_of
from support.invariants import check_call, check_files
from support.llm_server import Behaviour, Peer, llm_server
from support.server import running_server, start_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

LENGTH_TOLERANCE_MS = 20
SHORT_LIMITS = {
    "RETOLD_JOIN_TIMEOUT_MS": "15000",
    "RETOLD_REGISTERED_TIMEOUT_MS": "15000",
    "RETOLD_NO_AUDIO_TIMEOUT_MS": "15000",
    "RETOLD_REJOIN_TIMEOUT_MS": "1000",
    "RETOLD_LLM_OPEN_TIMEOUT_MS": "15000",
    "RETOLD_LLM_RETRY_GAP_MS": "100",
    "RETOLD_LLM_KEEPALIVE_TIMEOUT_MS": "1500",
    "RETOLD_LLM_PING_INTERVAL_MS": "300",
}
"""Well below the minute that the longest call takes. What would end a call that is to end otherwise is no shorter than
all calls together may need to begin, and than anybody stands still."""
NOWHERE = "ws://127.0.0.1:9/llm-websocket"
"""The discard port: nobody listens."""


@dataclass
class World:
    """The servers: one that is well, one that is deaf, one with bugs and room for one call only."""

    well: Customer
    deaf: Customer
    buggy: Customer
    calls: dict[str, dict[str, Any] | Exception] = field(default_factory=dict)
    began_ms: float = field(default_factory=lambda: time.time() * 1000)

    def customer_of(self, call: dict[str, Any]) -> Customer:
        """Whose call it was."""
        return {"deaf": self.deaf, "buggy": self.buggy}.get(call["agent_name"], self.well)


# --- how the brain behaves ------------------------------------------------------------------------


async def silent(peer: Peer) -> None:
    await peer.replies(0, "")


async def talkative(peer: Peer) -> None:
    await peer.replies(0, "good morning")
    while True:
        wanted = await peer.listens(until="response_required")
        await peer.replies(wanted["response_id"], "very well")


async def says_goodbye(peer: Peer) -> None:
    await peer.replies(0, "we are closed good bye", end_call=True)


async def leaves_normally(peer: Peer) -> None:
    await peer.replies(0, "good morning")
    await anyio.sleep(0.5)
    await peer.socket.close(1000)


async def fails(peer: Peer) -> None:
    await peer.replies(0, "good morning")
    await anyio.sleep(0.5)
    await peer.socket.close(1011)


async def leaves_without_a_code(peer: Peer) -> None:
    await peer.replies(0, "good morning")
    await anyio.sleep(0.5)
    peer.socket.transport.write(b"\x88\x00")  # RFC 6455 section 5.5.1: a close frame may be empty


async def sends_bytes(peer: Peer) -> None:
    await peer.socket.send(b"\x00\x01")


async def falls_silent(peer: Peer) -> None:
    await peer.says("config", config={"auto_reconnect": True})
    await peer.replies(0, "")


# --- how the calls end ----------------------------------------------------------------------------


async def listened_to(customer: Customer, behaviour: Behaviour, **options: Any) -> dict[str, Any]:
    """A call on which the caller only listens, until it is over."""
    async with llm_server(behaviour) as llm:
        call_id = await customer.make_web_call(await customer.make_agent(llm.url, **options))
        async with customer.joined(call_id):
            return await customer.until(call_id, timeout_s=120)


def ends_by(behaviour: Behaviour) -> "Happening":
    """The brain does it."""

    async def happen(world: World) -> dict[str, Any]:
        return await listened_to(world.well, behaviour)

    return happen


def with_frame(frame: str | bytes) -> "Happening":
    """The caller's program sends this."""

    async def happen(world: World) -> dict[str, Any]:
        async with llm_server(talkative) as llm:
            call_id = await world.well.make_web_call(await world.well.make_agent(llm.url))
            async with world.well.joined(call_id) as caller:
                await caller.until(lambda: len(caller.audio) > 0)
                await caller.socket.send(frame)
                return await world.well.until(call_id)

    return happen


async def caller_hangs_up(world: World) -> dict[str, Any]:
    async with llm_server(talkative) as llm:
        call_id = await world.well.make_web_call(await world.well.make_agent(llm.url))
        async with world.well.joined(call_id) as caller:
            await anyio.sleep(1.0)
            caller.say(tone(800, 24_000))
            await anyio.sleep(2.5)
        return await world.well.until(call_id)


async def caller_is_cut_off_and_does_not_come_back(world: World) -> dict[str, Any]:
    async with llm_server(talkative) as llm:
        call_id = await world.well.make_web_call(await world.well.make_agent(llm.url))
        async with world.well.joined(call_id) as caller:
            await caller.until(lambda: len(caller.audio) > 0)
            caller.cut()
            return await world.well.until(call_id)


async def nobody_says_anything(world: World) -> dict[str, Any]:
    async with llm_server(silent) as llm:
        agent_id = await world.well.make_agent(llm.url)
        call_id = await world.well.register_call(agent_id, end_call_after_silence_ms=10_000)
        async with world.well.joined(call_id, rate_hz=16_000):
            return await world.well.until(call_id)


async def minute_is_over(world: World) -> dict[str, Any]:
    call = await listened_to(world.well, silent, max_call_duration_ms=60_000)
    # Checked at the moment it is due; a server that stands still then looks a little later.
    assert 60_000 <= call["duration_ms"] < 66_000
    return call


async def all_lines_are_taken(world: World) -> dict[str, Any]:
    async with llm_server(silent) as llm:
        agent_id = await world.buggy.make_agent(llm.url)
        first, second = [await world.buggy.make_web_call(agent_id) for _ in range(2)]
        async with world.buggy.joined(first, is_talking=False):
            await world.buggy.until(first, "ongoing")
            async with world.buggy.joined(second, is_talking=False):
                return await world.buggy.until(second)


async def nobody_joins(world: World) -> dict[str, Any]:
    return await world.well.until(await world.well.make_web_call(await world.well.make_agent(NOWHERE)))


async def nobody_dials(world: World) -> dict[str, Any]:
    return await world.well.until(await world.well.register_call(await world.well.make_agent(NOWHERE)))


async def nobody_answers_for_the_brain(world: World) -> dict[str, Any]:
    call_id = await world.well.make_web_call(await world.well.make_agent(NOWHERE))
    async with world.well.joined(call_id):
        return await world.well.until(call_id)


async def microphone_is_off(world: World) -> dict[str, Any]:
    async with llm_server(silent) as llm:
        call_id = await world.well.make_web_call(await world.well.make_agent(llm.url))
        async with world.well.joined(call_id, is_talking=False):
            return await world.well.until(call_id)


async def recognition_cannot_be_loaded(world: World) -> dict[str, Any]:
    return await listened_to(world.deaf, silent)


async def voice_cannot_be_loaded(world: World) -> dict[str, Any]:
    async with llm_server(talkative) as llm:
        call_id = await world.buggy.make_web_call(await world.buggy.make_agent(llm.url))
        async with world.buggy.joined(call_id, is_talking=False):
            return await world.buggy.until(call_id)


async def program_has_a_bug(world: World) -> dict[str, Any]:
    call = await listened_to(world.buggy, silent)
    assert "an error that nobody foresaw" in world.buggy.server.output()
    return call


async def call_is_stopped(world: World) -> dict[str, Any]:
    async with llm_server(talkative) as llm:
        call_id = await world.well.make_web_call(await world.well.make_agent(llm.url))
        async with world.well.joined(call_id) as caller:
            await caller.until(lambda: len(caller.audio) > 0)
            await world.well.post(f"/v2/stop-call/{call_id}")
            return await world.well.until(call_id)


async def call_is_stopped_before_anybody_joins(world: World) -> dict[str, Any]:
    call_id = await world.well.make_web_call(await world.well.make_agent(NOWHERE))
    await world.well.post(f"/v2/stop-call/{call_id}")
    return await world.well.until(call_id)


Happening = Callable[[World], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Ending:
    """What happens, the reason it must be given, and whether somebody was on the line."""

    happen: Happening
    reason: str
    detail: str = ""
    """Words that the public log gives as the cause."""
    is_joined: bool = True


KILLED = "the server is killed"
ENDINGS = {
    "the caller hangs up": Ending(caller_hangs_up, "user_hangup", "the caller left"),
    "the caller is cut off": Ending(caller_is_cut_off_and_does_not_come_back, "user_hangup", "the caller left"),
    "the agent says good bye": Ending(ends_by(says_goodbye), "agent_hangup"),
    "the brain closes with 1000": Ending(ends_by(leaves_normally), "agent_hangup", "code 1000"),
    "nobody says anything": Ending(nobody_says_anything, "inactivity"),
    "the minute is over": Ending(minute_is_over, "max_duration_reached"),
    "all lines are taken": Ending(all_lines_are_taken, "concurrency_limit_reached", is_joined=False),
    "nobody joins": Ending(nobody_joins, "error_user_not_joined", is_joined=False),
    "nobody dials": Ending(nobody_dials, "registered_call_timeout", is_joined=False),
    "the brain is not there": Ending(nobody_answers_for_the_brain, "error_llm_websocket_open", "cannot be opened"),
    "the brain closes without a code": Ending(
        ends_by(leaves_without_a_code), "error_llm_websocket_open", "without a close code"
    ),
    "the brain does not answer pings": Ending(ends_by(falls_silent), "error_llm_websocket_lost_connection", "lost"),
    "the brain closes with 1011": Ending(ends_by(fails), "error_llm_websocket_runtime", "code 1011"),
    "the brain sends bytes": Ending(ends_by(sends_bytes), "error_llm_websocket_corrupt_payload", "binary frame"),
    "the caller sends unknown text": Ending(with_frame("hello"), "error_frontend_corrupted_payload", "'hello'"),
    "the caller sends half a sample": Ending(with_frame(b"abc"), "error_frontend_corrupted_payload", "half a sample"),
    "the microphone is off": Ending(microphone_is_off, "error_no_audio_received", "no audio"),
    "recognition cannot be loaded": Ending(recognition_cannot_be_loaded, "error_asr", "RETOLD_LOCAL__WHISPER_DIR"),
    "the voice cannot be loaded": Ending(voice_cannot_be_loaded, "error_retell", "speech synthesis failed"),
    KILLED: Ending(caller_hangs_up, "error_retell"),
    "the program has a bug": Ending(program_has_a_bug, "error_unknown", "nobody foresaw"),
    "the call is stopped": Ending(call_is_stopped, "manual_stopped", "stopped by the API"),
    "the call is stopped before anybody joins": Ending(
        call_is_stopped_before_anybody_joins, "manual_stopped", is_joined=False
    ),
}
TAKES_ALL_LINES = ("all lines are taken", "the voice cannot be loaded", "the program has a bug")
"""These have the server with room for one call to themselves, one after the other."""


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Three servers on which everything has happened; the first one was killed and started again."""
    folder = tmp_path_factory.mktemp("reasons")
    (folder / "no-model").mkdir()
    deaf = {"RETOLD_STT": "local", "RETOLD_LOCAL__WHISPER_DIR": str(folder / "no-model")}
    buggy = {"RETOLD_CONCURRENCY_LIMIT": "1", **broken_speech(folder / "packages")}
    async with AsyncExitStack() as stack:
        servers = [
            start_server(folder / "well", env=SHORT_LIMITS),
            stack.enter_context(running_server(folder / "deaf", env=deaf)),
            stack.enter_context(running_server(folder / "buggy", env=buggy)),
        ]
        customers = [await stack.enter_async_context(customer_of(server)) for server in servers]
        world = World(well=customers[0], deaf=customers[1], buggy=customers[2])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_turn, world, TAKES_ALL_LINES)
            for name in ENDINGS.keys() - {KILLED, *TAKES_ALL_LINES}:
                tasks.start_soon(in_turn, world, (name,))
        call_id = await killed_call(world.well)
        again = stack.enter_context(running_server(folder / "well", env=SHORT_LIMITS))
        world.well = await stack.enter_async_context(customer_of(again))
        world.calls[KILLED] = await world.well.call(call_id)
        yield world


async def in_turn(world: World, names: tuple[str, ...]) -> None:
    """Let these happen; what goes wrong is the business of each one's own test."""
    for name in names:
        try:
            world.calls[name] = await ENDINGS[name].happen(world)
            if name in TAKES_ALL_LINES:
                await world.buggy.until_idle()
        except Exception as error:  # noqa: BLE001 - raised again by the test
            world.calls[name] = error


async def killed_call(customer: Customer) -> str:
    async with llm_server(talkative) as llm:
        call_id = await customer.make_web_call(await customer.make_agent(llm.url))
        async with customer.joined(call_id) as caller:
            await caller.until(lambda: len(caller.audio) > 0)
            await anyio.sleep(1.5)
            customer.server.kill()
    return call_id


@pytest.mark.parametrize("name", ENDINGS)
async def test_the_reason_is_what_happened(world: World, name: str) -> None:
    ending, seen = ENDINGS[name], world.calls[name]
    if isinstance(seen, Exception):
        raise seen
    assert seen["disconnection_reason"] == ending.reason
    check_call(seen)
    customer = world.customer_of(seen)
    call = await customer.call(seen["call_id"])
    assert without_addresses(call) == without_addresses(seen), "a call that is over has changed"
    if ending.is_joined:
        assert world.began_ms - 1 <= call["start_timestamp"] <= call["end_timestamp"] <= time.time() * 1000
        check_files(customer.server.data_dir, call)
        log = await customer.log(call)
        assert "call connected" in log[0]
        ends = [line.partition("call ends: ")[2] for line in log if "call ends: " in line]
        if name == KILLED:
            assert ends == []
        else:
            assert ends[0].startswith(f"{ending.reason} (")
            assert ending.detail in ends[0]
    else:
        assert world.began_ms - 1 <= call["end_timestamp"] <= time.time() * 1000
        assert call.keys().isdisjoint({"start_timestamp", "recording_url", "public_log_url", "transcript"})


def without_addresses(call: dict[str, Any]) -> dict[str, Any]:
    """The server that was started again has another port."""
    return {name: value for name, value in call.items() if not name.endswith("_url")}


def test_no_reason_of_this_issue_is_left_out() -> None:
    assert {ending.reason for ending in ENDINGS.values()} == {
        "user_hangup",
        "agent_hangup",
        "inactivity",
        "max_duration_reached",
        "concurrency_limit_reached",
        "error_user_not_joined",
        "registered_call_timeout",
        "error_llm_websocket_open",
        "error_llm_websocket_lost_connection",
        "error_llm_websocket_runtime",
        "error_llm_websocket_corrupt_payload",
        "error_frontend_corrupted_payload",
        "error_no_audio_received",
        "error_asr",
        "error_retell",
        "error_unknown",
        "manual_stopped",
    }
