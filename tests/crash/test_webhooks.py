"""A SIGKILL at every point of a webhook's way: each event arrives, under one id, and at most twice (catalogue H2)."""

import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import pytest
from sqlalchemy import create_engine, text

from retold.crash import CRASH_POINTS
from support.crash_house import CrashHouse, answer_all
from support.llm_server import LlmServer, llm_server
from support.nursery import Nursery
from support.patience import PATIENCE_S
from support.web_server import Answer, WebRequest, answer, web_server

pytestmark = pytest.mark.anyio

POINTS = [point for point in CRASH_POINTS if point.startswith("webhook_")]
OF_A_CALL = ["call_started", "call_ended"]
OK = answer("")


@dataclass
class Receiver:
    """Notes every delivery when it comes, and how many of one event are open at once."""

    url: str = ""
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Event and id of each delivery."""
    on_request: Callable[[], None] = lambda: None

    def respond(self, request: WebRequest) -> Answer:
        self.told.append((request.json["event"], request.headers["webhook-id"]))
        self.on_request()
        return OK

    def events(self) -> list[str]:
        """The events that came, each once, in the order of their first delivery."""
        return list(dict.fromkeys(event for event, _ in self.told))


@dataclass(frozen=True)
class Ground:
    nursery: Nursery
    llm: LlmServer
    template: Path
    agent_id: str


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    with Nursery(folder) as nursery:
        async with llm_server(answer_all) as llm:
            house = CrashHouse(nursery, folder / "data", llm)
            assert await house.start()
            await house.make_agent()
            await house.kill()
            yield Ground(nursery, llm, house.data, house.agent_id)


@pytest.fixture
async def house(ground: Ground, tmp_path: Path) -> AsyncGenerator[CrashHouse]:
    shutil.copytree(ground.template, tmp_path / "data")
    made = CrashHouse(ground.nursery, tmp_path / "data", ground.llm, agent_id=ground.agent_id)
    yield made
    await made.kill()


@pytest.mark.parametrize("point", [f"{point}:{passage}" for point in POINTS for passage in (1, 2)])
async def test_kill_on_the_way_of_a_webhook(house: CrashHouse, point: str) -> None:
    receiver = Receiver()
    async with web_server(receiver.respond) as server:
        assert await house.start(crash_at=point, webhooks__url=f"{server.url}/hook")
        await call_until_death(house)
        assert await house.start(webhooks__url=f"{server.url}/hook")
        await until_all_delivered(house)
    check(receiver, house, kills=1)


async def test_kill_between_the_request_and_its_answer(house: CrashHouse) -> None:
    receiver = Receiver()
    async with web_server(receiver.respond) as server:
        assert await house.start(webhooks__url=f"{server.url}/hook")
        receiver.on_request = house.kill_now
        await call_until_death(house)
        receiver.on_request = lambda: None
        assert await house.start(webhooks__url=f"{server.url}/hook")
        await until_all_delivered(house)
    check(receiver, house, kills=1)


async def test_kill_again_and_again(house: CrashHouse) -> None:
    receiver = Receiver()
    async with web_server(receiver.respond) as server:
        env = {"webhooks__url": f"{server.url}/hook"}
        assert await house.start(crash_at="webhook_sent", **env)
        await call_until_death(house)
        for _ in range(3):
            # It delivers as soon as it runs, and dies of it.
            await house.start(crash_at="webhook_sent", **env)
            await house.death()
        assert await house.start(**env)
        await until_all_delivered(house)
    check(receiver, house, kills=4)


async def call_until_death(house: CrashHouse) -> None:
    """One whole call, as far as the server lives; its webhooks are its death."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one_call, house)
        await house.death()


async def one_call(house: CrashHouse) -> None:
    with contextlib.suppress(httpx2.HTTPError):
        caller = await house.create()
        await house.talk(
            caller, seconds=PATIENCE_S, utterances=1, until=lambda: house.promised_words(caller.call_id) != []
        )


async def until_all_delivered(house: CrashHouse) -> None:
    """Wait until no event waits any more, of a call that is over."""
    engine = create_engine(f"sqlite:///{house.data / 'retold.db'}")
    wanted = text("SELECT event, state FROM webhook_event ORDER BY row_id")
    with anyio.fail_after(PATIENCE_S):
        while True:
            with engine.connect() as connection:
                rows = [(row.event, row.state) for row in connection.execute(wanted)]
            if rows and rows[-1][0] == "call_ended" and {state for _, state in rows} == {"delivered"}:
                break
            await anyio.sleep(0.05)
    engine.dispose()


def check(receiver: Receiver, house: CrashHouse, *, kills: int) -> None:
    """Each event came, in order and under one id, and at most once more for each kill."""
    assert len(house.callers) == 1
    assert receiver.events() == OF_A_CALL
    assert len({event_id for _, event_id in receiver.told}) == len(OF_A_CALL)
    times = Counter(event_id for _, event_id in receiver.told)
    assert sum(times.values()) <= len(OF_A_CALL) + kills, receiver.told
