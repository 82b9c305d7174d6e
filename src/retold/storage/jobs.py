"""Work of the background that stands in the database: who takes what, and how it ends.

```
pending --done--> (no row)
   |  ^--another try--'
   '--all attempts failed--> dead
```
A job is claimed by lease, so one process is at it. It ends in the transaction of what it does
(`Consequences.ended_job`): a crash leaves both to be done again, or neither.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from retold.clock import Clock
from retold.crash import crash_point
from retold.domain.consequences import NewJob
from retold.errors import StorageError
from retold.ids import CallId, OrgId
from retold.storage.claims import Claims
from retold.storage.database import Database
from retold.storage.job_tables import job
from retold.storage.outside import read_only_engine
from retold.storage.owners import Owners

T = TypeVar("T")

_PENDING: Final = job.c.state == "pending"
_MAX_ERROR_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Job:
    """Work that this process has taken."""

    job_id: str
    kind: str
    org_id: OrgId
    call_id: CallId
    attempts: int
    """The one under way is counted."""


@dataclass(frozen=True, slots=True)
class DeadJobs:
    """Work that was given up."""

    count: int
    example: str
    """The newest: what it was, of which call, and why it failed."""


class JobStore:
    """The jobs of one database."""

    def __init__(self, database: Database, owners: Owners, clock: Clock) -> None:
        self._database = database
        self._owners = owners
        self._clock = clock
        self.news = anyio.Event()
        """Set, and replaced, when there may be something to do."""

    def ring(self) -> None:
        """Say that there may be something to do."""
        self.news.set()
        self.news = anyio.Event()

    async def add(self, org_id: OrgId, call_id: CallId, new: NewJob) -> None:
        """Have something done, due at once. Raises StorageError."""
        row = job_row(new, org_id=org_id, call_id=call_id, now_ms=self._clock.wall_ms())
        await self._write(lambda connection: connection.execute(insert(job).values(row)))
        self.ring()

    async def release_former(self) -> int:
        """End the claims of an earlier process of this server; to be called before the first claim."""
        return await self._write(self._claims.release_former)

    async def claim(self, kinds: Collection[str], room: int) -> list[Job]:
        """Take up to `room` jobs of these kinds that are due, the longest due first. Raises StorageError."""
        now_ms, claims = self._clock.wall_ms(), self._claims
        is_due = _PENDING & (job.c.due_ms <= now_ms) & job.c.kind.in_(kinds) & claims.is_free(now_ms)
        wanted = select(job.c.job_id).where(is_due).order_by(job.c.due_ms).limit(room)
        due = await self._database.read(lambda connection: list(connection.scalars(wanted)))
        if not due:
            return []

        def work(connection: Connection) -> list[Job]:
            mine = job.c.job_id.in_(claims.take(connection, due, now_ms))
            connection.execute(update(job).where(mine).values(attempts=job.c.attempts + 1))
            columns = (job.c.job_id, job.c.kind, job.c.org_id, job.c.call_id, job.c.attempts)
            rows = connection.execute(select(*columns).where(mine).order_by(job.c.due_ms)).all()
            crash_point("job_claim_in_transaction")
            return [Job(*row) for row in rows]

        taken = await self._write(work)
        crash_point("job_claimed")
        return taken

    async def wake_ms(self, kinds: Collection[str]) -> int | None:
        """When there may be one of these to do, milliseconds since the epoch; None when none waits."""
        moment = func.coalesce(job.c.lease_until_ms, job.c.due_ms)
        wanted = select(func.min(moment)).where(_PENDING, job.c.kind.in_(kinds))
        return await self._database.read(lambda connection: connection.scalar(wanted))

    async def renew(self, job_ids: Collection[str]) -> set[str]:
        """Hold jobs that take long; gives those that are still this process's. Raises StorageError."""
        now_ms, claims = self._clock.wall_ms(), self._claims
        return await self._write(lambda connection: claims.renew(connection, job_ids, now_ms))

    async def let_go(self, job_id: str) -> None:
        """Give a job back: the attempt did not come to its end, and does not count. Raises StorageError."""
        mine = (job.c.job_id == job_id) & self._claims.is_mine
        values = {"leased_by": None, "lease_until_ms": None, "attempts": job.c.attempts - 1}
        await self._write(lambda connection: connection.execute(update(job).where(mine).values(values)))

    async def dead(self) -> DeadJobs | None:
        """What was given up; None when nothing was. Raises StorageError."""
        return await self._database.read(dead_jobs)

    async def done(self, job_id: str) -> None:
        """End a job that has changed nothing. Raises StorageError."""
        claims = self._claims
        await self._write(lambda connection: end(connection, job_id, claims))

    async def failed(self, job_id: str, error: str, retry_in_ms: int | None) -> None:
        """Write down a failure; None for `retry_in_ms` gives the job up. Raises StorageError."""
        values: dict[str, Any] = {"leased_by": None, "lease_until_ms": None, "error": error[:_MAX_ERROR_CHARS]}
        if retry_in_ms is None:
            values["state"] = "dead"
        else:
            values["due_ms"] = self._clock.wall_ms() + retry_in_ms
        mine = (job.c.job_id == job_id) & self._claims.is_mine
        await self._write(lambda connection: connection.execute(update(job).where(mine).values(values)))

    def end(self, connection: Connection, job_id: str) -> bool:
        """End a job inside the transaction of what it did; False when it is not this process's any more."""
        return end(connection, job_id, self._claims)

    @property
    def _claims(self) -> Claims:
        return Claims(job, job.c.job_id, self._owners.holder)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        # Nothing else that is kept in memory is touched.
        return await self._database.write(work, is_essential=True, is_of_calls=True)


def job_row(new: NewJob, *, org_id: str, call_id: str, now_ms: int) -> dict[str, object]:
    """The row of a job that is due at once."""
    return {
        "job_id": new.job_id,
        "kind": new.kind,
        "org_id": org_id,
        "call_id": call_id,
        "state": "pending",
        "attempts": 0,
        "created_ms": now_ms,
        "due_ms": now_ms,
    }


def end(connection: Connection, job_id: str, claims: Claims) -> bool:
    """Delete a job of these claims; False when it is not theirs any more."""
    mine = (job.c.job_id == job_id) & claims.is_mine
    return connection.execute(delete(job).where(mine)).rowcount == 1


def dead_jobs_outside(data_dir: Path, database_url: str | None) -> DeadJobs | None:
    """The same beside a running server, or without one; None too where there is no such database. Blocks.

    Raises StorageError.
    """
    engine = read_only_engine(data_dir, database_url)
    if engine is None:
        return None
    try:
        with engine.connect() as connection:
            return dead_jobs(connection) if engine.dialect.has_table(connection, job.name) else None
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be read: {type(error).__name__}") from error
    finally:
        engine.dispose()


def dead_jobs(connection: Connection) -> DeadJobs | None:
    """What was given up; None when nothing was."""
    is_dead = job.c.state == "dead"
    count = connection.scalar(select(func.count()).select_from(job).where(is_dead)) or 0
    newest = select(job.c.kind, job.c.call_id, job.c.error).where(is_dead).order_by(job.c.created_ms.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else DeadJobs(count, f"{row.kind} of {row.call_id}: {row.error}")
