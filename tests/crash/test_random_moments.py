"""SIGKILL at random moments of busy servers, whose rows are in their folder or on a PostgreSQL that lives on.

CRASH_KILLS is how often each chain is killed: its default is what `make test` has time for.
"""

import os
import random
from collections.abc import Generator
from pathlib import Path

import anyio
import httpx2
import pytest

from support.crash_house import MAX_LOST_MS, CrashHouse, answer_all
from support.database import shared_postgres
from support.llm_server import llm_server
from support.nursery import Nursery

KILLS = {"sqlite": 15, "postgresql": 5}
"""Per chain; there are four on SQLite and two on PostgreSQL."""
WISHED_KILLS = int(os.environ.get("CRASH_KILLS", "0"))
CALLERS = 3
START_TIMEOUT_S = 10
"""A server is killed after this even when no call of it has begun."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300 + 20 * WISHED_KILLS)]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("servers")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("database", "seeds"), [("sqlite", (0, 1)), ("sqlite", (2, 3)), ("postgresql", (4, 5))], ids=str
)
async def test_nothing_promised_is_lost_at_any_moment(
    nursery: Nursery, tmp_path: Path, database: str, seeds: tuple[int, ...]
) -> None:
    kills = WISHED_KILLS or KILLS[database]
    async with anyio.create_task_group() as chains:
        for seed in seeds:
            url = shared_postgres().new_database() if database == "postgresql" else None
            chains.start_soon(_chain, nursery, tmp_path / str(seed), url, seed, kills)


async def _chain(nursery: Nursery, folder: Path, database_url: str | None, seed: int, kills: int) -> None:
    """One data folder, killed again and again under load."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible test
    async with llm_server(answer_all) as llm:
        house = CrashHouse(nursery, folder / "data", llm, database_url=database_url)
        assert await house.start()
        await house.make_agent()
        for kill in range(kills):
            async with anyio.create_task_group() as tasks:
                for _ in range(CALLERS):
                    tasks.start_soon(_caller, house, chance.uniform(0, 0.5), chance.uniform(0.2, 2.5))
                if kill % 2 == 0:
                    # On a slow machine too, half of the moments lie in a call.
                    await _is_heard(house)
                await anyio.sleep(chance.uniform(0.05, 2.2))
                await house.kill_and_count_loss()
            before = house.left_behind()
            assert await house.start()
            await house.check(before)
        await house.kill()
    lost = sorted(house.lost_ms)
    slowest_s = max(house.recovered_s)
    print(f"\nseed {seed}: {len(house.callers)} calls, all terminal {slowest_s:.2f} s after ready at the latest")  # noqa: T201 - figures
    print(f"recording lost ms {[round(one) for one in lost]}")  # noqa: T201 - figures
    assert house.callers
    assert max(lost, default=0) <= MAX_LOST_MS
    assert {"ongoing"}.isdisjoint(status for status, _ in house.left_behind().values())


async def _is_heard(house: CrashHouse) -> None:
    """Wait until the server has taken audio of a call that goes on."""
    with anyio.move_on_after(START_TIMEOUT_S):
        while not any(one.is_heard for one in house.callers.values()):  # noqa: ASYNC110 - the other side has no event
            await anyio.sleep(0.01)


async def _caller(house: CrashHouse, joins_after_s: float, talks_s: float) -> None:
    try:
        caller = await house.create()
        await anyio.sleep(joins_after_s)
        await house.talk(caller, seconds=talks_s)
    except httpx2.HTTPError:
        pass
