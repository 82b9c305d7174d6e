"""The promises of a server whose rows are on PostgreSQL: when it is killed, and when the database is."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from support.crash_house import CrashHouse, answer_all
from support.llm_server import llm_server
from support.nursery import Nursery
from support.patience import PATIENCE_S
from support.postgres import PostgresServer, postgres_server

pytestmark = pytest.mark.anyio

POINTS = [
    "create_in_transaction",
    "create_committed",
    "start_in_transaction",
    "start_committed",
    "journal_in_transaction",
    "journal_committed:4",
    "finish_folded",
    "recording_first_renamed",
    "terminal_in_transaction",
    "terminal_committed",
]
"""Those around a transaction; the others do not know which database there is."""


@pytest.fixture(scope="module")
def postgres() -> Generator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as made:
        yield made


@pytest.fixture
async def house(nursery: Nursery, postgres: PostgresServer, tmp_path: Path) -> AsyncGenerator[CrashHouse]:
    async with llm_server(answer_all) as llm:
        made = CrashHouse(nursery, tmp_path / "data", llm, database_url=postgres.new_database())
        assert await made.start()
        await made.make_agent()
        yield made
        await made.kill()


def has_spoken(house: CrashHouse) -> Callable[[], bool]:
    return lambda: any(house.promised_words(call_id) for call_id in house.callers)


async def one_call(house: CrashHouse) -> None:
    """A whole call, as far as the server lives."""
    with contextlib.suppress(httpx2.HTTPError):
        await house.talk(await house.create(), seconds=PATIENCE_S, utterances=1, until=has_spoken(house))


async def call_at(house: CrashHouse, call_id: str, status: str) -> dict[str, Any]:
    """The call once it has this status."""
    async with house.http() as client:
        with anyio.fail_after(PATIENCE_S):
            while True:
                answer = await client.get(f"/v2/get-call/{call_id}")
                if answer.status_code == 200 and answer.json()["call_status"] == status:
                    return answer.json()
                await anyio.sleep(0.1)


@pytest.mark.parametrize("point", POINTS)
async def test_kill_in_a_call(house: CrashHouse, point: str) -> None:
    await house.kill()
    assert await house.start(crash_at=point)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one_call, house)
        await house.death()
    before = house.left_behind()
    assert await house.start()
    await house.check(before)


async def test_the_database_is_killed_in_a_call_and_comes_back(house: CrashHouse, postgres: PostgresServer) -> None:
    pid, caller, has_asked = house.pid, await house.create(), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: house.talk(caller, seconds=PATIENCE_S, utterances=2, until=has_asked.is_set))
        await call_at(house, caller.call_id, "ongoing")
        await anyio.to_thread.run_sync(postgres.kill)
        with anyio.fail_after(PATIENCE_S):
            while not has_spoken(house)():  # noqa: ASYNC110 - the agent's brain is asked while the database is away
                await anyio.sleep(0.05)
        async with house.http() as client:
            refused = await client.post("/v2/create-web-call", json={"agent_id": house.agent_id})
            assert refused.status_code == 503
            assert (await client.get("/health/ready")).json()["storage"] == "away"
        has_asked.set()
    # The caller has hung up, and the end waits.
    await anyio.to_thread.run_sync(postgres.start)
    call = await call_at(house, caller.call_id, "ended")
    assert call["disconnection_reason"] == "user_hangup"
    assert house.pid == pid
    await house.check(house.left_behind())
    async with house.http() as client:
        assert (await client.get("/health/ready")).status_code == 200
    await house.create()


async def test_a_server_takes_over_for_one_that_died_and_its_recording_comes_later(
    house: CrashHouse, nursery: Nursery, tmp_path: Path
) -> None:
    other = CrashHouse(nursery, tmp_path / "other", house.llm, database_url=house.database_url)
    assert await other.start()
    try:
        caller = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: house.talk(caller, seconds=2 * PATIENCE_S, utterances=1))
            with anyio.fail_after(PATIENCE_S):
                while not has_spoken(house)():  # noqa: ASYNC110 - the other side has no event
                    await anyio.sleep(0.05)
            await house.kill()
        call = await call_at(other, caller.call_id, "error")
        assert call["disconnection_reason"] == "error_retell"
        assert "alpha bravo" in call["transcript"]
        assert "recording_url" not in call
    finally:
        await other.kill()
    assert await house.start()
    whole = await call_at(house, caller.call_id, "error")
    assert whole["transcript"] == call["transcript"]
    assert (house.data / whole["recording_url"].removeprefix(f"{house.url}/")).exists()
