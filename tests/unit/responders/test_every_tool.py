"""Every type of tool in a whole call: whatever comes of it, whatever is said meanwhile, and whoever interrupts.

Each cell of the tables is a call on virtual time. In all of them the record shows the invocation and the result once,
at the right word, and the call goes on, or ends as it should.
"""

from collections.abc import Iterable
from typing import Any, Final, get_args

import pytest

from retold.domain.llm_tools import Tool
from retold.engine import timeline as t
from retold.responders.mind.toolbox import BRIDGE_S
from support.minds import llm_of, thinking
from support.tool_kinds import KINDS
from support.tool_rim import Outcome
from support.tool_scenarios import (
    ASKS,
    BO,
    BRIDGE,
    FOUND,
    GOES_ON,
    HERE,
    HI,
    HURRIES,
    LET_ME_SEE,
    ON_IT,
    Scenario,
    scenario,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BEGINNING: Final = [f"agent: {HI}", f"user: {ASKS}", "uses it"]
END: Final = [f"user: {GOES_ON}", f"agent: {HERE}"]
INTERRUPTS_S: Final = 5.0
LONG: Final = "Let me see whether I can do that for you today, for it may well take quite a while."
SLOW_S: Final = 5.0
"""So long runs a tool during which the caller interrupts and is answered."""


def of(**traits: bool) -> list[str]:
    """The types of tools with these traits."""
    return [
        name for name, kind in KINDS.items() if all(getattr(kind, trait) is is_so for trait, is_so in traits.items())
    ]


def outcomes_of(kinds: Iterable[str]) -> list[tuple[str, Outcome]]:
    return [(kind, outcome) for kind in kinds for outcome in KINDS[kind].begins]


def test_the_tables_have_every_type_of_tool() -> None:
    union, _discriminator = get_args(Tool)
    types = {name for tool in get_args(union) for name in get_args(tool.model_fields["type"].annotation)}
    assert set(KINDS) == types


# --- what comes of it -------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "outcome"), outcomes_of(KINDS))
async def test_what_comes_of_a_tool_stands_at_its_word_and_is_talked_about(kind: str, outcome: Outcome) -> None:
    one = scenario(kind, outcome)
    report = await one.hold()
    one.check_record()
    middle = spoken(one, LET_ME_SEE, one.then)
    if kind == "end_call":
        assert (report.reason, one.story()) == ("agent_hangup", [*BEGINNING, "it gave", f"agent: {LET_ME_SEE}"])
    else:
        assert (report.reason, one.story()) == ("user_hangup", [*BEGINNING, *middle, *END])


def spoken(one: Scenario, before: str, after: str) -> list[str]:
    """The words before and after a result; what gives its result at once has given it before the first word."""
    if one.kind.asks:
        return [*([f"agent: {before}"] if before else []), one.gave, f"agent: {after}"]
    return [one.gave, f"agent: {f'{before} {after}'.strip()}"]


# --- what is said meanwhile -------------------------------------------------------------------

STATIC: Final[dict[str, Any]] = {
    "speak_during_execution": True,
    "execution_message_type": "static_text",
    "execution_message_description": "One moment, {{name}}",
}
PROMPT: Final[dict[str, Any]] = {
    "speak_during_execution": True,
    "execution_message_type": "prompt",
    "execution_message_description": "Tell {{name}} to wait.",
}
FORMS: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "nothing": ({"speak_during_execution": False}, "", ""),
    "static text": (STATIC, "", "One moment, Ann"),
    "static text after the model's own": (STATIC, LET_ME_SEE, f"{LET_ME_SEE} One moment, Ann"),
    "prompt, and the model has spoken": (PROMPT, LET_ME_SEE, LET_ME_SEE),
    "prompt, and the model has not": (PROMPT, "", BRIDGE),
}
"""The fields of the tool, what the model says as it uses it, and what is heard while it runs."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", of(may_speak=True))
async def test_what_is_said_while_a_tool_runs_is_heard_before_its_result(kind: str, form: str) -> None:
    fields, model_says, heard = FORMS[form]
    one = scenario(kind, KINDS[kind].usual(), model_says=model_says, **fields)
    report = await one.hold()
    one.check_record()
    if kind == "end_call":
        farewell = [f"agent: {heard}"] if heard else []
        assert (report.reason, one.story()) == ("agent_hangup", [*BEGINNING, "it gave", *farewell])
    else:
        middle = spoken(one, heard, one.then)
        assert (report.reason, one.story()) == ("user_hangup", [*BEGINNING, *middle, *END])
    bridging = [request for request in one.one.model.requests if "Tell Ann to wait." in str(request.messages[-1])]
    assert [request.tools for request in bridging] == ([()] if heard == BRIDGE else [])


@pytest.mark.parametrize("kind", of(may_speak=True, asks=True))
async def test_a_model_that_cannot_bridge_the_wait_leaves_it_silent(kind: str) -> None:
    one = scenario(kind, Outcome.SUCCESS, model_says="", bridge={"fail": 500}, **PROMPT)
    await one.hold()
    one.check_record()
    assert one.story() == [*BEGINNING, "it gave", f"agent: {one.then}", *END]


@pytest.mark.parametrize("kind", of(may_speak=True, asks=True))
async def test_a_model_that_hangs_over_the_bridge_does_not_hold_the_result_back(kind: str) -> None:
    one = scenario(kind, Outcome.SUCCESS, model_says="", bridge={"hang": True}, **PROMPT)
    await one.hold()
    one.check_record()
    assert one.story() == [*BEGINNING, "it gave", f"agent: {one.then}", *END]
    (done_ms,) = one.rim.done_ms
    began_ms = next(event.at_ms for event in one.one.call.timeline if is_start_after(event, done_ms))
    assert began_ms - done_ms < 1000 * BRIDGE_S + 500


def is_start_after(event: t.AnyEvent, at_ms: float) -> bool:
    """Whether the agent began to speak after this moment."""
    return isinstance(event, t.ReplyStarted) and event.at_ms > at_ms


async def test_a_farewell_that_is_long_in_coming_is_said_before_the_call_ends() -> None:
    slow = {"when": {"role": "system", "last": "bridges the wait"}, "steps": [{"wait_ms": 4_000}, {"say": "Bye."}]}
    bye = {"type": "end_call", "name": "it", **PROMPT}
    one = thinking(llm_of(begin_message=HI, general_tools=[bye]), slow, {"steps": [{"use": "it"}]})
    one.call.user_says(ASKS, at_s=2)
    assert (await one.call.run()).reason == "agent_hangup"
    assert one.call.lines()[-1] == "agent: Bye."


# --- what is said afterwards ------------------------------------------------------------------


@pytest.mark.parametrize("speaks", [True, False])
@pytest.mark.parametrize(("kind", "outcome"), outcomes_of(of(may_be_silent=True)))
async def test_a_result_is_told_the_caller_if_it_is_to_be_and_the_model_always(
    kind: str, outcome: Outcome, speaks: bool
) -> None:
    one = scenario(kind, outcome, speak_after_execution=speaks)
    await one.hold()
    one.check_record()
    silent = [f"agent: {LET_ME_SEE}", one.gave] if one.kind.asks else [one.gave, f"agent: {LET_ME_SEE}"]
    assert one.story() == [*BEGINNING, *(spoken(one, LET_ME_SEE, FOUND) if speaks else silent), *END]
    assert len(one.one.model.requests) == (3 if speaks else 2)
    (shown,) = one.showing(GOES_ON)
    assert shown.startswith(one.kind.begins[outcome])


# --- who interrupts ---------------------------------------------------------------------------


async def check_interrupted(one: Scenario) -> None:
    """Interrupt the agent's long words while the tool runs: it runs on, and what it gives is told."""
    report = await one.hold((INTERRUPTS_S, HURRIES))
    one.check_record()
    cut, *rest = one.story()[len(BEGINNING) :]
    # Who takes over does not speak unasked.
    told = [f"user: {GOES_ON}", f"agent: {BO}"] if one.then == BO else [f"agent: {FOUND}", *END]
    assert is_cut(cut)
    assert rest == [f"user: {HURRIES}", f"agent: {ON_IT}", one.gave, *told]
    assert (report.reason, len(one.rim.begun_ms)) == ("user_hangup", 1)


@pytest.mark.parametrize(("kind", "outcome"), outcomes_of(of(asks=True)))
async def test_a_tool_runs_on_when_the_caller_interrupts_and_its_result_is_told(kind: str, outcome: Outcome) -> None:
    await check_interrupted(scenario(kind, outcome, model_says=LONG, takes_s=SLOW_S))


@pytest.mark.parametrize("fields", [STATIC | {"execution_message_description": LONG}, PROMPT], ids=["static", "prompt"])
@pytest.mark.parametrize(("kind", "outcome"), outcomes_of(of(asks=True, may_speak=True)))
async def test_words_that_bridge_the_wait_may_be_interrupted(
    kind: str, outcome: Outcome, fields: dict[str, Any]
) -> None:
    await check_interrupted(scenario(kind, outcome, model_says="", bridge={"say": LONG}, takes_s=SLOW_S, **fields))


def is_cut(line: str) -> bool:
    """Whether only a part of the long words was heard."""
    heard = line.removeprefix("agent: ")
    return 0 < len(heard) < len(LONG) and LONG.startswith(heard)


@pytest.mark.parametrize("kind", of(asks=False))
async def test_what_is_done_at_once_is_done_when_the_caller_interrupts(kind: str) -> None:
    one = scenario(kind, KINDS[kind].usual(), model_says=LONG)
    report = await one.hold((INTERRUPTS_S, HURRIES))
    one.check_record()
    gave, cut, *rest = one.story()[len(BEGINNING) :]
    assert gave == one.gave
    assert is_cut(cut)
    assert rest == [f"user: {HURRIES}", f"agent: {ON_IT}", *END]
    assert report.reason == "user_hangup", "a farewell that was not heard ends no call"
    (shown,) = one.showing(HURRIES)
    assert shown.startswith(one.kind.begins[one.outcome])


@pytest.mark.parametrize("kind", of(asks=True, may_be_silent=True))
async def test_a_result_that_is_not_to_be_told_is_shown_the_model_all_the_same(kind: str) -> None:
    one = scenario(kind, Outcome.SUCCESS, model_says=LONG, takes_s=SLOW_S, speak_after_execution=False)
    await one.hold((INTERRUPTS_S, HURRIES))
    one.check_record()
    assert one.story()[-5:] == [f"user: {HURRIES}", f"agent: {ON_IT}", "it gave", *END]
    (shown,) = one.showing(GOES_ON)
    assert shown.startswith(one.kind.begins[Outcome.SUCCESS])


WAITS: Final = "Wait, I would like to tell you that I am in a hurry today, you know."


@pytest.mark.parametrize("kind", of(asks=True))
async def test_a_result_in_the_middle_of_the_callers_words_waits_for_their_end(kind: str) -> None:
    one = scenario(kind, Outcome.SUCCESS, takes_s=3.0)
    await one.hold((INTERRUPTS_S, WAITS))
    one.check_record()
    said, before, gave, after, *rest = one.story()[len(BEGINNING) :]
    assert (said, gave) == (f"agent: {LET_ME_SEE}", "it gave")
    assert f"{before} {after.removeprefix('user: ')}" == f"user: {WAITS}"
    assert rest == [f"agent: {one.then}", *END]


@pytest.mark.parametrize("kind", of(asks=True))
async def test_a_tool_ends_with_its_call(kind: str) -> None:
    one = scenario(kind, Outcome.SUCCESS, takes_s=60.0)
    one.one.call.user_says(ASKS, at_s=2)
    one.one.call.user_hangs_up(at_s=8)
    report = await one.one.call.run()
    assert (report.reason, one.story()) == ("user_hangup", [*BEGINNING, f"agent: {LET_ME_SEE}"])
    assert (len(one.rim.begun_ms), one.rim.cut_off) == (1, 1)
