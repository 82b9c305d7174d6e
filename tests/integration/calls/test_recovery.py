"""What a dead process leaves behind becomes the record it would have been; a restart is opening the folder again."""

import contextlib
import errno
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.calls.finish import finish
from retold.calls.recover import recover
from retold.domain.call import CallRecord
from retold.domain.reasons import DisconnectionReason
from retold.engine.timeline import AnyEvent, CallConnected, EndIntended, Heartbeat, encode, replay
from retold.errors import StorageError
from retold.ids import CallId
from retold.storage.tape import spool_path
from support.call_house import CANARY, RATE, House, hang_up_at_once, open_house, said
from support.database import sqlite_only
from support.invariants import check_call, check_files, check_nothing_left
from support.stored import BORN_MS, FaultyDisk, make_agent

pytestmark = pytest.mark.anyio

EVENTS: list[AnyEvent] = [
    CallConnected(at_ms=0.0, wall_ms=BORN_MS + 10, sample_rate=RATE),
    *said(0, 0.0),
    *said(1, 1000.0),
    Heartbeat(at_ms=2000.0),
]


async def leave_behind(
    house: House, events: list[AnyEvent], *, recorded_ms: int = 2100, raw: list[bytes] | None = None
) -> CallRecord:
    """A call that was in progress when the process died: row, journal and spool."""
    record = await house.create()
    call_id = CallId(record.call.call_id)
    await house.store.start_call(call_id, BORN_MS + 10)
    journal = house.store.journal(call_id)
    for number, line in enumerate(raw if raw is not None else map(encode, events)):
        journal.append(number, 0.0, line)
    await journal.committed()
    if recorded_ms:
        spool_path(house.deps.recorder.folder, call_id, "caller").write_bytes(
            b"\x03\x00" * (recorded_ms * RATE // 1000)
        )
    return record


async def recovered(house: House, record: CallRecord) -> CallRecord:
    await recover(house.deps.archive, house.live)
    found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    return found


async def test_a_call_cut_off_in_the_middle_ends_as_our_error_at_its_last_sign_of_life(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await leave_behind(house, EVENTS)
    async with open_house(tmp_path) as house:
        house.clock.pass_ms(3_600_000)
        finished = await recovered(house, record)
    call = finished.call.wire()
    check_call(call)
    check_files(tmp_path, call)
    check_nothing_left(tmp_path)
    assert call["disconnection_reason"] == "error_retell"
    assert call["start_timestamp"] == BORN_MS + 10
    assert call["end_timestamp"] == BORN_MS + 10 + 2100
    assert call["transcript"].count(CANARY) == 4
    assert not finished.is_recording_complete


@pytest.mark.parametrize("reason", ["user_hangup", "agent_hangup", "inactivity", "max_duration_reached"])
async def test_the_intended_reason_survives_the_crash(tmp_path: Path, reason: str) -> None:
    async with open_house(tmp_path) as house:
        end = EndIntended(at_ms=1900.0, reason=DisconnectionReason(reason))
        record = await leave_behind(house, [*EVENTS, end])
        finished = await recovered(house, record)
    assert finished.call.disconnection_reason == reason
    assert finished.call.duration_ms == 1900
    check_files(tmp_path, finished.call.wire())


async def test_a_call_that_died_before_its_first_event_has_length_zero(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await leave_behind(house, [], recorded_ms=0)
        finished = await recovered(house, record)
    check_call(finished.call.wire())
    assert (finished.call.duration_ms, finished.call.start_timestamp) == (0, BORN_MS + 10)


async def test_recovery_and_normal_end_give_the_same_record(tmp_path: Path) -> None:
    events: list[AnyEvent] = [*EVENTS, EndIntended(at_ms=2000.0, reason=DisconnectionReason.USER_HANGUP)]
    async with open_house(tmp_path) as house:
        record = await leave_behind(house, events)
        shutil.copytree(tmp_path / "spool", tmp_path / "kept")
        finished = await finish(record, events, house.deps.archive, is_recording_complete=False)
    other = tmp_path / "other"
    async with open_house(other) as house:
        twin = await leave_behind(house, events)
        again = await recovered(house, twin)
    ours, theirs = finished.call.wire(), again.call.wire()
    for shape in (ours, theirs):
        for field in ("call_id", "access_token", "recording_url", "recording_multi_channel_url", "public_log_url"):
            del shape[field]
    assert ours == theirs
    for name in ("recording.wav", "recording_multi_channel.wav", "public_log.txt.gz"):
        assert (tmp_path / "files" / finished.files_token / name).read_bytes() == (
            other / "files" / again.files_token / name
        ).read_bytes()


class Dying:
    """From the `left`-th operation after arming on, every one fails: as at a crash, nothing more reaches the disk."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.is_armed = False

    def __call__(self, _number: int, _operation: str) -> bool:
        self.left -= self.is_armed
        return self.is_armed and self.left <= 0


@sqlite_only
async def test_finishing_that_is_cut_off_at_any_operation_comes_to_the_same_record(tmp_path: Path) -> None:
    async with open_house(tmp_path / "0") as house:
        record = await leave_behind(house, EVENTS)
    shutil.copytree(tmp_path / "0", tmp_path / "whole")
    async with open_house(tmp_path / "whole") as house:
        expected = await recovered(house, record)
    for failing in range(1, 60):
        folder = tmp_path / str(failing)
        shutil.copytree(tmp_path / "0", folder)
        dying = Dying(failing)
        async with open_house(folder, disk=FaultyDisk(dying, errno.EIO)) as house:
            dying.is_armed = True
            with contextlib.suppress(StorageError):
                await recover(house.deps.archive, house.live)
            dying.is_armed = False
        async with open_house(folder) as house:
            again = await recovered(house, record)
        assert again.model_dump_json() == expected.model_dump_json()
        check_files(folder, again.call.wire())
        check_nothing_left(folder)
        if dying.left > 0:
            return
    pytest.fail("recovery never came through")


async def test_recovery_twice_changes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await leave_behind(house, EVENTS)
        first = await recovered(house, record)
        second = await recovered(house, record)
    assert first.model_dump_json() == second.model_dump_json()


async def test_recovery_leaves_running_calls_alone(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:

        async def script(session: object) -> None:
            await recover(house.deps.archive, house.live)
            await hang_up_at_once(session)  # pyright: ignore[reportArgumentType] - the house makes no others

        house.script = script
        finished = await house.hold(await house.create())
    assert finished.call.disconnection_reason is DisconnectionReason.USER_HANGUP


async def test_one_call_that_cannot_be_recovered_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        bad = await leave_behind(house, EVENTS)
        good = await leave_behind(house, EVENTS)
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / bad.files_token).write_text("a file where the folder should be")
        finished = await recovered(house, good)
        other = await house.store.find_call(None, CallId(bad.call.call_id))
    assert finished.call.recording_url
    assert other is not None
    assert other.call.disconnection_reason is DisconnectionReason.ERROR_RETELL
    assert other.call.recording_url is None
    assert other.call.transcript == finished.call.transcript


async def test_a_strict_call_that_crashed_is_recovered_from_what_may_be_kept(tmp_path: Path) -> None:
    agent = make_agent(data_storage_setting="basic_attributes_only")
    kept = [event for event in EVENTS if not event.is_sensitive]
    async with open_house(tmp_path, agent=agent) as house:
        record = await leave_behind(house, kept, recorded_ms=0)
        finished = await recovered(house, record)
        assert house.deps.archive.unstored.get(record.call.call_id) is None
    call = finished.call.wire()
    check_call(call)
    assert (call["duration_ms"], "transcript" in call) == (2000, False)


async def test_spools_without_a_call_are_swept_away(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        spool_path(house.deps.recorder.folder, "call_gone", "agent").write_bytes(b"12")
        await recover(house.deps.archive, house.live)
    check_nothing_left(tmp_path)


lines = [encode(event) for event in EVENTS]


@given(st.integers(0, len(lines) - 1), st.data())
def test_a_journal_is_read_up_to_its_last_good_entry(torn: int, data: st.DataObject) -> None:
    damage = data.draw(
        st.one_of(
            st.integers(0, len(lines[torn]) - 1).map(lambda end: lines[torn][:end]),
            st.binary(max_size=80),
            st.tuples(st.integers(0, len(lines[torn]) - 1), st.integers(1, 255)).map(
                lambda flip: bytes(
                    byte ^ flip[1] if place == flip[0] else byte for place, byte in enumerate(lines[torn])
                )
            ),
        )
    )
    found = replay([*lines[:torn], damage, *lines[torn + 1 :]])
    assert found[:torn] == EVENTS[:torn]
    assert len(found) in {torn, len(lines)}


async def test_a_torn_journal_still_becomes_a_record(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await leave_behind(house, [], raw=[*lines[:4], b'{"type":"heartb', *lines[4:]])
        finished = await recovered(house, record)
    check_call(finished.call.wire())
    assert (finished.call.transcript or "").count(CANARY) == 1


@sqlite_only
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99], ids=str)
async def test_a_torn_write_ahead_log_opens_at_its_last_whole_commit(tmp_path: Path, share: float) -> None:
    """A copy of the files of a running server, its log cut anywhere: what a power cut leaves."""
    async with open_house(tmp_path / "live") as house:
        created = [(await house.create()).call.call_id for _ in range(20)]
        torn = tmp_path / "torn"
        torn.mkdir()
        shutil.copy(tmp_path / "live" / "retold.db", torn)
        log = (tmp_path / "live" / "retold.db-wal").read_bytes()
        (torn / "retold.db-wal").write_bytes(log[: int(len(log) * share)])
    is_whole = sqlite3.connect(torn / "retold.db")
    assert is_whole.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    is_whole.close()
    async with open_house(torn) as house:
        found = [call_id for call_id in created if await house.store.find_call(None, CallId(call_id))]
    assert found == created[: len(found)]
