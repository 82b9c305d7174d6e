"""Several servers on one PostgreSQL database: each has its calls, and the calls of a dead one find a new owner."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus
from retold.domain.version_reference import LATEST
from retold.errors import Conflict, PreconditionFailed, StorageError
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.owners import GRACE_MS
from retold.storage.store import Store, with_call
from support.call_house import HandClock
from support.patience import PATIENCE_S
from support.postgres import PostgresServer
from support.stored import make_agent, make_record

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def shared_url(postgres: PostgresServer) -> str:
    return postgres.new_database()


async def open_server(folder: Path, clock: HandClock, url: str | None) -> Store:
    store = await Store.open(folder, clock=clock, database_url=url, ballast_bytes=4096)
    await store.owners.hold()
    return store


@pytest.fixture
async def first(tmp_path: Path, clock: HandClock, shared_url: str) -> AsyncGenerator[Store]:
    store = await open_server(tmp_path / "first", clock, shared_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    yield store
    await store.close()


@pytest.fixture
async def second(tmp_path: Path, clock: HandClock, shared_url: str) -> AsyncGenerator[Store]:
    store = await open_server(tmp_path / "second", clock, shared_url)
    yield store
    await store.close()


async def running_call(store: Store) -> CallRecord:
    record = make_record()
    await store.create_call(record)
    await store.start_call(CallId(record.call.call_id), 1)
    return record


async def ids_of(store: Store) -> list[str]:
    return [record.call.call_id for record in await store.unfinished_calls()]


def cut_connections(url: str, application: str = "retold") -> None:
    """End every session of our servers, as a restart of the database does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
            " AND datname = current_database()",
            (application,),
        )


async def until_alone(url: str) -> None:
    """Wait until one server holds its place: the database notices a moment later that another one has left."""
    held = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        with anyio.fail_after(PATIENCE_S):
            while await (await connection.execute(held)).fetchone() != (1,):  # noqa: ASYNC110 - it has no event
                await anyio.sleep(0.01)


async def test_the_calls_of_a_living_server_are_left_alone(first: Store, second: Store, clock: HandClock) -> None:
    record = await running_call(first)
    for _ in range(3):
        assert await second.owners.take_over() == 0
        clock.pass_ms(GRACE_MS)
    assert await ids_of(second) == []
    assert await ids_of(first) == [record.call.call_id]


async def test_the_calls_of_a_dead_server_are_taken_over_after_a_while(
    first: Store, second: Store, clock: HandClock, shared_url: str
) -> None:
    waiting, running, over = make_record(), await running_call(first), await running_call(first)
    await first.create_call(waiting)
    await first.finish_call(with_call(over, call_status=CallStatus.ENDED))
    await first.close()
    await until_alone(shared_url)
    assert await second.owners.take_over() == 0
    clock.pass_ms(GRACE_MS - 1)
    assert await second.owners.take_over() == 0
    clock.pass_ms(1)
    assert await second.owners.take_over() == 2
    assert sorted(await ids_of(second)) == sorted([waiting.call.call_id, running.call.call_id])
    assert await second.owners.take_over() == 0


async def test_a_server_that_comes_back_has_its_calls_at_once(
    first: Store, clock: HandClock, tmp_path: Path, shared_url: str
) -> None:
    record = await running_call(first)
    await first.close()
    again = await open_server(tmp_path / "first", clock, shared_url)
    assert await ids_of(again) == [record.call.call_id]
    await again.close()


async def test_a_cut_connection_starts_the_wait_anew_and_gives_the_place_back(
    first: Store, second: Store, clock: HandClock, shared_url: str
) -> None:
    await running_call(first)
    cut_connections(shared_url)
    # The second sees the name free: the first has not written since.
    assert await second.owners.take_over() == 0
    clock.pass_ms(GRACE_MS)
    cut_connections(shared_url)
    assert await second.owners.take_over() == 0
    assert await first.owners.take_over() == 0
    clock.pass_ms(GRACE_MS)
    assert await second.owners.take_over() == 0


async def test_a_call_belongs_to_the_server_that_holds_it(first: Store, second: Store) -> None:
    record = make_record()
    await first.create_call(record)
    assert await second.start_call(CallId(record.call.call_id), 1)
    assert await ids_of(first) == []
    assert await ids_of(second) == [record.call.call_id]


async def test_a_copied_data_folder_is_refused(first: Store, tmp_path: Path, clock: HandClock, shared_url: str) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "server.id").write_bytes((tmp_path / "first" / "server.id").read_bytes())
    copy = await Store.open(tmp_path / "copy", clock=clock, database_url=shared_url, ballast_bytes=4096)
    with pytest.raises(StorageError, match=r"delete .*copy/server\.id"):
        await copy.owners.hold(timeout_s=0.5)
    await copy.close()


async def test_a_folder_of_its_own_is_shared_with_nobody(tmp_path: Path, clock: HandClock) -> None:
    store = await open_server(tmp_path, clock, None)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    record = await running_call(store)
    assert await store.owners.take_over() == 0
    await store.close()
    assert not (tmp_path / "server.id").exists()
    again = await open_server(tmp_path, clock, None)
    assert await ids_of(again) == [record.call.call_id]
    await again.close()


async def test_changes_of_two_servers_to_one_call_are_not_lost(first: Store, second: Store) -> None:
    record = make_record(metadata={"count": 0})
    await first.create_call(record)
    call_id = CallId(record.call.call_id)

    def one_more(before: CallRecord) -> CallRecord:
        so_far: Any = (before.call.metadata or {})["count"]
        return with_call(before, metadata={"count": so_far + 1})

    async def count(store: Store) -> None:
        for _ in range(20):
            await store.change_call(DEFAULT_ORG_ID, call_id, one_more)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count, first)
        tasks.start_soon(count, second)
    after = await first.find_call(DEFAULT_ORG_ID, call_id)
    assert after is not None
    assert after.call.metadata == {"count": 40}


async def test_of_two_servers_that_make_the_same_key_one_is_told_so(first: Store, second: Store) -> None:
    outcomes: list[str] = []

    async def make(store: Store, secret: str) -> None:
        try:
            await store.keys.create(DEFAULT_ORG_ID, secret)
        except Conflict:
            outcomes.append("there")
        else:
            outcomes.append("made")

    for number in range(10):
        async with anyio.create_task_group() as tasks:
            for store in (first, second):
                tasks.start_soon(make, store, f"key_{number}")
    assert sorted(outcomes) == ["made"] * 10 + ["there"] * 10


async def test_two_servers_do_not_delete_the_last_two_versions_of_an_agent(first: Store, second: Store) -> None:
    refused: list[int] = []

    async def forget(store: Store, agent_id: str, version: int) -> None:
        try:
            await store.agents.delete_version(DEFAULT_ORG_ID, agent_id, version)
        except PreconditionFailed:
            refused.append(version)

    for number in range(10):
        agents = [make_agent(agent_id=f"agent_{number}", version=version) for version in range(3)]
        for agent in agents:
            await first.agents.save(DEFAULT_ORG_ID, agent)
        await first.agents.delete_version(DEFAULT_ORG_ID, f"agent_{number}", 2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forget, first, f"agent_{number}", 0)
            tasks.start_soon(forget, second, f"agent_{number}", 1)
        assert await first.agents.find(DEFAULT_ORG_ID, f"agent_{number}", LATEST) is not None
    assert len(refused) == 10
