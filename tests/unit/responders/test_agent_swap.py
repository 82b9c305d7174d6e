"""One agent hands the call over to another: at once, never lost, and never to one who cannot take it."""

from typing import Any

import anyio
import pytest

from retold.domain.dialogue import SystemText, ToolOutcome
from retold.domain.llm import Llm
from retold.engine import timeline as t
from retold.errors import NotFound
from retold.responders.mind.responder import MAX_BRAINS, TAKEN_OVER
from retold.responders.tools.agent_swap import TAKES_OVER
from support.minds import GERMAN, Thinking, llm_of, thinking

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

TO_BO = {
    "type": "agent_swap",
    "name": "to_bo",
    "agent_id": "agent_bo",
    "post_call_analysis_setting": "both_agents",
}
ADA = llm_of(begin_message="Ada here.", general_prompt="Be Ada.", general_tools=[TO_BO])
BO = llm_of(begin_message="Bo here.", general_prompt="Be Bo.")
PASSES_ON = {"when": {"last": "table"}, "steps": [{"say": "I pass you on. "}, {"use": "to_bo"}]}
BO_BEGINS = {"when": {"last": "taken over"}, "steps": [{"say": "A table, of course."}]}


async def bo() -> Llm:
    return BO


def wanting_a_table(*rules: Any, until_s: float, llm: Llm = ADA, **others: Any) -> Thinking:
    one = thinking(llm, *rules, others=others)
    one.call.user_says("A table please.", at_s=3)
    one.call.user_hangs_up(at_s=until_s)
    return one


def changes(one: Thinking) -> list[str]:
    return [event.agent_id for event in one.call.timeline if isinstance(event, t.AgentChanged)]


async def test_the_other_agent_goes_on_in_the_same_breath_and_from_then_on() -> None:
    until = {"when": {"last": "For how long"}, "steps": [{"say": "Until ten."}]}
    one = wanting_a_table(PASSES_ON, BO_BEGINS, until, until_s=14, agent_bo=bo)
    one.call.user_says("For how long?", at_s=9)
    await one.call.run()
    assert one.call.lines()[1:] == [
        "user: A table please.",
        "agent: I pass you on. A table, of course.",
        "user: For how long?",
        "agent: Until ten.",
    ]
    prompts = [request.messages[0] for request in one.model.requests]
    assert prompts == [SystemText("Be Ada."), SystemText("Be Bo."), SystemText("Be Bo.")]
    assert one.model.requests[1].messages[-2:] == (
        ToolOutcome(one.model.requests[1].messages[-2].tool_use_id, TAKES_OVER),  # pyright: ignore[reportAttributeAccessIssue] - an outcome
        SystemText(TAKEN_OVER),
    )
    assert changes(one) == ["agent_bo"]
    assert "agent: agent_bo version 0 takes over" in one.call.log()
    assert {"tool_call_invocation: to_bo", f"tool_call_result: {TAKES_OVER}"} < set(one.roles())


async def test_who_takes_over_the_opening_does_not_begin_the_call_again() -> None:
    async def waiting() -> Llm:
        return llm_of(begin_message="Bo here.", start_speaker="user", general_prompt="Be Bo.")

    opens = {"when": {"offered": "to_bo"}, "steps": [{"say": "One moment. "}, {"use": "to_bo"}]}
    ada = llm_of(general_prompt="Be Ada.", general_tools=[TO_BO])
    one = thinking(ada, opens, BO_BEGINS, others={"agent_bo": waiting})
    one.call.user_hangs_up(at_s=6)
    await one.call.run()
    assert one.call.lines() == ["agent: One moment. A table, of course."]


async def gone() -> Llm:
    raise NotFound("there is no agent agent_bo")


async def elsewhere() -> str:
    return "it has an LLM server of its own"


@pytest.mark.parametrize(("other", "why"), [(gone, "no agent agent_bo"), (elsewhere, "LLM server of its own")])
async def test_who_cannot_take_over_leaves_the_call_to_the_agent(other: Any, why: str) -> None:
    stays = {"when": {"after_tool": "to_bo"}, "steps": [{"say": "I am afraid Bo is out."}]}
    one = wanting_a_table(PASSES_ON, stays, until_s=8, agent_bo=other)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: I pass you on. I am afraid Bo is out."
    (result,) = [event for event in one.call.timeline if isinstance(event, t.ToolCallEnded)]
    assert (result.successful, why in result.content) == (False, True)
    assert changes(one) == []


async def test_a_swap_is_not_lost_when_the_caller_speaks_meanwhile() -> None:
    async def slowly() -> Llm:
        await anyio.sleep(4)
        return BO

    patience = {"when": {"last": "hurry"}, "steps": [{"say": "One moment."}]}
    hello = {"when": {"last": "Hello|taken over"}, "steps": [{"say": "Bo it is."}]}
    one = wanting_a_table(PASSES_ON, patience, hello, until_s=16, agent_bo=slowly)
    one.call.user_says("Please hurry up.", at_s=5.5)
    one.call.user_says("Hello there?", at_s=11)
    await one.call.run()
    assert one.call.lines()[3:] == [
        "user: Please hurry up.",
        "agent: One moment.",
        "user: Hello there?",
        "agent: Bo it is.",
    ]
    assert [request.messages[0] for request in one.model.requests][-2:] == [SystemText("Be Ada."), SystemText("Be Bo.")]
    assert changes(one) == ["agent_bo"]


async def test_agents_who_only_pass_the_call_on_end_the_turn() -> None:
    async def ada() -> Llm:
        return ADA

    always = {"when": {"offered": "to_bo"}, "steps": [{"use": "to_bo"}]}
    one = wanting_a_table(always, until_s=8, agent_bo=ada)
    await one.call.run()
    assert one.call.lines() == ["agent: Ada here.", "user: A table please."]
    assert len(changes(one)) == MAX_BRAINS


async def test_who_takes_over_apologises_in_a_language_of_its_own() -> None:
    fails = {"when": {"last": "taken over"}, "steps": [{"fail": 500}]}
    one = wanting_a_table(PASSES_ON, fails, until_s=12, agent_bo=bo)
    await one.call.run()
    assert one.call.lines()[-1] == f"agent: I pass you on. {GERMAN.trouble}"
