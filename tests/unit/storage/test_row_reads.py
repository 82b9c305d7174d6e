import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from sqlalchemy import Select, literal, select

from retold.errors import StorageAway, StorageError
from retold.storage.backend import READERS
from retold.storage.row_reads import TURN, Row, RowReads
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

WANTED = select(literal(1))


class CountingPool(ThreadPoolExecutor):
    """Threads that count how often they are called."""

    hops = 0

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Count it, and run it."""
        self.hops += 1
        return super().submit(fn, *arguments, **named)


class GatedTable:
    """Rows that hold their own key; read only once the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.order: list[str] = []

    def read(self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str]) -> Row:
        """The row of this key; `gone` finds none, and `away` no database."""
        assert wanted is WANTED
        assert self.gate.wait(PATIENCE_S)
        self.order.append(values["key"])
        if values["key"] == "away":
            raise ConnectionError("refused")
        return None if values["key"] == "gone" else (values["key"],)


@pytest.fixture
def table() -> Generator[GatedTable]:
    made = GatedTable()
    yield made
    made.gate.set()


@pytest.fixture
def pool(table: GatedTable) -> Generator[CountingPool]:
    with CountingPool(READERS) as made:
        yield made
        # Its threads are waited for.
        table.gate.set()


def reads_of(table: GatedTable, pool: ThreadPoolExecutor, timeout_s: float = PATIENCE_S) -> RowReads:
    return RowReads(table.read, pool, failure, timeout_s)


def failure(error: BaseException) -> StorageError | None:
    return StorageAway("gone for a while") if isinstance(error, ConnectionError) else None


def key_of(row: Row) -> str:
    if row is None:
        raise KeyError("no such row")
    return str(row[0])


async def test_who_asks_while_a_reader_is_at_work_needs_no_hop(table: GatedTable, pool: CountingPool) -> None:
    reads = reads_of(table, pool)
    found: dict[str, str] = {}

    async def ask(key: str) -> None:
        found[key] = await reads.row(WANTED, {"key": key}, key_of)

    keys = [str(number) for number in range(20)]
    async with anyio.create_task_group() as tasks:
        for key in keys:
            tasks.start_soon(ask, key)
        await anyio.wait_all_tasks_blocked()
        table.gate.set()
    assert found == {key: key for key in keys}
    assert pool.hops <= READERS


async def test_each_is_told_its_own_failure(table: GatedTable, pool: CountingPool) -> None:
    reads = reads_of(table, pool)
    table.gate.set()
    with pytest.raises(KeyError, match="no such row"):
        await reads.row(WANTED, {"key": "gone"}, key_of)
    with pytest.raises(StorageAway, match="gone for a while") as told:
        await reads.row(WANTED, {"key": "away"}, key_of)
    assert isinstance(told.value.__cause__, ConnectionError)
    assert await reads.row(WANTED, {"key": "there"}, key_of) == "there"


async def test_a_database_that_does_not_answer_is_not_waited_for_without_end(
    table: GatedTable, pool: CountingPool
) -> None:
    reads = reads_of(table, pool, timeout_s=0.01)
    with pytest.raises(StorageError, match="did not answer"):
        await reads.row(WANTED, {"key": "late"}, key_of)


async def test_what_nobody_waits_for_any_more_is_not_read(table: GatedTable) -> None:
    with CountingPool(1) as pool:
        reads = reads_of(table, pool)
        async with anyio.create_task_group() as tasks:
            for key in ("read meanwhile", "never read"):
                tasks.start_soon(reads.row, WANTED, {"key": key}, key_of)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        table.gate.set()
        assert await reads.row(WANTED, {"key": "last"}, key_of) == "last"
    assert "never read" not in table.order


async def test_rows_leave_the_readers_to_others_in_between(table: GatedTable) -> None:
    with CountingPool(1) as pool:
        reads = reads_of(table, pool)
        async with anyio.create_task_group() as tasks:
            for number in range(READERS * TURN + 1):
                tasks.start_soon(reads.row, WANTED, {"key": str(number)}, key_of)
            await anyio.wait_all_tasks_blocked()
            pool.submit(table.order.append, "a list")
            table.gate.set()
    assert table.order.index("a list") == READERS * TURN
