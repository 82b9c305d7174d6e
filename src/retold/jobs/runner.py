"""Does what stands in the table of jobs, a few at a time, until it is cancelled.

A job is taken by lease and renewed while it is worked on; one whose process died is taken by the next. What fails is
tried again by `domain.job_schedule`, and what is given up stays as dead, for `retold doctor` to show.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
from anyio.abc import TaskGroup
from structlog.stdlib import get_logger

from retold.clock import Clock
from retold.domain.job_schedule import retry_in_ms
from retold.errors import ClaimLost, RetoldError, StorageError
from retold.storage.claims import RENEW_MS
from retold.storage.jobs import Job, JobStore

AT_ONCE: Final = 4
"""Jobs in progress at a time."""
POLL_S: Final = 15.0
"""How often the table is looked at when nobody rings: for the jobs of other processes."""
DEADLINE_S: Final = 180.0
"""What one attempt may take."""
_PAUSE_S: Final = 1.0
"""While the database does not answer."""
_GIVE_BACK_S: Final = 1.0

Handler = Callable[[Job], Awaitable[None]]
"""Does a job of one kind, and ends it in the transaction of what it does. What it raises is a failed attempt."""

log = get_logger()


class JobRunner:
    """The jobs of these kinds; `run` in a task of its own."""

    def __init__(self, jobs: JobStore, handlers: Mapping[str, Handler], clock: Clock) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._clock = clock
        self._running: set[str] = set()

    async def run(self) -> None:
        """Take and do jobs until cancelled; those in progress are given back then."""
        is_first = True
        async with anyio.create_task_group() as tasks:
            while True:
                # Before the look: what is rung in while it is made is not missed.
                news = self._jobs.news
                try:
                    if is_first:
                        await self._jobs.release_former()
                        is_first = False
                    wait_s = await self._start_due(tasks)
                except StorageError as error:
                    log.warning("jobs_not_taken", error=str(error))
                    await anyio.sleep(_PAUSE_S)
                    continue
                with anyio.move_on_after(wait_s):
                    await news.wait()

    async def _start_due(self, tasks: TaskGroup) -> float:
        """Start what is due and finds room; gives how long to wait for more."""
        room = AT_ONCE - len(self._running)
        if room == 0:
            return POLL_S
        for job in await self._jobs.claim(self._handlers.keys(), room):
            self._running.add(job.job_id)
            tasks.start_soon(self._do, job)
        if len(self._running) == AT_ONCE:
            return POLL_S
        wake_ms = await self._jobs.wake_ms(self._handlers.keys())
        if wake_ms is None:
            return POLL_S
        return min(max(wake_ms - self._clock.wall_ms(), 50) / 1000, POLL_S)

    async def _do(self, job: Job) -> None:
        """One attempt, and the claim renewed as long as it takes."""
        try:
            async with anyio.create_task_group() as attempt:
                attempt.start_soon(self._hold, job, attempt.cancel_scope)
                await self._attempt(job)
                attempt.cancel_scope.cancel()
        finally:
            self._running.discard(job.job_id)
            self._jobs.ring()

    async def _attempt(self, job: Job) -> None:
        try:
            with anyio.fail_after(DEADLINE_S):
                await self._handlers[job.kind](job)
        except ClaimLost as error:
            log.warning("job_lost", job=job.kind, call_id=job.call_id, error=str(error))
        except StorageError as error:
            # It cannot be written down either: the claim ends by itself, and the job is taken again.
            log.warning("job_delayed", job=job.kind, call_id=job.call_id, error=str(error))
        except Exception as error:  # noqa: BLE001 - the border of a job: one that fails harms no other
            await self._failed(job, error)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_GIVE_BACK_S, shield=True):
                await self._give_back(job)
            raise

    async def _failed(self, job: Job, error: Exception) -> None:
        wait_ms = retry_in_ms(job.attempts)
        why = str(error) or type(error).__name__
        if isinstance(error, RetoldError | TimeoutError):
            log.warning("job_failed", job=job.kind, call_id=job.call_id, attempts=job.attempts, error=why)
        else:
            log.error("job_failed", job=job.kind, call_id=job.call_id, attempts=job.attempts, exc_info=error)
        if wait_ms is None:
            log.error("job_given_up", job=job.kind, call_id=job.call_id, error=why, fix="retold doctor shows such jobs")
        try:
            await self._jobs.failed(job.job_id, why, wait_ms)
        except StorageError as failure:
            log.warning("job_delayed", job=job.kind, call_id=job.call_id, error=str(failure))

    async def _give_back(self, job: Job) -> None:
        try:
            await self._jobs.let_go(job.job_id)
        except StorageError as error:
            log.warning("job_delayed", job=job.kind, call_id=job.call_id, error=str(error))

    async def _hold(self, job: Job, attempt: anyio.CancelScope) -> None:
        """Renew the claim to a job; when it is another's by now, the attempt ends."""
        while True:
            await anyio.sleep(RENEW_MS / 1000)
            try:
                if not await self._jobs.renew([job.job_id]):
                    log.warning("job_lost", job=job.kind, call_id=job.call_id)
                    attempt.cancel()
                    return
            except StorageError as error:
                log.warning("job_not_renewed", job=job.kind, call_id=job.call_id, error=str(error))
