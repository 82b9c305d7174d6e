"""A SIGKILL at every named point, a restart, and every promise kept (catalogue D2, D3)."""

import contextlib
import re
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

import retold
from retold.crash import CRASH_POINTS
from support.crash_house import CrashHouse, answer_all
from support.invariants import check_nothing_left
from support.llm_server import LlmServer, llm_server
from support.nursery import Nursery
from support.patience import PATIENCE_S
from support.server import start_server

pytestmark = pytest.mark.anyio

AT_BOOT = [point for point in CRASH_POINTS if point.startswith("recovery_")]
ALSO_IN_RECOVERY = [
    "finish_begun",
    "finish_folded",
    "recording_half_written",
    "recording_first_renamed",
    "log_before_rename",
    "terminal_in_transaction",
    "terminal_committed",
    "spool_removed",
]
ERASING = [point for point in CRASH_POINTS if point.startswith("erase_")]
JOBS = [point for point in CRASH_POINTS if point.startswith(("job_", "analysis_", "change_"))]
WEBHOOKS = [point for point in CRASH_POINTS if point.startswith("webhook_")]
SECRETS = [point for point in CRASH_POINTS if point.startswith("secrets_")]
"""Of a command; tests/integration/test_secrets_command.py kills at each."""
ELSEWHERE = [*AT_BOOT, *ERASING, *JOBS, *WEBHOOKS, *SECRETS, "migrating"]
IN_A_CALL = [point for point in CRASH_POINTS if point not in ELSEWHERE and "unjoined" not in point]
AFTER_TALK = IN_A_CALL[IN_A_CALL.index("session_over") :]
UNJOINED = [point for point in CRASH_POINTS if "unjoined" in point]


@dataclass(frozen=True)
class Ground:
    """What all tests share: quick starts, one LLM server, and a data folder in which the agent exists."""

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


async def one_call(house: CrashHouse) -> None:
    """A whole call, as far as the server lives."""
    try:
        caller = await house.create()
        await house.talk(
            caller, seconds=PATIENCE_S, utterances=1, until=lambda: house.promised_words(caller.call_id) != []
        )
    except httpx2.HTTPError:
        pass


async def restart_and_check(house: CrashHouse) -> None:
    before = house.left_behind()
    assert await house.start()
    await house.check(before)


@pytest.mark.parametrize("point", [*IN_A_CALL, "journal_committed:4", "tape_written:5"])
async def test_kill_in_a_call(house: CrashHouse, point: str) -> None:
    assert await house.start(crash_at=point)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one_call, house)
        await house.death()
    await restart_and_check(house)
    if point in AFTER_TALK:
        assert [house.promised_words(call_id) for call_id in house.callers] == [["alpha", "bravo"]]


@pytest.mark.parametrize("point", UNJOINED)
async def test_kill_while_nobody_joins(house: CrashHouse, point: str) -> None:
    assert await house.start(crash_at=point, join_timeout_ms="300")
    # The answer may come too late: the call is there all the same.
    with contextlib.suppress(httpx2.HTTPError):
        await house.create()
    await house.death()
    [call_id] = house.left_behind()
    assert await house.start(join_timeout_ms="300")
    with anyio.fail_after(PATIENCE_S):
        while house.left_behind()[call_id][0] != "error":  # noqa: ASYNC110 - another process has no event
            await anyio.sleep(0.05)
    await house.check(house.left_behind())
    assert '"error_user_not_joined"' in house.finals[call_id]


@pytest.mark.parametrize("point", [*AT_BOOT, *ALSO_IN_RECOVERY])
async def test_kill_in_recovery_and_again(house: CrashHouse, point: str) -> None:
    assert await house.start(crash_at="session_over")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one_call, house)
        await house.death()
    before = house.left_behind()
    for _ in range(2):
        # The second time there may be nothing left to recover, and so no such point on the way.
        if await house.start(crash_at=point):
            await house.kill()
    for _ in range(2):
        assert await house.start()
        await house.check(before)
        await house.kill()
    assert [house.promised_words(call_id) for call_id in house.callers] == [["alpha", "bravo"]]


@pytest.mark.parametrize("point", ERASING)
async def test_kill_while_erasing(house: CrashHouse, point: str) -> None:
    assert await house.start()
    await one_call(house)
    await house.kill()
    assert await house.start(crash_at=point)
    [call_id] = house.left_behind()
    async with house.http() as http:
        with contextlib.suppress(httpx2.HTTPError):
            await http.delete(f"/v2/delete-call/{call_id}")
        await house.death()
    assert await house.start()
    async with house.http() as http:
        # Whatever the first one came to, after the second one nothing is left.
        assert (await http.delete(f"/v2/delete-call/{call_id}")).status_code in {204, 422}
        report = (await http.get("/get-privacy-report")).json()
    assert (report["kept_calls"], report["erased_calls"]) == ([], 1)
    assert list((house.data / "files").glob("*/*")) == []
    check_nothing_left(house.data)


async def test_kill_while_migrating(ground: Ground, tmp_path: Path) -> None:
    house = CrashHouse(ground.nursery, tmp_path / "data", ground.llm)
    assert not await house.start(crash_at="migrating")
    assert await house.start()
    await house.make_agent()
    await house.create()
    await house.kill()


async def test_a_point_can_be_armed_for_its_nth_passage(house: CrashHouse) -> None:
    assert await house.start(crash_at="create_committed:3")
    await house.create()
    await house.create()
    with pytest.raises(httpx2.HTTPError):
        await house.create()
    await house.death()
    await restart_and_check(house)
    assert len(house.left_behind()) == 3


def test_a_server_started_as_a_user_starts_it_keeps_its_promises_too(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data")
    headers = {"Authorization": f"Bearer {server.api_key}"}
    try:
        made = httpx2.post(f"{server.url}/v2/create-web-call", json={"agent_id": "demo"}, headers=headers)
        server.kill()
        server = start_server(tmp_path / "data")
        kept = httpx2.get(f"{server.url}/v2/get-call/{made.json()['call_id']}", headers=headers)
        assert kept.json() == made.json()
    finally:
        server.kill()


def test_every_point_stands_once_in_the_code_and_in_the_list() -> None:
    source = "".join(path.read_text() for path in Path(retold.__file__).parent.rglob("*.py"))
    assert sorted(re.findall(r'crash_point\("(\w+)"\)', source)) == sorted(CRASH_POINTS)
