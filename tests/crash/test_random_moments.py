"""SIGKILL at 60 random moments of busy servers (catalogue D1)."""

import random
from collections.abc import Generator
from pathlib import Path

import anyio
import httpx2
import pytest

from support.crash_house import MAX_LOST_MS, CrashHouse, answer_all
from support.llm_server import llm_server
from support.nursery import Nursery

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KILLS = 15
"""Per chain; four chains make 60."""
CALLERS = 3


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("servers")) as opened:
        yield opened


@pytest.mark.parametrize("seeds", [(0, 1), (2, 3)], ids=str)
async def test_nothing_promised_is_lost_at_any_moment(nursery: Nursery, tmp_path: Path, seeds: tuple[int, ...]) -> None:
    async with anyio.create_task_group() as chains:
        for seed in seeds:
            chains.start_soon(_chain, nursery, tmp_path / str(seed), seed)


async def _chain(nursery: Nursery, folder: Path, seed: int) -> None:
    """One data folder, killed again and again under load."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible test
    async with llm_server(answer_all) as llm:
        house = CrashHouse(nursery, folder / "data", llm)
        assert await house.start()
        await house.make_agent()
        for _ in range(KILLS):
            async with anyio.create_task_group() as tasks:
                for _ in range(CALLERS):
                    tasks.start_soon(_caller, house, chance.uniform(0, 0.5), chance.uniform(0.2, 2.5))
                await anyio.sleep(chance.uniform(0.05, 2.2))
                await house.kill_and_count_loss()
            before = house.left_behind()
            assert await house.start()
            await house.check(before)
        await house.kill()
    lost = sorted(house.lost_ms)
    print(f"\nseed {seed}: {len(house.callers)} calls, recording lost ms {[round(one) for one in lost]}")  # noqa: T201 - figures
    assert lost[-1] <= MAX_LOST_MS
    assert {"ongoing"}.isdisjoint(status for status, _ in house.left_behind().values())


async def _caller(house: CrashHouse, joins_after_s: float, talks_s: float) -> None:
    try:
        caller = await house.create()
        await anyio.sleep(joins_after_s)
        await house.talk(caller, seconds=talks_s)
    except httpx2.HTTPError:
        pass
