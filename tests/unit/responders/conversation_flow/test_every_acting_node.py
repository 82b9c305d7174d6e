"""Nodes of a flow that ask somebody, in whole calls: whatever comes of it, waited for or not, whoever interrupts."""

from typing import Any, Final

import pytest

from support.flow_calls import FlowCall, flow_call, says
from support.flow_walks import function
from support.flows import MCP, edge, flow, talk
from support.tool_kinds import KINDS, LIMIT_S
from support.tool_rim import Outcome, Rim
from support.tool_scenarios import check_record, story_of

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

ASK: Final = talk("a", instruction=says("How can I help?")) | {"always_edge": edge("w", "it", "Always")}
CUSTOM: Final = {"type": "custom", "name": "it", "tool_id": "t1", **KINDS["custom"].fields}
MOMENT: Final = {"speak_during_execution": True, "instruction": says("One moment.")}
GOES_ON: Final = edge("x", "done", "Else")
NODES: Final[dict[str, dict[str, Any]]] = {
    "custom": function("it", else_edge=GOES_ON, **MOMENT),
    "code": {"id": "it", "type": "code", "else_edge": GOES_ON, **KINDS["code"].fields, **MOMENT},
    "mcp": {"id": "it", "type": "mcp", "mcp_id": "files", "mcp_tool_name": "it", "else_edge": GOES_ON, **MOMENT},
}
"""The node of each type of tool that may be waited for or not."""
SMS: Final = {
    "id": "it",
    "type": "sms",
    "instruction": says("See you, {{name}}."),
    "sms_destination": KINDS["send_sms"].fields["sms_destination"],
    "success_edge": edge("y", "sent", "Sent successfully"),
    "failed_edge": edge("n", "done", "Failed to send"),
}
BEGINNING: Final = ["begin > a", "agent: How can I help?", "user: Please do it now.", "a > it", "uses it"]
OUTCOMES: Final = [(kind, outcome) for kind in NODES for outcome in KINDS[kind].begins]


def calling(node: dict[str, Any], rim: Rim) -> FlowCall:
    """A call that talks once and then comes to the node."""
    mcp = MCP | {"timeout_ms": int(LIMIT_S * 1000)}
    done, sent = talk("done", instruction=says("Done, then.")), talk("sent", instruction=says("It was sent."))
    sent_flow = flow(ASK, node, done, sent, tools=[CUSTOM], mcps=[mcp])
    found = {"when": {"offered": "it"}, "steps": [{"use": "it"}]}
    return flow_call(sent_flow, found, services=rim.services())


async def story(one: FlowCall, *said: tuple[float, str], until_s: float) -> list[str]:
    """Hold the call; what was said and done from the node on."""
    for at_s, text in [(3.0, "Please do it now."), *said]:
        one.call.user_says(text, at_s=at_s)
    one.call.user_hangs_up(at_s=until_s)
    report = await one.call.run()
    assert report.reason == "user_hangup"
    told = story_of(one.call)
    assert told[: len(BEGINNING)] == BEGINNING
    return told[len(BEGINNING) :]


def gave(outcome: Outcome) -> str:
    return "it gave" if outcome is Outcome.SUCCESS else "it failed"


@pytest.mark.parametrize(("kind", "outcome"), OUTCOMES)
async def test_a_node_that_waits_goes_on_with_the_result(kind: str, outcome: Outcome) -> None:
    rim = Rim(outcome)
    one = calling(NODES[kind] | {"wait_for_result": True}, rim)
    told = await story(one, until_s=14)
    check_record(one.call, kind, "it", outcome, rim)
    assert told == ["agent: One moment.", gave(outcome), "it > done", "agent: Done, then."]


@pytest.mark.parametrize(("kind", "outcome"), OUTCOMES)
async def test_a_node_that_does_not_wait_goes_on_and_its_result_is_recorded_when_it_comes(
    kind: str, outcome: Outcome
) -> None:
    rim = Rim(outcome, takes_s=5.0)
    one = calling(NODES[kind] | {"wait_for_result": False}, rim)
    told = await story(one, until_s=14)
    check_record(one.call, kind, "it", outcome, rim)
    assert told == ["agent: One moment.", "it > done", "agent: Done, then.", gave(outcome)]


@pytest.mark.parametrize(("kind", "outcome"), OUTCOMES)
async def test_what_the_caller_says_while_a_node_waits_is_answered_with_the_result(kind: str, outcome: Outcome) -> None:
    rim = Rim(outcome, takes_s=5.0)
    one = calling(NODES[kind] | {"wait_for_result": True}, rim)
    told = await story(one, (7.0, "Please hurry up."), until_s=16)
    check_record(one.call, kind, "it", outcome, rim)
    assert told == ["agent: One moment.", "user: Please hurry up.", gave(outcome), "it > done", "agent: Done, then."]


@pytest.mark.parametrize("said", [(), ((7.0, "Please hurry up."),)], ids=["calm", "interrupted"])
@pytest.mark.parametrize("outcome", KINDS["send_sms"].begins)
async def test_a_message_goes_one_way_when_it_was_sent_and_another_when_not(
    outcome: Outcome, said: tuple[tuple[float, str], ...]
) -> None:
    rim = Rim(outcome, takes_s=5.0)
    one = calling(SMS, rim)
    told = await story(one, *said, until_s=40 if outcome is Outcome.TIMEOUT else 14)
    check_record(one.call, "send_sms", "it", outcome, rim)
    way = ["it > sent", "agent: It was sent."] if outcome is Outcome.SUCCESS else ["it > done", "agent: Done, then."]
    assert told == [*(f"user: {text}" for _, text in said), gave(outcome), *way]
