import threading
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from retold.calls.recover import recover
from retold.calls.run import run_call
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.errors import Conflict, LlmOpenFailed, SynthesisFailed, Unavailable
from retold.ids import CallId
from retold.settings import Price
from retold.storage.disk import Disk
from support.call_house import (
    CANARY,
    RATE,
    House,
    ScriptedSession,
    hang_up_at_once,
    open_house,
    said,
    talk,
    until_stopped,
)
from support.invariants import check_call, check_files, check_nothing_left, contains
from support.patience import PATIENCE_S
from support.stored import make_agent

pytestmark = pytest.mark.anyio


async def stored(house: House, record: CallRecord) -> CallRecord:
    found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    return found


async def test_a_call_becomes_its_record(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = talk(house.clock)
        finished = await house.hold(await house.create(metadata={"k": 1}))
        assert await stored(house, finished) == finished
        assert await house.store.read_journal(CallId(finished.call.call_id)) == []
        assert house.live.active == 0
    call = finished.call.wire()
    check_call(call)
    check_files(tmp_path, call)
    check_nothing_left(tmp_path)
    assert call["duration_ms"] == 2000
    assert call["transcript"] == f"User: {CANARY}\nAgent: {CANARY}\n" * 2
    assert [item["role"] for item in call["transcript_with_tool_calls"]].count("tool_call_invocation") == 2
    assert call["recording_url"].startswith(f"/files/{finished.files_token}/")
    assert finished.is_recording_complete


async def test_a_call_is_written_down_with_what_it_costs(tmp_path: Path) -> None:
    async with open_house(tmp_path, prices={"my_tts": Price(per_second=0.5)}) as house:
        house.script = talk(house.clock)
        finished = await house.hold(await house.create())
        assert (await stored(house, finished)).call.wire()["call_cost"] == {
            "combined_cost": 1.0,
            "product_costs": [{"product": "my_tts", "cost": 1.0, "unit_price": 0.5}],
            "total_duration_seconds": 2.0,
            "total_duration_unit_price": 0.5,
        }


@pytest.mark.parametrize("setting", ["basic_attributes_only", "opt out"])
async def test_nothing_that_was_said_is_ever_on_disk_under_the_strict_settings(tmp_path: Path, setting: str) -> None:
    agent = (
        make_agent(opt_out_sensitive_data_storage=True)
        if setting == "opt out"
        else make_agent(data_storage_setting=setting)
    )
    async with open_house(tmp_path, agent=agent) as house:
        conversation = talk(house.clock)

        async def script(session: ScriptedSession) -> None:
            await conversation(session)
            assert contains(tmp_path, CANARY) == []
            assert list((tmp_path / "spool").iterdir()) == []

        house.script = script
        finished = await house.hold(await house.create())
        unstored = house.deps.archive.unstored
        whole = unstored.get(finished.call.call_id)
        recording = unstored.recording(finished.files_token)
        assert recording is not None
        heard = recording.part("recording.wav", 44)
        house.clock.pass_ms(600_000)
        unstored.sweep()
        assert list((tmp_path / "unstored").iterdir()) == []
    call = finished.call.wire()
    check_call(call)
    assert contains(tmp_path, CANARY) == []
    assert heard.startswith(bytes([1, 0]) * (RATE // 2))
    assert whole is not None
    assert whole.call.recording_url == f"/files/{finished.files_token}/recording.wav"
    assert whole.call.transcript == f"User: {CANARY}\nAgent: {CANARY}\n" * 2
    assert whole.permitted() == finished.model_copy(update={"is_recording_complete": whole.is_recording_complete})
    assert not (tmp_path / "files").exists()
    assert not {"transcript", "transcript_object", "recording_url", "public_log_url"} & call.keys()
    assert (call["duration_ms"], call["disconnection_reason"]) == (2000, "user_hangup")
    assert "latency" in call


async def test_the_canary_is_found_where_storing_is_allowed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = talk(house.clock)
        await house.hold(await house.create())
    assert {path.suffix for path in contains(tmp_path, CANARY)} >= {".gz"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LlmOpenFailed("no"), "error_llm_websocket_open"),
        (SynthesisFailed("no"), "error_retell"),
        (ZeroDivisionError("no"), "error_unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_error_ends_its_own_call_with_its_reason(tmp_path: Path, error: Exception, reason: str) -> None:
    async with open_house(tmp_path) as house:

        async def script(_session: ScriptedSession) -> None:
            raise error

        house.script = script
        leg = house.leg()
        finished = await run_call(await house.create(), leg, house.deps)
    assert finished.call.disconnection_reason == reason
    assert leg.closed_with == reason
    check_call(finished.call.wire())


async def test_a_deleted_agent_ends_the_call_as_our_error(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        gone = record.model_copy(update={"call": record.call.model_copy(update={"agent_version": 9})})
        finished = await house.hold(gone)
    assert finished.call.disconnection_reason is DisconnectionReason.ERROR_RETELL


async def test_a_call_without_a_free_slot_ends_at_once_and_says_so(tmp_path: Path) -> None:
    async with open_house(tmp_path, concurrency_limit=1) as house:
        first = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, first)
            while house.live.active == 0:
                await anyio.lowlevel.checkpoint()
            leg = house.leg()
            refused = await run_call(await house.create(), leg, house.deps)
            assert leg.closed_with == "concurrency_limit_reached"
            assert house.live.active == 1
            assert await house.live.stop(first)
            assert refused.call.disconnection_reason is DisconnectionReason.CONCURRENCY_LIMIT_REACHED
            assert (await stored(house, refused)) == refused
            check_call(refused.call.wire())
        assert (await stored(house, first)).call.disconnection_reason is DisconnectionReason.MANUAL_STOPPED
        house.script = hang_up_at_once
        assert (await house.hold(await house.create())).call.call_status is CallStatus.ENDED


async def test_one_call_has_one_conversation(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, record)
            while house.live.find(record.call.call_id) is None:
                await anyio.lowlevel.checkpoint()
            with pytest.raises(Conflict):
                await house.hold(record)
            assert await house.live.stop(record)
        leg = house.leg()
        again = await run_call(record, leg, house.deps)
        assert again.call.disconnection_reason is DisconnectionReason.MANUAL_STOPPED
        assert leg.closed_with == "the call is over"


async def test_a_call_that_is_joined_while_it_is_stopped_is_stopped(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        is_stopped: list[bool] = []

        async def stop() -> None:
            is_stopped.append(await house.live.stop(record))
            assert is_stopped == [True]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            tasks.start_soon(house.hold, record)
        assert (await stored(house, record)).call.disconnection_reason is DisconnectionReason.MANUAL_STOPPED


async def test_a_call_whose_task_is_cancelled_is_written_down_before_it_goes(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        is_talking = anyio.Event()

        async def script(session: ScriptedSession) -> None:
            for event in said(0, 100.0):
                session.timeline.append(event)
            is_talking.set()
            await until_stopped(session)

        house.script = script
        record = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, record)
            await is_talking.wait()
            tasks.cancel_scope.cancel()
        finished = await stored(house, record)
    assert finished.call.disconnection_reason is DisconnectionReason.ERROR_RETELL
    assert CANARY in (finished.call.transcript or "")


@pytest.mark.parametrize("jump_s", [3600, -3600, 86_400, -86_400], ids=["+1h", "-1h", "+1d", "-1d"])
async def test_a_jump_of_the_wall_clock_does_not_change_the_length_of_a_call(tmp_path: Path, jump_s: int) -> None:
    async with open_house(tmp_path) as house:

        async def script(session: ScriptedSession) -> None:
            house.clock.pass_ms(700)
            house.clock.jump(jump_s * 1000)
            house.clock.pass_ms(800)
            session.end()

        house.script = script
        finished = await house.hold(await house.create())
    call = finished.call.wire()
    check_call(call)
    assert call["duration_ms"] == 1500


async def test_draining_waits_for_the_last_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        waiting = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, record)
            while house.live.active == 0:
                await anyio.lowlevel.checkpoint()
            with anyio.move_on_after(0.05) as patience:
                await house.live.drain()
            assert patience.cancelled_caught
            with pytest.raises(Unavailable):
                await house.hold(waiting)
            await house.live.end_all()
        finished = await stored(house, record)
        assert finished.call.disconnection_reason is DisconnectionReason.ERROR_RETELL
        assert (await stored(house, waiting)).call.call_status is CallStatus.REGISTERED


class Gate(Disk):
    """A disk that holds each write of a recording until the test lets it go, and counts who is held."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.held = threading.Event()
        self.writes = 0

    def write(self, fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        if bytes(data[:4]) == b"RIFF":
            self.writes += 1
            self.held.set()
            self.opened.wait(PATIENCE_S)
        super().write(fd, data, offset)


def stored_files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def held(gate: Gate) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not gate.held.is_set():  # noqa: ASYNC110 - a thread tells
            await anyio.sleep(0.005)


async def test_a_call_whose_recording_is_being_encoded_leaves_its_slot_to_the_next(tmp_path: Path) -> None:
    gate = Gate()
    async with open_house(tmp_path, disk=gate, concurrency_limit=1) as house, anyio.create_task_group() as tasks:
        house.script = hang_up_at_once
        first = await house.create()
        tasks.start_soon(house.hold, first)
        await held(gate)
        assert house.live.active == 0
        assert house.live.find(first.call.call_id) is not None
        house.script = until_stopped
        second = await house.create()
        tasks.start_soon(house.hold, second)
        while house.live.active == 0:
            await anyio.lowlevel.checkpoint()
        gate.opened.set()
        assert await house.live.end_all()
        assert (await stored(house, first)).call.recording_url


async def test_an_encoding_nobody_waits_for_any_more_stops_and_leaves_the_call_to_recovery(tmp_path: Path) -> None:
    gate = Gate()
    async with open_house(tmp_path, disk=gate) as house:

        async def script(session: ScriptedSession) -> None:
            for event in said(0, 100.0):
                session.timeline.append(event)
            house.clock.pass_ms(60_000)
            session.end()

        house.script = script
        record = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, record)
            await held(gate)
            tasks.cancel_scope.cancel()
        assert gate.writes == 1
        gate.opened.set()
        assert (await stored(house, record)).call.call_status is CallStatus.ONGOING
        assert await recover(house.deps.archive, house.live) == 1
        finished = await stored(house, record)
    check_call(finished.call.wire())
    check_files(tmp_path, finished.call.wire())
    assert finished.call.disconnection_reason is DisconnectionReason.USER_HANGUP
    assert not any(name.endswith(".part") for name in stored_files(tmp_path))


async def test_a_call_waits_for_the_speech_models(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        is_loaded, began = anyio.Event(), anyio.Event()

        async def script(session: ScriptedSession) -> None:
            began.set()
            session.end()

        house.script = script
        deps = replace(house.deps, speech_ready=is_loaded.wait)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_call, await house.create(), house.leg(), deps)
            while house.live.active == 0:
                await anyio.lowlevel.checkpoint()
            await anyio.sleep(0.02)
            assert not began.is_set()
            is_loaded.set()
        assert began.is_set()


async def test_a_call_that_waits_for_the_speech_models_can_be_stopped(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        deps = replace(house.deps, speech_ready=anyio.Event().wait)
        record = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_call, record, house.leg(), deps)
            while (await stored(house, record)).call.call_status is CallStatus.REGISTERED:
                await anyio.lowlevel.checkpoint()
            assert await house.live.stop(record)
        finished = await stored(house, record)
    assert finished.call.disconnection_reason is DisconnectionReason.MANUAL_STOPPED
    check_call(finished.call.wire())


async def test_the_first_decided_end_is_reason_and_length_of_a_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:

        async def script(session: ScriptedSession) -> None:
            house.clock.pass_ms(1000)
            session.end()
            house.clock.pass_ms(500)
            session.end(DisconnectionReason.ERROR_RETELL)

        house.script = script
        finished = await house.hold(await house.create())
    assert (finished.call.disconnection_reason, finished.call.duration_ms) == ("user_hangup", 1000)
    check_call(finished.call.wire())
