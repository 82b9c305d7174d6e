"""The summaries of blocks: when they are made, what drops them, and that lists are right at every moment between."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

from retold.clock import SystemClock
from retold.domain.call import CallRecord
from retold.domain.call_query import CallField, CallKeys, CallQuery, Condition, FieldIs, KeyIs, TextOp, TextPart
from retold.domain.reasons import CallStatus
from retold.errors import StorageError
from retold.ids import DEFAULT_ORG_ID
from retold.storage.backend import Backend
from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_block_writes import Due, claim, complete, due_blocks, last_certain, put_bitmaps
from retold.storage.call_pages import Effort, find_page
from retold.storage.call_rows import rows_of
from retold.storage.call_summaries import Summaries, summarise
from retold.storage.call_tables import call_bitmap, call_block, call_span
from retold.storage.call_writes import insert_call, remove_call, replace_call
from retold.storage.database import Database
from retold.storage.disk import Disk
from retold.storage.postgres import PostgresBackend
from retold.storage.sqlite import SqliteBackend
from retold.storage.store import with_call
from retold.storage.tables import call, org
from support.postgres import PostgresServer
from support.stored import make_record

pytestmark = pytest.mark.anyio

BY_SUMMARY = Effort(few=0, stretch=0)


@asynccontextmanager
async def opened(folder: Path, database_url: str | None) -> AsyncGenerator[Database]:
    """An empty database."""
    backend: Backend = SqliteBackend(folder) if database_url is None else PostgresBackend(database_url)
    database = Database(folder, backend, clock=SystemClock(), disk=Disk(), ballast_bytes=4096)
    await database.open()
    try:
        values = {"org_id": DEFAULT_ORG_ID, "name": "x", "created_ms": 0}
        await database.write(lambda connection: connection.execute(insert(org).values(values)))
        yield database
    finally:
        await database.close()


def ended(**metadata: Any) -> CallRecord:
    return make_record(call_status=CallStatus.ENDED, metadata=metadata)


async def put(database: Database, *records: CallRecord) -> list[int]:
    """Store these calls; gives their row_ids."""
    return await database.write(lambda connection: [insert_call(connection, rows_of(one)) for one in records])


async def next_block(database: Database) -> tuple[int, CallRecord]:
    """Have a block be over: the first call of the next one, with its row_id."""
    record = ended()
    rows = rows_of(record)

    def work(connection: Connection) -> int:
        newest = connection.scalar(select(func.max(call.c.row_id))) or 0
        row_id = (newest // BLOCK_CALLS + 1) * BLOCK_CALLS
        connection.execute(insert(call), {"row_id": row_id, **rows.call})
        if connection.dialect.name != "sqlite":
            connection.execute(select(func.setval(func.pg_get_serial_sequence("call", "row_id"), row_id)))
        return row_id

    return await database.write(work), record


async def found(database: Database, piece: str) -> list[int]:
    """The calls whose metadata `name` holds this."""
    return await fulfilling(database, KeyIs(CallKeys.METADATA, "name", TextPart(TextOp.CONTAINS, piece)))


async def found_by_id(database: Database, piece: str) -> list[int]:
    """The calls whose id holds this."""
    return await fulfilling(database, FieldIs(CallField.CALL_ID, TextPart(TextOp.CONTAINS, piece)))


async def fulfilling(database: Database, condition: Condition) -> list[int]:
    wanted = CallQuery((condition,), is_ascending=True)
    page = await database.read(lambda connection: find_page(connection, DEFAULT_ORG_ID, wanted, BY_SUMMARY))
    return list(page.row_ids)


async def summarised(database: Database) -> list[int]:
    wanted = select(call_block.c.block).where(call_block.c.is_summarised).order_by(call_block.c.block)
    return list(await database.read(lambda connection: connection.scalars(wanted).all()))


async def made(database: Database) -> int:
    return await Summaries(database, pause_s=0).make_due()


async def test_a_block_is_summarised_when_it_is_over(tmp_path: Path, database_url: str | None) -> None:
    async with opened(tmp_path, database_url) as database:
        annas = await put(database, *(ended(name=f"Anna {number}") for number in range(5)))
        assert await made(database) == 0
        await next_block(database)
        bobs = await put(database, ended(name="Bob"), ended(name="Bobby"))
        assert await made(database) == 1
        assert await made(database) == 0
        assert await summarised(database) == [0]
        assert await found(database, "Anna") == annas
        assert await found(database, "Bob") == bobs
        assert await found(database, "Carl") == []


async def test_a_block_with_a_call_in_progress_waits(tmp_path: Path, database_url: str | None) -> None:
    going_on = make_record(metadata={"name": "Anna"})
    async with opened(tmp_path, database_url) as database:
        await put(database, going_on)
        await next_block(database)
        assert await made(database) == 0
        await change(database, going_on, with_call(going_on, call_status=CallStatus.ENDED))
        assert await made(database) == 1
        assert await found(database, "Anna") == [1]


async def test_a_change_drops_the_summary_and_is_found_at_once(tmp_path: Path, database_url: str | None) -> None:
    before = ended(name="Anna")
    async with opened(tmp_path, database_url) as database:
        await next_block(database)
        [row_id, _] = await put(database, before, ended(name="Bob"))
        await next_block(database)
        assert await made(database) == 2
        await change(database, before, with_call(before, metadata={"name": "Carl"}))
        assert await summarised(database) == [0]
        assert (await found(database, "Anna"), await found(database, "Carl")) == ([], [row_id])


async def test_a_changed_block_rests_until_it_is_not_changed_any_more(tmp_path: Path, database_url: str | None) -> None:
    before = ended(name="Anna")
    async with opened(tmp_path, database_url) as database:
        await put(database, before)
        await next_block(database)
        summaries = Summaries(database, pause_s=0)
        for name in ("Bob", "Carl"):
            await change(database, before, with_call(before, metadata={"name": name}))
            assert await summaries.make_due() == 0
        assert await summaries.make_due() == 1
        assert await found(database, "Carl") == [1]


async def test_nothing_of_a_deleted_call_is_left_in_summaries(tmp_path: Path, database_url: str | None) -> None:
    erased = ended(name="Anna")
    async with opened(tmp_path, database_url) as database:
        await put(database, ended(name="Bob"))
        await next_block(database)
        await put(database, erased, ended(name="Bob"))
        await next_block(database)
        assert await made(database) == 2
        assert await told_of(database) == {0, 1}
        await delete(database, erased)
        assert (await summarised(database), await told_of(database)) == ([0], {0})


async def test_a_number_that_is_given_again_is_in_no_summary(tmp_path: Path, database_url: str | None) -> None:
    async with opened(tmp_path, database_url) as database:
        await put(database, ended(name="Anna"))
        _, newest = await next_block(database)
        assert await made(database) == 1
        await delete(database, newest)
        [row_id] = await put(database, ended(name="Carl"))
        # PostgreSQL gives each number once.
        assert row_id == (2 if database_url is None else BLOCK_CALLS + 1)
        assert await found(database, "Carl") == [row_id]


async def test_a_change_while_the_block_is_read_ends_the_summary(tmp_path: Path, database_url: str | None) -> None:
    before = ended(name="Anna")
    row = {"org_id": DEFAULT_ORG_ID, "kind": "metadata", "name": "name", "value": "", "block": 0, "calls": b"\x02"}
    async with opened(tmp_path, database_url) as database:
        await put(database, before)
        version = await database.write(lambda connection: claim(connection, Due(0, None)))
        assert version is not None
        assert await database.write(lambda connection: put_bitmaps(connection, 0, version, [row]))
        assert await told_of(database) == {0}
        await change(database, before, with_call(before, metadata={"name": "Carl"}))
        assert not await database.write(lambda connection: put_bitmaps(connection, 0, version, [row]))
        assert not await database.write(lambda connection: complete(connection, 0, version, [], []))
        assert (await summarised(database), await told_of(database)) == ([], set())


async def test_a_block_is_claimed_once(tmp_path: Path, database_url: str | None) -> None:
    async with opened(tmp_path, database_url) as database:
        await put(database, ended(name="Anna"))
        first = await database.write(lambda connection: claim(connection, Due(0, None)))
        assert first is not None
        assert await database.write(lambda connection: claim(connection, Due(0, None))) is None
        # What was broken off is begun anew.
        assert await database.write(lambda connection: summarise(connection, Due(0, first)))
        assert await summarised(database) == [0]


async def test_a_change_meets_a_summary_that_is_just_completed(tmp_path: Path, postgres: PostgresServer) -> None:
    """Two servers: each has begun before the other has committed, so one must fail and try again."""
    before = ended(name="Anna")
    changed = rows_of(with_call(before, metadata={"name": "Carl"}))
    url = postgres.new_database()
    async with opened(tmp_path, url) as database:
        await put(database, before)
        version = await database.write(lambda connection: claim(connection, Due(0, None)))
        assert version is not None
        backend = PostgresBackend(url)
        writer, reader = backend.open()
        with writer.connect() as other:
            assert other.scalar(select(call_block.c.is_summarised)) is False
            assert await database.write(lambda connection: complete(connection, 0, version, [], []))
            with pytest.raises(DBAPIError) as refused:
                replace_call(other, changed, before)
        assert backend.is_collision(refused.value)
        with writer.begin() as other:
            replace_call(other, changed, before)
        backend.close(writer, reader)
        assert await summarised(database) == []


async def test_a_call_that_is_being_inserted_keeps_summaries_waiting(tmp_path: Path, postgres: PostgresServer) -> None:
    late = rows_of(ended(name="Anna"))
    url = postgres.new_database()
    async with opened(tmp_path, url) as database:
        backend = PostgresBackend(url)
        writer, reader = backend.open()
        with writer.begin() as other:
            row_id = insert_call(other, late)
            await next_block(database)
            with pytest.raises(StorageError, match="took too long"):
                await made(database)
        backend.close(writer, reader)
        assert await made(database) == 1
        assert await found(database, "Anna") == [row_id]


@pytest.mark.parametrize("keys", [20, 60])
async def test_a_key_that_bitmaps_do_not_tell_of_is_found(tmp_path: Path, database_url: str | None, keys: int) -> None:
    many = {f"key_{number}": "x" for number in range(keys)}
    async with opened(tmp_path, database_url) as database:
        await put(database, ended(**many), ended(name="Anna"))
        await next_block(database)
        assert await made(database) == 1
        assert await found(database, "Anna") == [2]


@pytest.mark.parametrize("seed", range(2))
async def test_lists_are_right_after_whatever_happened(tmp_path: Path, database_url: str | None, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a choice of tests
    kept: dict[int, CallRecord] = {}
    async with opened(tmp_path, database_url) as database:
        for _ in range(16):
            match rng.choice(("make", "next block", "change", "delete", "delete", "summarise")):
                case "make":
                    fresh = [ended(name=rng.choice(NAMES)) for _ in range(rng.randrange(4))]
                    kept.update(zip(await put(database, *fresh), fresh, strict=True))
                case "next block":
                    row_id, record = await next_block(database)
                    kept[row_id] = record
                case "change" if kept:
                    row_id = rng.choice(list(kept))
                    before, after = kept[row_id], with_call(kept[row_id], metadata={"name": rng.choice(NAMES)})
                    await change(database, before, after)
                    kept[row_id] = after
                case "delete" if kept:
                    # Often the newest, whose number SQLite gives again.
                    await delete(database, kept.pop(rng.choice([max(kept), rng.choice(list(kept))])))
                case _:
                    await database.write(sum_up)
            for piece in ("nna", "Bob", "Bobby"):
                expected = [row_id for row_id, one in sorted(kept.items()) if piece in name_of(one)]
                assert await found(database, piece) == expected
            for row_id, one in kept.items():
                assert await found_by_id(database, one.call.call_id[4:16]) == [row_id]


def sum_up(connection: Connection) -> None:
    for due in due_blocks(connection, last_certain(connection)):
        assert summarise(connection, due)


NAMES = ("Anna", "Hannah", "Bob", "Bobby", "")


def name_of(record: CallRecord) -> str:
    metadata: Any = record.call.metadata
    return str((metadata or {}).get("name"))


async def change(database: Database, before: CallRecord, after: CallRecord) -> None:
    await database.write(lambda connection: replace_call(connection, rows_of(after), before))


async def delete(database: Database, record: CallRecord) -> None:
    await database.write(lambda connection: remove_call(connection, record.call.call_id))


async def told_of(database: Database) -> set[int]:
    """The blocks of which anything is told."""
    blocks = select(call_bitmap.c.block).union(select(call_span.c.block))
    return await database.read(lambda connection: set(connection.scalars(blocks)))
