"""What shares a commit, and in which order a group is written."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from psycopg.errors import SerializationFailure
from sqlalchemy import Connection, func, select

from retold.clock import SystemClock
from retold.errors import StorageError
from retold.storage.backend import Backend
from retold.storage.database import GROUP_EVERY_S, LINGER_S, Database
from retold.storage.effect import Note, noting
from retold.storage.groups import Entry
from retold.storage.journal import DatabaseJournal
from retold.storage.postgres import PostgresBackend
from retold.storage.sqlite import SqliteBackend
from retold.storage.tables import call_event
from support.patience import PATIENCE_S
from support.postgres import PostgresServer
from support.stored import FaultyDisk

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()


@pytest.fixture
def disk() -> FaultyDisk:
    return FaultyDisk(lambda _number, _operation: False)


@pytest.fixture
async def database(tmp_path: Path, disk: FaultyDisk, database_url: str | None) -> AsyncGenerator[Database]:
    opened = Database(tmp_path, backend(tmp_path, database_url), clock=CLOCK, disk=disk, ballast_bytes=4096)
    await opened.open()
    yield opened
    await opened.close()


def backend(folder: Path, database_url: str | None) -> Backend:
    return SqliteBackend(folder) if database_url is None else PostgresBackend(database_url)


def entry(seq: int) -> Entry:
    return Entry("call_1", seq, float(seq), b"%d" % seq)


def kept(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(call_event)) or 0


def most_groups(since_ms: float, every_s: float) -> int:
    """How many groups fit in the time since then, each this long after the one before."""
    return int((CLOCK.monotonic_ms() - since_ms) / 1000 / every_s) + 1


async def test_entries_that_nobody_waits_for_are_gathered(database: Database, disk: FaultyDisk) -> None:
    began_ms = CLOCK.monotonic_ms()
    for seq in range(40):
        database.append(entry(seq))
        await anyio.sleep(LINGER_S / 10)
    assert disk.operations.count("commit") <= most_groups(began_ms, LINGER_S)
    assert await database.write(kept) == 40


async def test_entries_that_nobody_waits_for_reach_the_disk_by_themselves(database: Database) -> None:
    database.append(entry(1))
    with anyio.fail_after(PATIENCE_S):
        while not await database.read(kept):  # noqa: ASYNC110 - the writer thread has no event to wait for
            await anyio.sleep(LINGER_S)


async def test_those_who_wait_under_load_share_commits(database: Database, disk: FaultyDisk) -> None:
    journal = DatabaseJournal(database, "call_1")
    began_ms = CLOCK.monotonic_ms()
    for seq in range(40):
        journal.append(seq, float(seq), b"event")
        await journal.committed()
        assert disk.operations.count("commit") <= most_groups(began_ms, GROUP_EVERY_S)
    assert await database.read(kept) == 40


async def test_those_who_wait_without_hurry_wait_for_the_common_commit(database: Database, disk: FaultyDisk) -> None:
    journal = DatabaseJournal(database, "call_1")
    began_ms = CLOCK.monotonic_ms()
    for seq in range(10):
        journal.append(seq, float(seq), b"event")
        await journal.committed(is_urgent=False)
        assert await database.read(kept) == seq + 1
        assert disk.operations.count("commit") <= most_groups(began_ms, LINGER_S)


async def test_a_job_sees_the_entries_before_it_and_none_behind_it(database: Database) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(await database.write(kept))

    async with anyio.create_task_group() as tasks:
        for seq in range(5):
            database.append(entry(seq))
            tasks.start_soon(look)
            await anyio.lowlevel.checkpoint()
    assert seen == [1, 2, 3, 4, 5]


async def test_entries_with_one_who_waits_between_them_are_one_statement(database: Database, disk: FaultyDisk) -> None:
    journal = DatabaseJournal(database, "call_1")
    async with anyio.create_task_group() as tasks:
        for seq in range(200):
            journal.append(seq, float(seq), b"event")
            tasks.start_soon(journal.committed)
            await anyio.lowlevel.checkpoint()
    assert disk.operations.count("statement") <= disk.operations.count("commit")
    assert await database.read(kept) == 200


async def test_what_is_queued_at_the_end_is_kept(tmp_path: Path, disk: FaultyDisk, database_url: str | None) -> None:
    for start in (0, 100):
        database = Database(tmp_path, backend(tmp_path, database_url), clock=CLOCK, disk=disk, ballast_bytes=4096)
        await database.open()
        for seq in range(start, start + 100):
            database.append(entry(seq))
        await database.close()
    database = Database(tmp_path, backend(tmp_path, database_url), clock=CLOCK, disk=disk, ballast_bytes=4096)
    await database.open()
    assert await database.read(kept) == 200
    await database.close()


async def test_a_note_is_written_with_one_change_however_often_it_is_tried(
    tmp_path: Path, disk: FaultyDisk, postgres: PostgresServer
) -> None:
    collisions = [SerializationFailure()]
    written: list[str] = []

    def change(_connection: Connection) -> None:
        if collisions:
            raise collisions.pop()

    database = Database(tmp_path, PostgresBackend(postgres.new_database()), clock=CLOCK, disk=disk, ballast_bytes=4096)
    await database.open()
    with noting(Note(lambda _connection: written.append("note"))):
        await database.write(change)
        await database.write(change)
    await database.close()
    assert written == ["note"]


async def test_a_note_is_not_written_when_its_change_is_not(database: Database, disk: FaultyDisk) -> None:
    def fails(_number: int, operation: str) -> bool:
        return operation == "commit"

    note = Note(lambda _connection: None)
    disk.fails = fails
    with noting(note), pytest.raises(StorageError):
        await database.write(kept)
    assert not note.is_written
