"""What may not be stored is not on the disk: killed at any point, recovered, erased (catalogue Y1, Y2)."""

import contextlib
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

from retold.crash import CRASH_POINTS
from support.canaries import hits
from support.crash_house import CrashHouse
from support.llm_server import LlmServer, Peer, llm_server
from support.nursery import Nursery
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

SAID = ("quetzalcoatl", "popocatepetl")
ANSWERED = "xochimilco"
TEXTS = " ".join(SAID)
WORDS = (*SAID, ANSWERED)
CARD = "4111 1111 1111 1111"
CARD_WORDS = ("4111 1111", '"4111"', "4111111111111111")
"""How the number stands in texts, as a word of its own, and in values; four digits alone are in many a random id."""
PII_POINTS = (
    "journal_committed",
    "tape_synced",
    "session_over",
    "call_scrubbed",
    "finish_folded",
    "recording_half_written",
    "recording_first_renamed",
    "log_written",
    "terminal_in_transaction",
    "terminal_committed",
)
STRICT = {
    "basic_attributes_only": {"data_storage_setting": "basic_attributes_only"},
    "opt_out": {"opt_out_sensitive_data_storage": True},
}
LOOSE = {"everything": {}, "except_pii": {"data_storage_setting": "everything_except_pii"}}
WITH_FILES = ("recording_", "log_", "call_scrubbed")
"""Points that a call without files does not come by."""
ON_THE_WAY = CRASH_POINTS[: CRASH_POINTS.index("spool_removed") + 1]
POINTS = [*(point for point in ON_THE_WAY if not point.startswith(WITH_FILES)), "webhook_claimed"]


@dataclass(frozen=True)
class Ground:
    """What all tests share: quick starts, one LLM server, and a data folder with an agent for each setting."""

    folder: Path
    nursery: Nursery
    llm: LlmServer
    template: Path
    agents: Mapping[str, str]


async def answer_all(peer: Peer) -> None:
    await peer.replies(0, f"Good morning, we sell {ANSWERED} here.")
    while True:
        asked = await peer.listens(until="response_required")
        await peer.replies(asked["response_id"], f"We have {ANSWERED}, you said {' '.join(SAID)}.")


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    with Nursery(folder) as nursery:
        async with llm_server(answer_all) as llm:
            house = CrashHouse(nursery, folder / "data", llm)
            assert await house.start()
            agents = {name: await made_agent(house, settings) for name, settings in {**STRICT, **LOOSE}.items()}
            await house.kill()
            yield Ground(folder, nursery, llm, house.data, agents)


async def made_agent(house: CrashHouse, settings: Mapping[str, object]) -> str:
    async with house.http() as http:
        body = {
            "response_engine": {"type": "custom-llm", "llm_websocket_url": house.llm.url},
            "voice_id": "default",
            "responsiveness": 1,
            # Nobody listens there: what webhooks are to carry waits in the database.
            "webhook_url": "http://127.0.0.1:1/",
            **settings,
        }
        made = await http.post("/create-agent", json=body)
        assert made.status_code == 201, made.text
        return made.json()["agent_id"]


@contextlib.asynccontextmanager
async def opened(ground: Ground, folder: Path, setting: str) -> AsyncGenerator[CrashHouse]:
    shutil.copytree(ground.template, folder / "data")
    house = CrashHouse(ground.nursery, folder / "data", ground.llm, agent_id=ground.agents[setting])
    try:
        yield house
    finally:
        await house.kill()


async def one_call(house: CrashHouse) -> None:
    """A whole call, as far as the server lives."""
    with contextlib.suppress(httpx2.HTTPError):
        caller = await house.create()
        await house.talk(
            caller, seconds=PATIENCE_S, utterances=1, until=lambda: house.promised_words(caller.call_id) != []
        )


async def until_over(house: CrashHouse) -> list[str]:
    """Wait until no call goes on; gives the ids of all."""
    call_ids = list(house.left_behind())
    async with house.http() as http:
        with anyio.fail_after(PATIENCE_S):
            for call_id in call_ids:
                while await is_going_on(http, call_id):  # noqa: ASYNC110 - another process has no event
                    await anyio.sleep(0.02)
    return call_ids


async def is_going_on(http: httpx2.AsyncClient, call_id: str) -> bool:
    return (await http.get(f"/v2/get-call/{call_id}")).json()["call_status"] == "ongoing"


def check_clean(ground: Ground, house: CrashHouse, words: Sequence[str] = WORDS) -> None:
    """None of these words is in the data folder, nor in what the servers printed."""
    assert hits(house.data, words) == []
    assert [word for log in ground.folder.glob("*.log") for word in words if word in log.read_text()] == []


@pytest.mark.parametrize(
    ("setting", "point"),
    [
        *(("basic_attributes_only", point) for point in POINTS),
        # The same way from the first line on.
        *(("opt_out", point) for point in ("journal_committed", "session_over", "terminal_committed")),
    ],
)
async def test_nothing_that_was_said_is_on_the_disk_wherever_the_process_dies(
    ground: Ground, tmp_path: Path, setting: str, point: str
) -> None:
    async with opened(ground, tmp_path, setting) as house:
        assert await house.start(crash_at=point, scripted__stt_texts=TEXTS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_call, house)
            await house.death()
        check_clean(ground, house)
        assert await house.start()
        await until_over(house)
        assert list((house.data / "unstored").iterdir()) == []
        check_clean(ground, house)


@pytest.mark.parametrize("point", PII_POINTS)
async def test_no_personal_data_is_on_the_disk_wherever_the_process_dies(
    ground: Ground, tmp_path: Path, point: str
) -> None:
    async with opened(ground, tmp_path, "except_pii") as house:
        assert await house.start(crash_at=point, scripted__stt_texts=CARD)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_call, house)
            await house.death()
        check_clean(ground, house, CARD_WORDS)
        assert await house.start()
        await until_over(house)
        check_clean(ground, house, CARD_WORDS)


async def test_a_mark_is_kept_in_place_of_personal_data(ground: Ground, tmp_path: Path) -> None:
    async with opened(ground, tmp_path, "except_pii") as house:
        assert await house.start(scripted__stt_texts=CARD)
        await one_call(house)
        await until_over(house)
        await house.kill()
        check_clean(ground, house, CARD_WORDS)
        assert hits(house.data, ["[CREDIT_CARD]"]) != []


async def test_the_words_are_found_where_they_may_be_stored_and_gone_when_the_call_is(
    ground: Ground, tmp_path: Path
) -> None:
    async with opened(ground, tmp_path, "everything") as house:
        assert await house.start(scripted__stt_texts=TEXTS)
        await one_call(house)
        [call_id] = await until_over(house)
        # Written to the files of the database, so that they would be found there.
        await house.kill()
        assert {hit.rpartition(": ")[2] for hit in hits(house.data, WORDS)} == set(WORDS)
        assert await house.start()
        async with house.http() as http:
            assert (await http.delete(f"/v2/delete-call/{call_id}")).status_code == 204
        await house.kill()
        assert hits(house.data, WORDS) == []


@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if point.startswith("erase_")])
async def test_asking_again_erases_what_a_crash_left(ground: Ground, tmp_path: Path, point: str) -> None:
    async with opened(ground, tmp_path, "everything") as house:
        assert await house.start(scripted__stt_texts=TEXTS)
        await one_call(house)
        [call_id] = await until_over(house)
        await house.kill()
        assert await house.start(crash_at=point)
        async with house.http() as http:
            with contextlib.suppress(httpx2.HTTPError):
                await http.delete(f"/v2/delete-call/{call_id}")
        await house.death()
        assert await house.start()
        async with house.http() as http:
            assert (await http.delete(f"/v2/delete-call/{call_id}")).status_code in {204, 422}
        await house.kill()
        assert hits(house.data, WORDS) == []
