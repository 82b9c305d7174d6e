"""Who answers when the first model is slow, busy or broken, on virtual time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.dialogue import ModelPart, ModelRequest, StopPart, StopReason, TextPart
from retold.domain.llm_models import BackupModel
from retold.errors import ModelFailed
from retold.providers.model_chain import RETRY_PAUSE_S, ModelChain
from retold.providers.model_limits import Deadlines
from retold.providers.scripted_model import ScriptedModel
from support.model_server import answer, asks, does, script, text_of
from support.virtual_time import VirtualTimeLoop

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BACKUP = BackupModel(model="backup", kick_in_timeout_ms=1_500, tier="fast")
DEADLINES = Deadlines(15.0, 10.0)


def models(primary: list[dict[str, Any]], backup: list[dict[str, Any]]) -> ScriptedModel:
    """One server with both models."""
    told = script({"when": {"model": "backup"}, "steps": backup}, {"steps": primary})
    return ScriptedModel(told, DEADLINES)


async def timed(chain: ModelChain) -> tuple[str, float]:
    began = anyio.current_time()
    return text_of(await answer(chain, asks("Hello?"))), anyio.current_time() - began


async def test_a_model_in_time_answers_alone() -> None:
    server = models([{"wait_ms": 1_400}, {"say": "Primary."}], [{"say": "Backup."}])
    assert await timed(ModelChain(server, BACKUP)) == ("Primary.", pytest.approx(1.4))
    assert [request.model for request in server.requests] == ["gpt-4.1"]


async def test_the_backup_kicks_in_and_is_asked_as_itself() -> None:
    server = models([{"wait_ms": 9_000}, {"say": "Primary."}], [{"wait_ms": 100}, {"say": "Backup."}])
    assert await timed(ModelChain(server, BACKUP)) == ("Backup.", pytest.approx(1.6))
    assert [(request.model, request.tier) for request in server.requests] == [("gpt-4.1", None), ("backup", "fast")]


async def test_the_primary_may_still_win_against_a_slower_backup() -> None:
    server = models([{"wait_ms": 2_000}, {"say": "Primary."}], [{"wait_ms": 5_000}, {"say": "Backup."}])
    assert await timed(ModelChain(server, BACKUP)) == ("Primary.", pytest.approx(2.0))


@pytest.mark.parametrize("trouble", [{"fail": 401}, {"fail": 529}, {"broken": "cut"}], ids=str)
async def test_the_backup_starts_at_once_when_the_primary_fails(trouble: dict[str, Any]) -> None:
    server = models([{"wait_ms": 100}, trouble], [{"wait_ms": 50}, {"say": "Backup."}])
    assert await timed(ModelChain(server, BACKUP)) == ("Backup.", pytest.approx(0.15))


async def test_when_both_fail_it_is_the_primary_that_failed() -> None:
    for primary_ms, backup_ms in ((100, 500), (500, 100)):
        server = models([{"wait_ms": primary_ms}, {"fail": 401}], [{"wait_ms": backup_ms}, {"fail": 403}])
        with pytest.raises(ModelFailed) as failed:
            await answer(ModelChain(server, BackupModel(model="backup", kick_in_timeout_ms=300)), asks("Hello?"))
        assert failed.value.status == 401


async def test_a_failure_that_may_pass_is_tried_once_more() -> None:
    server = ScriptedModel(script({"times": 1, "steps": [{"fail": 429}]}, otherwise="There."), DEADLINES)
    assert await timed(ModelChain(server)) == ("There.", pytest.approx(RETRY_PAUSE_S))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("steps", "tries", "took_s"),
    [
        ([{"fail": 429}], 2, RETRY_PAUSE_S),
        ([{"fail": 400}], 1, 0),
        ([{"hang": True}], 1, 15),
        ([{"wait_ms": 3_100}, {"fail": 500}], 1, 3.1),
        ([{"wait_ms": 2_900}, {"fail": 500}], 2, 6.0),
        ([{"say": "One"}, {"fail": 529}], 1, 0),
        ([{"say": "One"}, {"hang": True}], 1, 10),
    ],
    ids=str,
)
async def test_only_what_failed_soon_and_before_it_said_anything_is_tried_again(
    steps: list[dict[str, Any]], tries: int, took_s: float
) -> None:
    server = ScriptedModel(does(*steps), DEADLINES)
    began = anyio.current_time()
    with pytest.raises(ModelFailed):
        await answer(ModelChain(server), asks("Hello?"))
    assert len(server.requests) == tries
    assert anyio.current_time() - began == pytest.approx(took_s)


class Watched:
    """A model that notes which of its answers are open."""

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model
        self.open: set[str] = set()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        self.open.add(request.model)
        try:
            async with aclosing(self._model.stream(request)) as parts:
                async for part in parts:
                    yield part
        finally:
            self.open.discard(request.model)


async def test_who_loses_is_given_up() -> None:
    watched = Watched(models([{"hang": True}], [{"say": "Backup.", "gap_ms": 10}]))
    async with aclosing(ModelChain(watched, BACKUP).stream(asks("Hello?"))) as parts:
        async for _ in parts:
            assert watched.open == {"backup"}
            break
    assert watched.open == set()


async def test_both_beginning_in_one_moment_leave_one() -> None:
    server = models([{"wait_ms": 1_500}, {"say": "Same."}, {"hang": True}], [{"say": "Same."}, {"hang": True}])
    watched = Watched(server)
    async with aclosing(ModelChain(watched, BACKUP).stream(asks("Hello?"))) as parts:
        assert await anext(parts) == TextPart("Same.")
        assert len(watched.open) == 1
    assert watched.open == set()


class Empty:
    """A model that says nothing at all."""

    def __init__(self) -> None:
        self.asked = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        self.asked += len(request.model) > 0
        for part in ():
            yield part


async def test_an_answer_without_any_part_is_a_failure() -> None:
    empty = Empty()
    with pytest.raises(ModelFailed, match="without an answer"):
        await answer(ModelChain(empty), asks("Hello?"))
    assert empty.asked == 2


async def test_a_stop_alone_is_an_answer() -> None:
    parts = await answer(ModelChain(ScriptedModel(does()), BACKUP), asks("Hello?"))
    assert parts[-1] == StopPart(StopReason.END)


@given(primary_ms=st.integers(0, 4_000), backup_ms=st.integers(0, 4_000), cancelled_ms=st.integers(0, 5_000))
def test_whenever_it_is_cancelled_nothing_stays_open(primary_ms: int, backup_ms: int, cancelled_ms: int) -> None:
    async def run() -> None:
        slow = [{"wait_ms": primary_ms}, {"say": "One two three", "gap_ms": 200}]
        watched = Watched(models(slow, [{"wait_ms": backup_ms}, {"say": "One two", "gap_ms": 200}]))
        with anyio.move_on_after(cancelled_ms / 1000):
            async with aclosing(ModelChain(watched, BACKUP).stream(asks("Hello?"))) as parts:
                async for _ in parts:
                    pass
        assert watched.open == set()

    anyio.run(run, backend_options={"loop_factory": VirtualTimeLoop})
