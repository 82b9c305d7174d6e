"""The n-th write or fsync fails: what was acknowledged is there, what is there was whole, and full disks heal."""

import asyncio
import errno
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from retold.clock import SystemClock
from retold.domain.reasons import CallStatus
from retold.errors import StorageBroken, StorageError, StorageFull
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.backend import WAIT_FOR_LOCK_MS
from retold.storage.database import GROUP_EVERY_S
from retold.storage.disk import StorageHealth
from retold.storage.store import Store, with_call
from support.patience import PATIENCE_S
from support.stored import FaultyDisk, make_record

pytestmark = pytest.mark.anyio


async def open_store(folder: Path, disk: FaultyDisk, database_url: str | None = None) -> Store:
    return await Store.open(folder, clock=SystemClock(), database_url=database_url, disk=disk, ballast_bytes=4096)


async def wait_for(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the writer thread has no event to wait for
            await anyio.sleep(0.02)


async def wait_for_events(store: Store, call_id: str, count: int) -> None:
    with anyio.fail_after(PATIENCE_S):
        while len(await store.read_journal(CallId(call_id))) < count:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.05)


class Armed:
    """Fails from the moment it is armed; `times` operations, or all."""

    def __init__(self, operation: str | None = None) -> None:
        self.operation = operation
        self.left = 0

    def __call__(self, _number: int, operation: str) -> bool:
        if self.left and self.operation in {None, operation}:
            self.left -= 1
            return True
        return False


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=["disk error", "no space"])
async def test_no_acknowledgement_is_a_lie_whichever_operation_fails(tmp_path: Path, code: int) -> None:
    template = await open_store(tmp_path / "template", FaultyDisk(lambda _number, _operation: False))
    await template.close()
    for failing in range(1, 40):
        folder = tmp_path / str(failing)
        shutil.copytree(tmp_path / "template", folder)
        disk = FaultyDisk(lambda number, _, failing=failing: number == failing, code)
        store = await open_store(folder, disk)
        # No room comes back before the test has looked.
        disk.free = 0 if code == errno.ENOSPC else None
        was_refused, acknowledged = False, list[tuple[str, CallStatus, int]]()
        try:
            await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
            for _ in range(2):
                record = make_record()
                call_id = CallId(record.call.call_id)
                await store.create_call(record)
                acknowledged.append((call_id, CallStatus.REGISTERED, 0))
                await store.start_call(call_id, 1)
                acknowledged.append((call_id, CallStatus.ONGOING, 0))
                journal = store.journal(call_id)
                journal.append(1, 1.0, b"event")
                await journal.committed()
                acknowledged.append((call_id, CallStatus.ONGOING, 1))
                await store.finish_call(with_call(record, call_status=CallStatus.ENDED))
                acknowledged.append((call_id, CallStatus.ENDED, 0))
        except StorageError:
            was_refused = True
            assert store.health is (StorageHealth.BROKEN if code == errno.EIO else StorageHealth.FULL)
        await store.close()
        again = await open_store(folder, FaultyDisk(lambda _number, _operation: False))
        for call_id, status, events in {line[0]: line for line in acknowledged}.values():
            kept = await again.find_call(None, CallId(call_id))
            assert kept is not None
            assert [CallStatus.REGISTERED, CallStatus.ONGOING, CallStatus.ENDED].index(kept.call.call_status) >= [
                CallStatus.REGISTERED,
                CallStatus.ONGOING,
                CallStatus.ENDED,
            ].index(status)
            assert len(await again.read_journal(CallId(call_id))) >= events or kept.call.call_status.is_terminal
        await again.close()
        if not was_refused and len(disk.operations) < failing:
            return
    pytest.fail("the flow never came through")


@pytest.mark.parametrize("step", ["begin", "statement", "commit"])
async def test_a_broken_disk_ends_all_acknowledgements(tmp_path: Path, database_url: str | None, step: str) -> None:
    armed = Armed(step)
    store = await open_store(tmp_path, FaultyDisk(armed), database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    record = make_record()
    await store.create_call(record)
    armed.left = 1
    with pytest.raises(StorageBroken):
        await store.create_call(make_record())
    assert store.health is StorageHealth.BROKEN
    journal = store.journal(CallId(record.call.call_id))
    journal.append(1, 1.0, b"event")
    for write in (
        lambda: store.create_call(make_record()),
        lambda: store.finish_call(with_call(record, call_status=CallStatus.ENDED)),
        lambda: store.start_call(CallId(record.call.call_id), 1),
        store.forget_stray_journals,
    ):
        with pytest.raises(StorageBroken):
            await write()
    with pytest.raises(StorageError):
        await journal.committed()
    assert await store.find_call(None, CallId(record.call.call_id)) == record
    await store.close()


async def test_a_full_disk_refuses_calls_ends_running_ones_and_heals_by_itself(
    tmp_path: Path, database_url: str | None
) -> None:
    armed = Armed("commit")
    disk = FaultyDisk(armed, errno.ENOSPC)
    store = await open_store(tmp_path, disk, database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    record = make_record()
    await store.create_call(record)
    journal = store.journal(CallId(record.call.call_id))
    disk.free, armed.left = 0, 1
    with pytest.raises(StorageFull):
        await store.create_call(make_record())
    assert store.health is StorageHealth.FULL
    assert not (tmp_path / "ballast").exists()
    with pytest.raises(StorageFull):
        await store.create_call(make_record())
    journal.append(1, 1.0, b"said while full")
    await journal.committed()
    assert await store.finish_call(with_call(record, call_status=CallStatus.ENDED))
    disk.free = None
    await wait_for(lambda: store.health is StorageHealth.OK)
    assert (tmp_path / "ballast").stat().st_size == 4096
    await store.create_call(make_record())
    await store.close()


async def test_events_wait_for_space_and_lose_neither_order_nor_line(tmp_path: Path, database_url: str | None) -> None:
    armed = Armed("commit")
    disk = FaultyDisk(armed, errno.ENOSPC)
    store = await open_store(tmp_path, disk, database_url)
    journal = store.journal(CallId("call_1"))
    disk.free, armed.left = 0, 4
    for seq in range(1, 4):
        journal.append(seq, float(seq), b"%d" % seq)
    with pytest.raises(StorageFull):
        await journal.committed()
    journal.append(4, 4.0, b"4")
    await wait_for(lambda: armed.left == 0)
    disk.free = None
    await wait_for_events(store, "call_1", 4)
    assert await store.read_journal(CallId("call_1")) == [b"1", b"2", b"3", b"4"]
    await store.close()


async def test_little_free_space_is_said_before_it_hurts(tmp_path: Path) -> None:
    disk = FaultyDisk(lambda _number, _operation: False)
    store = await Store.open(tmp_path, clock=SystemClock(), disk=disk, ballast_bytes=4096, min_free_bytes=1_000_000)
    assert store.health is StorageHealth.OK
    disk.free = 900_000
    await wait_for(lambda: store.health is StorageHealth.LOW)
    disk.free = 1_100_000
    await wait_for(lambda: store.health is StorageHealth.OK)
    await store.close()


async def test_one_bad_job_does_not_spoil_the_group(tmp_path: Path, database_url: str | None) -> None:
    store = await open_store(tmp_path, FaultyDisk(lambda _number, _operation: False), database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    record = make_record()
    outcomes: list[str] = []

    async def create(which: int) -> None:
        try:
            await store.create_call(record if which in {3, 4} else make_record())
        except Exception as error:  # noqa: BLE001 - the kind is the subject
            # Each driver has an error of its own below the one that all have.
            outcomes.extend(kind.__name__ for kind in type(error).__mro__ if kind.__name__ == "IntegrityError")
        else:
            outcomes.append("kept")

    async with anyio.create_task_group() as tasks:
        for which in range(10):
            tasks.start_soon(create, which)
    assert sorted(outcomes) == ["IntegrityError", *["kept"] * 9]
    await store.close()


async def test_many_writers_share_commits(tmp_path: Path, database_url: str | None) -> None:
    disk = FaultyDisk(lambda _number, _operation: False)
    store = await open_store(tmp_path, disk, database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    before, began = disk.operations.count("commit"), time.monotonic()
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(store.create_call, make_record())
    # A group has at least so long for others to join it; a machine that is slow to ask makes more groups.
    assert disk.operations.count("commit") - before <= (time.monotonic() - began) / GROUP_EVERY_S + 1
    await store.close()


async def test_a_database_locked_by_a_stranger_delays_events_and_loses_none(tmp_path: Path) -> None:
    store = await open_store(tmp_path, FaultyDisk(lambda _number, _operation: False))
    stranger = sqlite3.connect(tmp_path / "retold.db", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    journal = store.journal(CallId("call_1"))
    journal.append(1, 1.0, b"one")
    began = time.monotonic()
    with anyio.move_on_after(0.2):
        await journal.committed()
    # Who waits can leave, although the writer waits for the lock.
    assert time.monotonic() - began < WAIT_FOR_LOCK_MS / 1000
    stranger.execute("ROLLBACK")
    stranger.close()
    with anyio.fail_after(PATIENCE_S):
        await journal.committed()
    assert await store.read_journal(CallId("call_1")) == [b"one"]
    await store.close()


async def test_a_waiter_that_gives_up_harms_nobody(tmp_path: Path, database_url: str | None) -> None:
    store = await open_store(tmp_path, FaultyDisk(lambda _number, _operation: False), database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.create_call(make_record())
    await asyncio.sleep(0)
    record = make_record()
    await store.create_call(record)
    assert await store.find_call(None, CallId(record.call.call_id)) == record
    await store.close()


async def test_a_writer_that_cannot_go_on_says_so(tmp_path: Path) -> None:
    armed = Armed("commit")
    store = await open_store(tmp_path, FaultyDisk(armed, errno.ENOSPC))
    ballast = tmp_path / "ballast"
    ballast.unlink()
    # Cannot be unlinked, as on a disk that went read-only.
    ballast.mkdir()
    armed.left = 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.keys.create, DEFAULT_ORG_ID, "key_of_this_test")
        with anyio.fail_after(PATIENCE_S):
            await store.broken.wait()
        assert store.health is StorageHealth.BROKEN
        tasks.cancel_scope.cancel()
    await store.close()
