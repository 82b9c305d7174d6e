"""PostgreSQL is gone for a while: what is said of it, what waits, and that nothing is lost."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import anyio
import pytest

from retold.cli.checks import check_database
from retold.clock import SystemClock
from retold.errors import StorageAway, StorageError
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.call_json import CallJson
from retold.storage.disk import StorageHealth
from retold.storage.store import Store
from support.patience import PATIENCE_S
from support.postgres import PostgresServer, postgres_server
from support.stored import make_record

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def mortal() -> Generator[PostgresServer]:
    """A server of this module's own, to be killed."""
    with postgres_server() as server:
        yield server


@pytest.fixture
async def store(mortal: PostgresServer, tmp_path: Path) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, clock=SystemClock(), database_url=mortal.new_database(), ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    yield opened
    await opened.close()


async def wait_for_health(store: Store, wanted: StorageHealth) -> None:
    with anyio.fail_after(PATIENCE_S):
        while store.health is not wanted:  # noqa: ASYNC110 - the writer thread has no event to wait for
            await anyio.sleep(0.02)


async def test_events_wait_for_the_database_and_lose_neither_order_nor_line(
    store: Store, mortal: PostgresServer
) -> None:
    record = make_record()
    await store.create_call(record)
    call_id = CallId(record.call.call_id)
    journal = store.journal(call_id)
    journal.append(1, 1.0, b"1")
    await journal.committed()
    await anyio.to_thread.run_sync(mortal.kill)
    for seq in (2, 3):
        journal.append(seq, float(seq), b"%d" % seq)
    with pytest.raises(StorageAway):
        await journal.committed()
    with pytest.raises(StorageAway):
        await store.create_call(make_record())
    with pytest.raises(StorageAway):
        await store.find_call(None, call_id)
    assert store.health is StorageHealth.AWAY
    assert not store.broken.is_set()
    journal.append(4, 4.0, b"4")
    await anyio.to_thread.run_sync(mortal.start)
    await wait_for_health(store, StorageHealth.OK)
    await journal.committed()
    assert await store.read_journal(call_id) == [b"1", b"2", b"3", b"4"]
    assert store.outages == 1
    await store.create_call(make_record())


async def test_a_restart_between_two_writes_is_not_even_noticed(store: Store, mortal: PostgresServer) -> None:
    record = make_record()
    await store.create_call(record)
    await anyio.to_thread.run_sync(mortal.stop)
    await anyio.to_thread.run_sync(mortal.start)
    assert await store.find_call(None, CallId(record.call.call_id)) == record
    await store.create_call(make_record())
    assert store.outages == 0


async def test_a_call_is_got_over_a_restart_and_again_after_an_outage(store: Store, mortal: PostgresServer) -> None:
    record = make_record()
    await store.create_call(record)
    call_id = CallId(record.call.call_id)

    async def got() -> CallJson | None:
        return await store.find_call_json(DEFAULT_ORG_ID, call_id, "http://here")

    before = await got()
    assert before is not None
    await anyio.to_thread.run_sync(mortal.stop)
    await anyio.to_thread.run_sync(mortal.start)
    assert await got() == before
    await anyio.to_thread.run_sync(mortal.kill)
    for _ in range(2):
        with pytest.raises(StorageAway):
            await got()
    await anyio.to_thread.run_sync(mortal.start)
    assert await got() == before


async def test_a_database_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the database does not serve") as refused:
        await Store.open(tmp_path, clock=SystemClock(), database_url="postgresql://me:hidden@127.0.0.1:1/none")
    assert "hidden" not in str(refused.value)


def test_the_doctor_looks_at_the_database(mortal: PostgresServer) -> None:
    assert check_database(mortal.new_database()).state == "ok"
    assert check_database("postgresql://me@127.0.0.1:1/none").state == "broken"
    assert check_database(None).name == "sqlite"
