"""A SIGKILL at every point of an analysis: it is made all the same, and announced under one id."""

import contextlib
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import pytest

from support.crash_house import CrashHouse, answer_all
from support.llm_server import llm_server
from support.nursery import Nursery
from support.patience import PATIENCE_S
from support.web_server import Answer, WebRequest, answer, web_server

pytestmark = pytest.mark.anyio

POINTS = [
    "terminal_committed",
    "job_claim_in_transaction",
    "job_claimed",
    "analysis_made",
    "change_in_transaction",
    "change_committed",
]
OK = answer("")


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[CrashHouse]:
    folder = tmp_path_factory.mktemp("ground")
    with Nursery(folder) as nursery:
        async with llm_server(answer_all) as llm:
            house = CrashHouse(nursery, folder / "data", llm)
            assert await house.start()
            await house.make_agent()
            await house.kill()
            yield house


@pytest.fixture
async def house(ground: CrashHouse, tmp_path: Path) -> AsyncGenerator[CrashHouse]:
    shutil.copytree(ground.data, tmp_path / "data")
    made = CrashHouse(ground.nursery, tmp_path / "data", ground.llm, agent_id=ground.agent_id)
    yield made
    await made.kill()


@pytest.mark.parametrize("point", POINTS)
async def test_kill_on_the_way_of_an_analysis(house: CrashHouse, point: str) -> None:
    told: list[tuple[str, str]] = []

    def respond(request: WebRequest) -> Answer:
        told.append((request.json["event"], request.headers["webhook-id"]))
        return OK

    async with web_server(respond) as server:
        env = {"webhooks__url": f"{server.url}/hook", "analysis__enabled": "true"}
        assert await house.start(crash_at=point, **env)
        call_id = await stopped_call(house)
        await house.death()
        assert await house.start(**env)
        call = await analysed(house, call_id)
        with anyio.fail_after(PATIENCE_S):
            while "call_analyzed" not in {event for event, _ in told}:  # noqa: ASYNC110 - the receiver has no event
                await anyio.sleep(0.02)
    assert call["call_analysis"]["call_summary"] == "The call did not connect (manual_stopped)."
    assert len({event_id for event, event_id in told if event == "call_analyzed"}) == 1


async def stopped_call(house: CrashHouse) -> str:
    """A call that ends, as far as the server lives."""
    call_id = (await house.create()).call_id
    async with house.http() as http:
        with contextlib.suppress(httpx2.HTTPError):
            await http.post(f"/v2/stop-call/{call_id}")
    return call_id


async def analysed(house: CrashHouse, call_id: str) -> dict[str, dict[str, str]]:
    """The call once it has its analysis."""
    call: dict[str, dict[str, str]] = {}
    async with house.http() as http:
        with anyio.fail_after(PATIENCE_S):
            while "call_analysis" not in call:
                call = (await http.get(f"/v2/get-call/{call_id}")).json()
                await anyio.sleep(0.05)
    return call
