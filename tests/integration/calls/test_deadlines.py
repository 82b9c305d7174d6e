import errno
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from retold.calls.change import delete
from retold.calls.create import register_call
from retold.calls.recover import recover
from retold.domain.call import CallAudio, CallRecord
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.errors import StorageError
from retold.ids import DEFAULT_ORG_ID, CallId
from support.call_house import HandClock, House, hang_up_at_once, open_house
from support.invariants import check_call
from support.patience import PATIENCE_S
from support.stored import FaultyDisk

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def watched(house: House) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.live.run)
        yield
        tasks.cancel_scope.cancel()


async def ended(house: House, record: CallRecord) -> CallRecord:
    """The stored call as soon as it is terminal; the watcher is woken as news would."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            house.live.expect(await house.create())
            found = await house.store.find_call(None, CallId(record.call.call_id))
            assert found is not None
            if found.call.call_status.is_terminal:
                return found


async def status(house: House, record: CallRecord) -> CallStatus:
    found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    return found.call.call_status


async def test_a_web_call_nobody_joins_ends_after_30_seconds(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, watched(house):
        record = await house.create()
        house.clock.pass_ms(29_990)
        await house.create()
        assert await status(house, record) is CallStatus.REGISTERED
        house.clock.pass_ms(11)
        finished = await ended(house, record)
    assert finished.call.disconnection_reason is DisconnectionReason.ERROR_USER_NOT_JOINED
    assert finished.call.end_timestamp == record.join_deadline_wall_ms
    check_call(finished.call.wire())


async def test_a_registered_call_waits_five_minutes(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, watched(house):
        record = await register_call(house.deps, DEFAULT_ORG_ID, house.agent, CallAudio())
        house.clock.pass_ms(299_000)
        await house.create()
        assert await status(house, record) is CallStatus.REGISTERED
        house.clock.pass_ms(1_001)
        finished = await ended(house, record)
    assert finished.call.disconnection_reason is DisconnectionReason.REGISTERED_CALL_TIMEOUT
    check_call(finished.call.wire())


async def test_a_joined_call_has_no_deadline(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, watched(house):
        house.script = hang_up_at_once
        record = await house.create()
        other = await house.create()
        await house.hold(record)
        house.clock.pass_ms(40_000)
        await ended(house, other)
        found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    assert found.call.disconnection_reason is DisconnectionReason.USER_HANGUP


async def test_a_registered_call_can_be_stopped_and_then_not_joined(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        assert await house.live.stop(record)
        assert not await house.live.stop(record)
        finished = await house.hold(record)
    assert finished.call.disconnection_reason is DisconnectionReason.MANUAL_STOPPED
    check_call(finished.call.wire())


@pytest.mark.parametrize("jump_s", [-86_400, 0, 10, 86_400], ids=str)
async def test_after_a_restart_the_deadline_holds_whatever_the_wall_clock_shows(tmp_path: Path, jump_s: int) -> None:
    clock = HandClock()
    async with open_house(tmp_path, clock=clock) as house:
        record = await house.create()
    clock.jump(jump_s * 1000)
    async with open_house(tmp_path, clock=clock) as house, watched(house):
        await recover(house.deps.archive, house.live)
        if jump_s < 30:
            assert await status(house, record) is CallStatus.REGISTERED
        clock.pass_ms(30_001)
        finished = await ended(house, record)
    assert finished.call.disconnection_reason is DisconnectionReason.ERROR_USER_NOT_JOINED
    assert finished.call.end_timestamp == record.join_deadline_wall_ms


async def test_after_a_restart_a_call_in_time_is_joined_as_if_nothing_was(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_house(tmp_path, clock=clock) as house:
        record = await house.create()
    clock.pass_ms(5_000)
    async with open_house(tmp_path, clock=clock) as house:
        await recover(house.deps.archive, house.live)
        house.script = hang_up_at_once
        finished = await house.hold(record)
    assert finished.call.disconnection_reason is DisconnectionReason.USER_HANGUP


class FullDisk(FaultyDisk):
    """A disk on which there is no room while `is_full`."""

    def __init__(self) -> None:
        super().__init__(self._refuses, errno.ENOSPC)
        self.is_full = False

    def _refuses(self, _number: int, operation: str) -> bool:
        return self.is_full and operation == "commit"


async def stop(house: House, record: CallRecord, _other: CallRecord) -> None:
    await house.live.stop(record)


async def remove(house: House, record: CallRecord, _other: CallRecord) -> None:
    await delete(house.deps, DEFAULT_ORG_ID, record)


async def join_without_a_slot(house: House, record: CallRecord, other: CallRecord) -> None:
    with house.live.seat(other, house.leg()):
        await house.hold(record)


@pytest.mark.parametrize("end", [stop, remove, join_without_a_slot])
async def test_a_call_whose_end_found_no_disk_is_still_ended_at_its_deadline(
    tmp_path: Path, end: Callable[[House, CallRecord, CallRecord], Awaitable[None]]
) -> None:
    disk = FullDisk()
    async with open_house(tmp_path, disk=disk, concurrency_limit=1) as house, watched(house):
        record, other = await house.create(), await house.create()
        disk.is_full, disk.free = True, 0
        with pytest.raises(StorageError):
            await end(house, record, other)
        disk.is_full, disk.free = False, None
        house.clock.pass_ms(30_001)
        with anyio.fail_after(PATIENCE_S):
            while not (await status(house, record)).is_terminal:
                # Any news wakes the watcher.
                house.live.expect(other)
                await anyio.lowlevel.checkpoint()
