"""Work of the background: each job by one process at a time, and ended with what it does."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import pytest

from retold.cli.job_checks import check_jobs
from retold.domain.call import CallRecord
from retold.domain.consequences import Consequences, NewJob
from retold.domain.reasons import CallStatus
from retold.errors import ClaimLost
from retold.ids import DEFAULT_ORG_ID, CallId, new_job_id
from retold.settings import Settings
from retold.storage.call_changes import Change
from retold.storage.claims import LEASE_MS
from retold.storage.jobs import Job
from retold.storage.store import Store, with_call
from support.call_house import HandClock
from support.stored import delete_call, make_record

pytestmark = pytest.mark.anyio

KINDS = ("analysis",)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None, clock: HandClock) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, database_url=database_url, clock=clock, ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_1")
    yield opened
    await opened.close()


async def finished(store: Store) -> CallRecord:
    """A call that is over, and is to be analysed."""
    record = make_record()
    await store.create_call(record)
    over = with_call(record, call_status=CallStatus.ENDED)
    assert await store.finish_call(over, consequences=Consequences(jobs=(new_job(),)))
    return over


def new_job(kind: str = "analysis") -> NewJob:
    return NewJob(job_id=new_job_id(), kind=kind)


async def only(store: Store, room: int = 5) -> Job:
    [job] = await store.jobs.claim(KINDS, room)
    return job


async def test_the_end_of_a_call_leaves_a_job_that_one_process_takes(store: Store, clock: HandClock) -> None:
    news = store.jobs.news
    record = await finished(store)
    assert news.is_set()
    assert await store.jobs.wake_ms(KINDS) == clock.wall_ms()
    job = await only(store)
    assert (job.kind, job.org_id, job.call_id, job.attempts) == ("analysis", DEFAULT_ORG_ID, record.call.call_id, 1)
    assert await store.jobs.claim(KINDS, 5) == []
    assert await store.jobs.wake_ms(KINDS) == clock.wall_ms() + LEASE_MS


async def test_jobs_of_other_kinds_are_left_alone(store: Store) -> None:
    await store.jobs.add(DEFAULT_ORG_ID, CallId("call_1"), new_job("of_tomorrow"))
    assert await store.jobs.claim(KINDS, 5) == []
    assert await store.jobs.wake_ms(KINDS) is None


async def test_no_more_are_taken_than_there_is_room_for(store: Store) -> None:
    for _ in range(3):
        await finished(store)
    assert len(await store.jobs.claim(KINDS, 2)) == 2
    assert len(await store.jobs.claim(KINDS, 2)) == 1


async def test_a_job_whose_process_died_is_taken_again_and_the_attempt_counts(store: Store, clock: HandClock) -> None:
    await finished(store)
    first = await only(store)
    clock.pass_ms(LEASE_MS + 1)
    second = await only(store)
    assert (second.job_id, second.attempts) == (first.job_id, 2)


async def test_a_job_that_is_renewed_stays_whose_it_is(store: Store, clock: HandClock) -> None:
    await finished(store)
    job = await only(store)
    clock.pass_ms(LEASE_MS - 1)
    assert await store.jobs.renew([job.job_id, "job_unknown"]) == {job.job_id}
    clock.pass_ms(LEASE_MS - 1)
    assert await store.jobs.claim(KINDS, 5) == []


async def test_a_job_that_was_given_back_is_taken_as_if_nothing_had_been(store: Store) -> None:
    await finished(store)
    job = await only(store)
    await store.jobs.let_go(job.job_id)
    assert await only(store) == job


async def test_a_failed_job_waits_and_one_given_up_is_shown(store: Store, clock: HandClock) -> None:
    record = await finished(store)
    job = await only(store)
    await store.jobs.failed(job.job_id, "no answer", 1_000)
    assert await store.jobs.claim(KINDS, 5) == []
    assert await store.jobs.wake_ms(KINDS) == clock.wall_ms() + 1_000
    clock.pass_ms(1_000)
    assert (await only(store)).attempts == 2
    assert await store.jobs.dead() is None
    await store.jobs.failed(job.job_id, "still no answer", None)
    clock.pass_ms(LEASE_MS * 10)
    assert await store.jobs.claim(KINDS, 5) == []
    dead = await store.jobs.dead()
    assert dead is not None
    assert (dead.count, dead.example) == (1, f"analysis of {record.call.call_id}: still no answer")


async def test_the_doctor_names_what_was_given_up(store: Store, tmp_path: Path, database_url: str | None) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "database_url": database_url})
    assert [finding.state for finding in check_jobs(settings)] == ["ok"]
    record = await finished(store)
    await store.jobs.failed((await only(store)).job_id, "no answer", None)
    [finding] = check_jobs(settings)
    assert finding.state == "warning"
    assert finding.detail == f"1 given up, the newest: analysis of {record.call.call_id}: no answer"


def test_where_there_is_no_database_nothing_was_given_up(tmp_path: Path) -> None:
    assert [finding.state for finding in check_jobs(Settings(data_dir=tmp_path))] == ["ok"]


async def test_a_job_ends_with_the_change_it_makes(store: Store, clock: HandClock) -> None:
    record = await finished(store)
    job = await only(store)
    changed = await store.change_call(DEFAULT_ORG_ID, job.call_id, named("Ann"), follows=ending(job))
    assert changed is not None
    clock.pass_ms(LEASE_MS * 10)
    assert await store.jobs.claim(KINDS, 5) == []
    # What comes too late changes nothing.
    with pytest.raises(ClaimLost):
        await store.change_call(DEFAULT_ORG_ID, job.call_id, named("Bo"), follows=ending(job))
    found = await store.find_call(DEFAULT_ORG_ID, CallId(record.call.call_id))
    assert found is not None
    assert found.call.agent_name == "Ann"


async def test_a_deleted_call_takes_its_jobs_along(store: Store, clock: HandClock) -> None:
    record = await finished(store)
    await only(store)
    assert await delete_call(store, record.call.call_id)
    clock.pass_ms(LEASE_MS * 10)
    assert await store.jobs.claim(KINDS, 5) == []


async def test_the_claims_of_an_earlier_process_end_when_the_server_is_back(tmp_path: Path, clock: HandClock) -> None:
    first = await Store.open(tmp_path, clock=clock, ballast_bytes=4096)
    await first.keys.create(DEFAULT_ORG_ID, "key_1")
    await finished(first)
    job = await only(first)
    await first.close()
    second = await Store.open(tmp_path, clock=clock, ballast_bytes=4096)
    assert await second.jobs.release_former() == 1
    assert (await only(second)).job_id == job.job_id
    await second.close()


async def test_whoever_waits_is_rung_up(store: Store) -> None:
    news = store.jobs.news
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.jobs.add, DEFAULT_ORG_ID, CallId("call_1"), new_job())
        with anyio.fail_after(30):
            await news.wait()
    assert store.jobs.news is not news


def named(name: str) -> Change:
    return lambda record: with_call(record, agent_name=name)


def ending(job: Job) -> Callable[[CallRecord], Consequences]:
    return lambda _record: Consequences(ended_job=job.job_id)
