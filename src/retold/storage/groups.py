"""One group of writes: all that is queued, in one transaction, tried again when another server's writes collide."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from retold.crash import crash_point
from retold.errors import StorageAway, StorageBroken, StorageFull
from retold.storage.backend import Backend
from retold.storage.disk import Disk

ATTEMPTS = 100
"""How often a group is tried whose writes collide with another server's: one that changes the same call without a pause
wins two times of three, and each attempt takes a few milliseconds."""
LONGEST_PAUSE_S = 0.01
"""Between two attempts; how long it is in fact is left to chance, or two servers would collide in step."""


class Entry(NamedTuple):
    """One line of a call's journal: a tuple in the order of the columns, as the driver takes it."""

    call_id: str
    seq: int
    at_ms: float
    event: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """One change that somebody waits for."""

    work: Callable[[Connection], Any] | None
    """What to run; None only waits for the commit of what was queued before."""
    is_essential: bool
    done: asyncio.Future[Any]
    is_erasing: bool = False
    is_of_calls: bool = False
    """Whether it changes calls, or nothing; what is kept of all else in memory stays true then."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job."""

    job: Job
    result: Any = None
    error: BaseException | None = None


class _JobFailed(Exception):
    """A job failed by itself, and what it had done cannot be told from what the others did."""


class Groups:
    """The transactions of a writer's thread.

    A savepoint around each job costs as much as a short job. So at first there are none; only a group of which a job
    has failed is done again with them.
    """

    def __init__(self, backend: Backend, writer: Engine, disk: Disk, closing: threading.Event) -> None:
        self._backend = backend
        self._closing = closing
        self._writer = writer
        self._disk = disk

    def commit(self, batch: Sequence[Job | Entry]) -> list[Outcome]:
        """Write all of it durably, or nothing. Blocks.

        A job that fails by itself is left out, and its error is its outcome. Raises what concerns the whole group.
        """
        try:
            return self._repeated(batch, is_careful=False)
        except _JobFailed:
            return self._repeated(batch, is_careful=True)

    def _repeated(self, batch: Sequence[Job | Entry], *, is_careful: bool) -> list[Outcome]:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._attempt(batch, self._backend.is_collision, is_careful=is_careful)
            except Exception as error:
                if not self._backend.is_collision(error):
                    raise
                self._closing.wait(random.uniform(0, LONGEST_PAUSE_S))  # noqa: S311 - no secret
        return self._attempt(batch, lambda _: False, is_careful=is_careful)

    def _attempt(
        self, batch: Sequence[Job | Entry], is_collision: Callable[[BaseException], bool], *, is_careful: bool
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        entries: list[Entry] = []
        self._disk.database("begin")
        with self._backend.turn(), self._writer.begin() as connection:
            for item in batch:
                if isinstance(item, Entry):
                    entries.append(item)
                elif item.work is None:
                    outcomes.append(Outcome(item))
                else:
                    # A job sees what was queued before it, and nothing of what came after.
                    self._insert(connection, entries)
                    entries = []
                    outcomes.append(self._do(connection, item, item.work, is_collision, is_careful=is_careful))
            self._insert(connection, entries)
            self._disk.database("commit")
        if any(isinstance(item, Entry) for item in batch):
            crash_point("journal_committed")
        return outcomes

    def _insert(self, connection: Connection, entries: Sequence[Entry]) -> None:
        if entries:
            self._disk.database("statement")
            # The driver's own cursor: SQLAlchemy's way to it costs as much as ten entries.
            connection.connection.cursor().executemany(self._backend.insert_entry, entries)
            crash_point("journal_in_transaction")

    def _do(
        self,
        connection: Connection,
        job: Job,
        work: Callable[[Connection], Any],
        is_collision: Callable[[BaseException], bool],
        *,
        is_careful: bool,
    ) -> Outcome:
        try:
            with connection.begin_nested() if is_careful else nullcontext():
                self._disk.database("statement")
                return Outcome(job, result=work(connection))
        except Exception as error:
            # The border of a job: what is wrong with it alone is for who asked, and the group goes on without it.
            failure = self._backend.failure(error)
            if isinstance(failure, StorageFull | StorageAway | StorageBroken) or is_collision(error):
                raise
            if not is_careful:
                raise _JobFailed from error
            return Outcome(job, error=failure or error)
