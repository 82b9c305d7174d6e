r"""One writer thread with group commit, and a pool of readers.

```
await write(job) --\                                               /--> waiters resolved, all at once
append(entry) ------> queue -> [writer thread: BEGIN, jobs, COMMIT+fsync]
await write(job) --/           one transaction for all that is queued
```
The writer thread owns the only connection of this process that writes. Each group costs much and each entry little, and
while the thread works the event loop stands still: entries that nobody waits for may linger, and groups rest a little.
Everything that waits for a commit is resolved on the event loop by one `call_soon_threadsafe` per group, which makes
this file one of the few shells that touch the loop. When the disk is full or the database server away, entries wait in
the queue (bounded) and are tried again each second; jobs fail, except that essential ones may use up the ballast.

A group may be tried more than once, so jobs must be repeatable; what they see is one moment of the database. On
PostgreSQL a rule over several rows needs a unique index: two servers may each write one of the rows.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
from sqlalchemy import Connection, Engine, Select
from structlog.stdlib import get_logger

from retold.clock import Clock
from retold.errors import StorageAway, StorageBroken, StorageError, StorageFull
from retold.storage.audit import by_whom
from retold.storage.backend import READERS, Backend
from retold.storage.disk import BALLAST_BYTES, Ballast, Disk, StorageHealth
from retold.storage.effect import with_note
from retold.storage.groups import Entry, Groups, Job, Outcome
from retold.storage.row_reads import RowReads
from retold.threads import started_pool

T = TypeVar("T")

MAX_WAITING_JOBS = 1_000
"""More writers than that stand in line outside."""
MAX_ENTRIES = 200_000
"""Journal entries that may wait for the disk; beyond it a call's journal ends (a normal end needs none)."""
LINGER_S = 0.05
"""Journal entries that nobody waits for urgently are gathered this long into one commit; a crash may lose those that
nobody was told of."""
GROUP_EVERY_S = 0.005
"""Groups begin this far apart at least, so that under load those who wait share a commit."""
SPACE_CHECK_S = 1.0
TIMEOUT_S = 30.0
"""After this a waiter is told that the database does not answer."""


class Database:
    """What one server keeps; its files are in the data folder, its rows there or on a database server."""

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        *,
        clock: Clock,
        disk: Disk,
        min_free_bytes: int = 0,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> None:
        self._folder = folder
        self._backend = backend
        self._clock = clock
        self._disk = disk
        self._min_free_bytes = min_free_bytes
        # Out of "full" only with this much room, or the ballast just released would count as room.
        self._enough_bytes = ballast_bytes + max(min_free_bytes, ballast_bytes)
        self._ballast = Ballast(folder, disk, ballast_bytes)
        # The loop appends and the thread takes from the left, each in one step: no lock.
        self._queue: deque[Job | Entry] = deque()
        # Counters of a lifetime, each with one writer: the loop counts what came in, the thread what is on disk.
        self._appended = 0
        self._flushed = 0
        self._filled = threading.Event()
        self._urgent = threading.Event()
        self._closing = threading.Event()
        self._is_retrying = False
        self._owes_scrub = False
        self._outages = 0
        self._changes = 0
        self._looked_ms = self._began_ms = clock.monotonic_ms()
        self._health = StorageHealth.OK
        self._waiting = asyncio.Semaphore(MAX_WAITING_JOBS)
        self._thread = threading.Thread(target=self._run, name="retold-write", daemon=True)

    async def open(self) -> None:
        """Open, migrate, load the ballast and start the writer. Raises StorageError."""
        self._loop = asyncio.get_running_loop()
        self._broken = anyio.Event()
        self._writer, self._reader = await asyncio.to_thread(self._open)
        self._readers = started_pool(READERS, name="retold-read")
        read_row = partial(self._backend.row, self._reader)
        self._row_reads = RowReads(read_row, self._readers, self._backend.failure, TIMEOUT_S)
        self._thread.start()

    async def close(self) -> None:
        """Commit what is queued, then close every connection, the writer's last; a second time does nothing."""
        if self._closing.is_set():
            return
        for event in (self._closing, self._filled, self._urgent):
            event.set()
        await asyncio.to_thread(self._shut)

    @property
    def health(self) -> StorageHealth:
        """How the disk did at the last write or look, at most a second ago."""
        return self._health

    @property
    def is_shared(self) -> bool:
        """Whether other servers may write to the same database."""
        return self._backend.is_shared

    @property
    def outages(self) -> int:
        """How often the database server was away so far."""
        return self._outages

    @property
    def changes(self) -> int:
        """Counts the groups, from when each is committed, that may have changed something else than calls."""
        return self._changes

    @property
    def broken(self) -> anyio.Event:
        """Set on the event loop once a write has failed for good."""
        return self._broken

    async def write(
        self,
        work: Callable[[Connection], T],
        *,
        is_essential: bool = False,
        is_erasing: bool = False,
        is_of_calls: bool = False,
    ) -> T:
        """Run `work` in the next group; returns once it is committed with fsync.

        `is_essential` work may use the ballast of a full disk. What `is_erasing` work deletes is gone from the files
        too, as soon as no reader looks at what was before. Work that `is_of_calls` changes nothing but calls. Raises
        what `work` raises, or StorageError.
        """
        with with_note(work) as noted:
            work_of_caller = by_whom(noted, self._clock.wall_ms())
            job = Job(work_of_caller, is_essential, self._loop.create_future(), is_erasing, is_of_calls)
            return cast("T", await self._done(job))

    def append(self, entry: Entry) -> int | None:
        """Queue a journal entry in front of all later writes; never waits.

        Gives its number for `flushed`; None when the queue is full.
        """
        if self._appended - self._flushed >= MAX_ENTRIES or self._health is StorageHealth.BROKEN:
            return None
        self._queue.append(entry)
        self._appended += 1
        self._filled.set()
        return self._appended

    async def flushed(self, number: int, *, is_urgent: bool = True) -> None:
        """Wait until the journal entry of this number, and all before it, are committed with fsync.

        What is not urgent waits as long as entries linger. Raises StorageError.
        """
        if self._flushed < number:
            # Groups keep the order of the queue: what comes behind the entries commits with or after them.
            job = Job(None, is_essential=True, done=self._loop.create_future(), is_of_calls=True)
            await self._done(job, is_urgent=is_urgent)

    async def _done(self, job: Job, *, is_urgent: bool = True) -> Any:
        async with self._waiting:
            self._refuse_if_hopeless(is_essential=job.is_essential)
            self._queue.append(job)
            self._filled.set()
            if is_urgent:
                self._urgent.set()
            try:
                with anyio.fail_after(TIMEOUT_S):
                    return await job.done
            except TimeoutError as error:
                raise StorageError(f"the database did not answer within {TIMEOUT_S:.0f} s; check it") from error

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a reading connection. Raises StorageError."""
        self._refuse_if_closed()
        try:
            with anyio.fail_after(TIMEOUT_S):
                return await self._loop.run_in_executor(self._readers, self._read, work)
        except TimeoutError as error:
            raise StorageError(f"the database did not answer within {TIMEOUT_S:.0f} s; check it") from error

    async def read_row(
        self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str], use: Callable[[Sequence[Any] | None], T]
    ) -> T:
        """What `use` makes of the first row of a query with these parameters: for what is asked most often.

        The query must be one object for the life of the program. Raises StorageError.
        """
        self._refuse_if_closed()
        return await self._row_reads.row(wanted, values, use)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reader.begin() as connection:
                return work(connection)
        except Exception as error:
            failure = self._backend.failure(error)
            if failure is None:
                raise
            raise failure from error

    def _refuse_if_closed(self) -> None:
        if self._closing.is_set():
            raise StorageBroken("the database is closed: the server is going down")

    def _refuse_if_hopeless(self, *, is_essential: bool) -> None:
        self._refuse_if_closed()
        if self._health is StorageHealth.BROKEN:
            raise StorageBroken("the storage has failed; check the disk and restart")
        if self._health is StorageHealth.FULL and not is_essential:
            raise StorageFull("no space left in the data folder; free some, no restart is needed")

    # --- the writer thread ---

    def _open(self) -> tuple[Engine, Engine]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            engines = self._backend.open()
            self._groups = Groups(self._backend, engines[0], self._disk, self._closing)
            if not self._ballast.load():
                self._health = StorageHealth.FULL
            self._look_at_space()
        except Exception as error:
            raise (self._backend.failure(error) or error) from error
        return engines

    def _shut(self) -> None:
        self._thread.join(TIMEOUT_S)
        self._readers.shutdown()
        self._backend.close(self._writer, self._reader)

    def _run(self) -> None:
        try:
            self._write_groups()
        except Exception:  # noqa: BLE001 - the border of the thread
            # Nothing is written any more, and all who wait would wait in vain.
            get_logger().exception("writer_failed")
            self._break()

    def _write_groups(self) -> None:
        while self._queue or not self._closing.is_set():
            batch = self._take()
            if self._clock.monotonic_ms() - self._looked_ms >= SPACE_CHECK_S * 1000:
                self._look_at_space()
                if self._owes_scrub:
                    self._scrub()
            # An empty group asks a database server that was away whether it is back.
            if batch or self._health is StorageHealth.AWAY:
                self._commit(batch)
            elif self._owes_scrub:
                self._scrub()

    def _take(self) -> list[Job | Entry]:
        """Everything queued; waits for something, for a second at most."""
        if not self._filled.wait(SPACE_CHECK_S):
            return []
        # Held entries are tried once a second, unless a job asks earlier.
        self._urgent.wait(SPACE_CHECK_S if self._is_retrying else LINGER_S)
        rest_s = GROUP_EVERY_S - (self._clock.monotonic_ms() - self._began_ms) / 1000
        if rest_s > 0:
            self._closing.wait(rest_s)
        self._began_ms = self._clock.monotonic_ms()
        # Cleared before the queue is emptied: what comes in between is taken with this group or announced again.
        self._filled.clear()
        self._urgent.clear()
        return [self._queue.popleft() for _ in range(len(self._queue))]

    def _commit(self, batch: Sequence[Job | Entry]) -> None:
        try:
            try:
                outcomes = self._groups.commit(batch)
            finally:
                # Also when it failed: whether a group is committed is not always known.
                self._changes += any(isinstance(item, Job) and not item.is_of_calls for item in batch)
        except Exception as error:  # noqa: BLE001 - the border of the writer: what is not the disk's fault is the group's
            self._fail(batch, self._backend.failure(error) or StorageError(f"the database refused: {error}"))
        else:
            self._flushed += sum(isinstance(item, Entry) for item in batch)
            self._is_retrying = False
            if self._health is StorageHealth.AWAY:
                self._health = StorageHealth.OK
            if any(outcome.job.is_erasing for outcome in outcomes):
                self._scrub()
            self._settle(outcomes)
            self._tidy()

    def _tidy(self) -> None:
        try:
            self._backend.tidy(self._writer)
        except Exception as error:  # all of them: only the backend knows its driver's, and others are raised on
            failure = self._backend.failure(error)
            if failure is None:
                raise
            # All is committed. What else there may be, a full disk say, shows by the next write.
            if isinstance(failure, StorageBroken):
                self._break()

    def _scrub(self) -> None:
        """Have what was deleted removed from the files; tried again later when it cannot be now."""
        try:
            self._owes_scrub = not self._backend.scrub(self._writer)
        except Exception as error:
            if self._backend.failure(error) is None:
                raise
            # All is committed: a disk that has failed shows by the next write.
            self._owes_scrub = True

    def _fail(self, batch: Sequence[Job | Entry], error: StorageError) -> None:
        """Tell the waiters, and decide what is tried again."""
        is_first_full = isinstance(error, StorageFull) and self._health is not StorageHealth.FULL
        if isinstance(error, StorageBroken):
            self._break()
        elif isinstance(error, StorageFull):
            self._health = StorageHealth.FULL
            self._ballast.release()
        elif isinstance(error, StorageAway):
            self._outages += self._health is not StorageHealth.AWAY
            self._health = StorageHealth.AWAY
        doomed = [
            Outcome(item, error=error)
            for item in batch
            if isinstance(item, Job) and not (is_first_full and item.is_essential)
        ]
        self._settle(doomed)
        if isinstance(error, StorageBroken) or self._closing.is_set():
            return
        entries = [item for item in batch if isinstance(item, Entry)]
        kept = [item for item in batch if isinstance(item, Entry) or item.is_essential]
        if is_first_full and kept:
            self._commit(kept)
        elif entries:
            self._is_retrying = True
            self._queue.extendleft(reversed(entries))
            self._filled.set()

    def _break(self) -> None:
        self._health = StorageHealth.BROKEN
        self._tell(self._broken.set)

    def _look_at_space(self) -> None:
        self._looked_ms = self._clock.monotonic_ms()
        if self._health in {StorageHealth.BROKEN, StorageHealth.AWAY}:
            return
        try:
            free = self._disk.free_bytes(self._folder)
            if self._health is StorageHealth.FULL and (free < self._enough_bytes or not self._ballast.load()):
                return
        except OSError:
            # A look that fails decides nothing; the next write tells.
            return
        self._health = StorageHealth.LOW if free < self._min_free_bytes else StorageHealth.OK

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            self._tell(_resolve, outcomes)

    def _tell(self, news: Callable[..., None], *details: object) -> None:
        # The loop may be gone when a server is torn down; then nobody waits either.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(news, *details)


def _resolve(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.job.done.done():
            continue
        if outcome.error is not None:
            outcome.job.done.set_exception(outcome.error)
        else:
            outcome.job.done.set_result(outcome.result)
