"""Jobs are done, tried again, given up and given back."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from retold.domain.consequences import NewJob
from retold.domain.job_schedule import ATTEMPTS, DELAYS_MS
from retold.errors import ClaimLost, ModelFailed, StorageError
from retold.ids import DEFAULT_ORG_ID, CallId, new_job_id
from retold.jobs.runner import AT_ONCE, JobRunner
from retold.storage.jobs import Job
from support.call_house import House, open_house
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

KIND = "analysis"


@asynccontextmanager
async def running(house: House, handler: Callable[[Job], Awaitable[None]]) -> AsyncGenerator[None]:
    runner = JobRunner(house.store.jobs, {KIND: handler}, house.clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run)
        yield
        tasks.cancel_scope.cancel()


async def add(house: House, call_id: str = "call_1") -> str:
    new = NewJob(job_id=new_job_id(), kind=KIND)
    await house.store.jobs.add(DEFAULT_ORG_ID, CallId(call_id), new)
    return new.job_id


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not (found if isinstance(found := holds(), bool) else await found):  # noqa: ASYNC110 - rows have no event
            await anyio.sleep(0.01)


async def test_a_job_is_done_once_and_gone(tmp_path: Path) -> None:
    done: list[Job] = []
    async with open_house(tmp_path) as house:

        async def handle(job: Job) -> None:
            done.append(job)
            await house.store.jobs.done(job.job_id)

        async with running(house, handle):
            first = await add(house)
            await until(lambda: len(done) == 1)
            second = await add(house)
            await until(lambda: len(done) == 2)
        assert [job.job_id for job in done] == [first, second]
        assert await house.store.jobs.wake_ms({KIND}) is None


@pytest.mark.parametrize("error", [ModelFailed("busy", is_retryable=True), ValueError("a bug"), TimeoutError()])
async def test_what_fails_is_tried_again_and_at_last_given_up(tmp_path: Path, error: Exception) -> None:
    attempts: list[int] = []
    async with open_house(tmp_path) as house:

        async def handle(job: Job) -> None:
            attempts.append(job.attempts)
            raise error

        async def waits() -> bool:
            return await house.store.jobs.wake_ms({KIND}) in due

        async def is_dead() -> bool:
            return await house.store.jobs.dead() is not None

        async with running(house, handle):
            await add(house, "call_7")
            for wait_ms in DELAYS_MS:
                due = {house.clock.wall_ms() + wait_ms}
                await until(waits)
                house.clock.pass_ms(wait_ms)
                house.store.jobs.ring()
            await until(is_dead)
        dead = await house.store.jobs.dead()
        assert dead is not None
        assert dead.example == f"analysis of call_7: {str(error) or 'TimeoutError'}"
    assert attempts == list(range(1, ATTEMPTS + 1))


async def test_no_more_than_a_few_run_at_a_time(tmp_path: Path) -> None:
    running_now: set[str] = set()
    most, may_end = 0, anyio.Event()
    async with open_house(tmp_path) as house:

        async def handle(job: Job) -> None:
            nonlocal most
            running_now.add(job.job_id)
            most = max(most, len(running_now))
            await may_end.wait()
            running_now.discard(job.job_id)
            await house.store.jobs.done(job.job_id)

        async def is_empty() -> bool:
            return await house.store.jobs.wake_ms({KIND}) is None

        for _ in range(AT_ONCE + 3):
            await add(house)
        async with running(house, handle):
            await until(lambda: len(running_now) == AT_ONCE)
            may_end.set()
            await until(is_empty)
    assert most == AT_ONCE


async def test_what_is_cut_off_by_the_servers_end_is_given_back_uncounted(tmp_path: Path) -> None:
    begun = anyio.Event()
    async with open_house(tmp_path) as house:

        async def handle(_job: Job) -> None:
            begun.set()
            await anyio.sleep_forever()

        async with running(house, handle):
            await add(house)
            with anyio.fail_after(PATIENCE_S):
                await begun.wait()
        [job] = await house.store.jobs.claim({KIND}, 1)
        assert job.attempts == 1


@pytest.mark.parametrize("error", [ClaimLost("another's"), StorageError("the disk is full")])
async def test_a_job_that_cannot_be_ended_harms_no_other(tmp_path: Path, error: Exception) -> None:
    done: list[str] = []
    async with open_house(tmp_path) as house:

        async def handle(job: Job) -> None:
            if job.call_id == "call_bad":
                raise error
            done.append(job.call_id)
            await house.store.jobs.done(job.job_id)

        async with running(house, handle):
            await add(house, "call_bad")
            await add(house, "call_good")
            await until(lambda: done == ["call_good"])
