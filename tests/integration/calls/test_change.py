"""Deleting and tightening calls: what was said is nowhere any more, whatever was going on meanwhile."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from retold.calls.change import CallChanges, delete, update_finished
from retold.calls.finish import salvage
from retold.calls.recover import recover
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus
from retold.errors import InvalidRequest
from retold.ids import DEFAULT_ORG_ID, CallId, OrgId, new_api_key
from retold.storage.store import with_call
from retold.storage.tape import spool_path
from support.call_house import CANARY, RATE, House, ScriptedSession, open_house, said, talk
from support.invariants import check_nothing_left, contains
from support.stored import delete_call

pytestmark = pytest.mark.anyio


async def found(house: House, record: CallRecord) -> CallRecord | None:
    return await house.store.find_call(None, CallId(record.call.call_id))


async def talked(house: House, **details: Any) -> CallRecord:
    house.script = talk(house.clock)
    return await house.hold(await house.create(**details))


async def until_stopped_after_talk(session: ScriptedSession) -> None:
    session.tape.write_caller(0, bytes(RATE))
    for event in said(0, 0.0):
        session.timeline.append(event)
    await session.timeline.committed()
    await session.stopped.wait()


async def test_a_deleted_call_is_gone_from_every_file(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await talked(house, metadata={"who": CANARY})
        assert contains(tmp_path, CANARY) != []
        assert await delete(house.deps, DEFAULT_ORG_ID, record)
        assert await found(house, record) is None
        assert contains(tmp_path, CANARY) == []
        assert contains(tmp_path, record.files_token) == []
        assert not (tmp_path / "files" / record.files_token).exists()
        assert not await delete(house.deps, DEFAULT_ORG_ID, record)


async def test_a_running_call_is_ended_and_then_erased(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, anyio.create_task_group() as tasks:
        is_talking = anyio.Event()

        async def script(session: ScriptedSession) -> None:
            is_talking.set()
            await until_stopped_after_talk(session)

        house.script = script
        record = await house.create()
        tasks.start_soon(house.hold, record)
        await is_talking.wait()
        assert await delete(house.deps, DEFAULT_ORG_ID, record)
        assert house.live.active == 0
        assert await found(house, record) is None
        assert contains(tmp_path, CANARY) == []
    check_nothing_left(tmp_path)


async def test_a_call_that_is_joined_while_it_is_deleted_is_ended_too(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = until_stopped_after_talk
        record = await house.create()
        is_deleted: list[bool] = []

        async def remove() -> None:
            is_deleted.append(await delete(house.deps, DEFAULT_ORG_ID, record))
            assert house.live.active == 0

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(remove)
            tasks.start_soon(house.hold, record)
        assert is_deleted == [True]
        assert await found(house, record) is None
        assert contains(tmp_path, CANARY) == []
    check_nothing_left(tmp_path)


async def test_what_is_journaled_of_a_deleted_call_is_gone_from_every_file(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        journal = house.store.journal(CallId("call_deleted"))
        journal.append(0, 0.0, CANARY.encode())
        await journal.committed()
        await house.store.forget_journal(CallId("call_deleted"))
        assert contains(tmp_path, CANARY) == []


async def test_the_end_of_a_call_does_not_bring_it_back(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        conversation = talk(house.clock)

        async def script(session: ScriptedSession) -> None:
            await conversation(session)
            await delete_call(house.store, record.call.call_id)

        house.script = script
        record = await house.create()
        await house.hold(record)
        assert await found(house, record) is None
        assert await house.store.read_journal(CallId(record.call.call_id)) == []
        assert not (tmp_path / "files" / record.files_token).exists()
        check_nothing_left(tmp_path)
    async with open_house(tmp_path) as house:
        assert await recover(house.deps.archive, house.live) == 0
        assert await found(house, record) is None


async def test_a_call_that_waits_to_be_joined_is_no_longer_waited_for(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        assert await delete(house.deps, DEFAULT_ORG_ID, record)
        house.clock.pass_ms(60_000)
        await house.live.end_overdue()
        assert await found(house, record) is None


async def without_recording(house: House) -> CallRecord:
    """A call that is over, whose recording found no room yet: its audio is still in the spool."""
    record = await house.create()
    ended = with_call(record, call_status=CallStatus.ENDED, duration_ms=1000, transcript=CANARY)
    assert await house.store.finish_call(ended)
    spool_path(house.deps.recorder.folder, record.call.call_id, "caller").write_bytes(b"\x03\x00" * RATE)
    return ended


async def while_it_is_encoded(house: House, act: Callable[[], Awaitable[object]]) -> None:
    """Make the recording of a call, and let something happen before it is made."""
    encoders = house.deps.archive.encoders
    async with anyio.create_task_group() as tasks, encoders, encoders:
        tasks.start_soon(partial(salvage, house.deps.archive, is_live=lambda _: False))
        while encoders.statistics().tasks_waiting == 0:
            await anyio.lowlevel.checkpoint()
        await act()


async def test_a_call_that_is_deleted_while_its_recording_is_made_leaves_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await without_recording(house)
        await while_it_is_encoded(house, lambda: delete(house.deps, DEFAULT_ORG_ID, record))
        assert await found(house, record) is None
        assert contains(tmp_path, record.files_token) == []
        assert not (tmp_path / "files" / record.files_token).exists()
    check_nothing_left(tmp_path)


async def test_what_changes_while_a_recording_is_made_stays_changed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await without_recording(house)
        changes, call_id = CallChanges(metadata={"k": 2}), CallId(record.call.call_id)
        await while_it_is_encoded(house, lambda: update_finished(house.deps, DEFAULT_ORG_ID, call_id, changes))
        after = await found(house, record)
        assert after is not None
        assert after.call.metadata == {"k": 2}
        assert after.call.recording_url
        assert (tmp_path / "files" / record.files_token / "recording.wav").exists()
    check_nothing_left(tmp_path)


async def test_a_call_that_is_tightened_while_its_recording_is_made_has_none(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await without_recording(house)
        changes = CallChanges(data_storage_setting="basic_attributes_only")
        call_id = CallId(record.call.call_id)
        await while_it_is_encoded(house, lambda: update_finished(house.deps, DEFAULT_ORG_ID, call_id, changes))
        after = await found(house, record)
        assert after is not None
        assert after.call.recording_url is None
        assert contains(tmp_path, CANARY) == []
        assert not (tmp_path / "files" / record.files_token).exists()
    check_nothing_left(tmp_path)


async def test_another_organisation_deletes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await talked(house)
        call_id = CallId(record.call.call_id)
        await house.store.keys.create(OrgId("org_other"), new_api_key())
        assert not await delete_call(house.store, call_id, OrgId("org_other"))
        assert await update_finished(house.deps, OrgId("org_other"), call_id, CallChanges(metadata={})) is None
        assert await found(house, record) == record


async def test_tightening_erases_what_it_forbids_and_keeps_the_rest(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await talked(house, metadata={"k": 1})
        changes = CallChanges(data_storage_setting="basic_attributes_only")
        tight = await update_finished(house.deps, DEFAULT_ORG_ID, CallId(record.call.call_id), changes)
        assert tight is not None
        assert await found(house, record) == tight
        assert contains(tmp_path, CANARY) == []
        assert not (tmp_path / "files" / record.files_token).exists()
        with pytest.raises(InvalidRequest, match="can only be tightened") as refused:
            await update_finished(
                house.deps,
                DEFAULT_ORG_ID,
                CallId(record.call.call_id),
                CallChanges(data_storage_setting="everything_except_pii"),
            )
    assert refused.value.field == "data_storage_setting"
    shape = tight.call.wire()
    assert not {"transcript", "transcript_object", "recording_url", "public_log_url"} & shape.keys()
    assert shape["metadata"] == {"k": 1}
    assert shape["latency"] == record.call.wire()["latency"]


async def test_only_a_call_that_is_over_is_updated(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        with pytest.raises(InvalidRequest, match="is registered"):
            await update_finished(
                house.deps, DEFAULT_ORG_ID, CallId(record.call.call_id), CallChanges(metadata={"k": 1})
            )
        assert await found(house, record) == record
