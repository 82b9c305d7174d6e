"""Nodes of a flow that do something, in whole calls on virtual time."""

from typing import Any

import pytest

from retold.domain.reasons import DisconnectionReason
from support.flow_calls import STAY, at, choose, flow_call, held, says
from support.flow_walks import function, when
from support.flows import MCP, PROMPT, SWAP, TOOL, component, component_node, edge, end, flow, talk
from support.minds import SlowHttp

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

ASK = talk("a", instruction=says("How can I help?"))


def after(node: dict[str, Any], *others: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A flow that talks once and then comes to this node."""
    return flow(ASK | {"always_edge": edge("w", node["id"], "Always")}, node, *others, **fields)


def done(node_id: str, text: str) -> dict[str, Any]:
    return talk(node_id, instruction=says(text))


async def test_variables_are_read_out_of_the_conversation_and_decide() -> None:
    guests = {"type": "number", "name": "guests", "description": "how many come"}
    many = {"type": "equation", "equations": [{"left": "{{guests}}", "operator": ">", "right": "6"}], "operator": "&&"}
    extract = {
        "id": "read",
        "type": "extract_dynamic_variables",
        "variables": [guests],
        "edges": [when("e", many, "many")],
        "else_edge": edge("x", "few", "Else"),
    }
    read = {"when": {"offered": "read"}, "steps": [{"use": "read", "arguments": {"guests": 8}}]}
    one = flow_call(after(extract, done("many", "A room for {{guests}}."), done("few", "A table.")), read)
    story = await held(one, (3, "we are eight."))
    assert story[3:] == [
        "a > read",
        'read({"guests": 8})',
        "= Noted: guests: 8.",
        "read > many",
        "agent: A room for 8.",
    ]


KEYS = {"id": "go", "type": "press_digit", "instruction": PROMPT, "else_edge": edge("x", "done", "Else")}
TRANSFER = {
    "id": "go",
    "type": "transfer_call",
    "transfer_destination": {"type": "predefined", "number": "+14155550100"},
    "transfer_option": {"type": "cold_transfer"},
    "edge": edge("f", "done", "Transfer failed"),
}
SMS = {
    "id": "go",
    "type": "sms",
    "instruction": says("Hi."),
    "success_edge": edge("y", "sent", "Sent successfully"),
    "failed_edge": edge("n", "done", "Failed to send"),
}
SWAPPED = {"id": "go", "type": "agent_swap", "agent_id": "agent_2", "edge": edge("f", "done"), **SWAP}


@pytest.mark.parametrize(
    "node", [KEYS, TRANSFER, SMS, SWAPPED], ids=["press_digit", "transfer_call", "sms", "agent_swap"]
)
async def test_what_cannot_be_done_on_a_web_call_is_recorded_and_the_flow_goes_on(node: dict[str, Any]) -> None:
    press = {"when": {"offered": "go"}, "steps": [{"use": "go", "arguments": {"digits": "1"}}]}
    one = flow_call(after(node, done("done", "I could not."), done("sent", "I did.")), press)
    story = await held(one, (3, "please do."))
    assert story[3] == "a > go"
    assert story[4].startswith("go({")
    assert story[5].startswith("= ")
    assert story[6:] == ["go > done", "agent: I could not."]


async def test_code_that_fails_is_for_the_edges_to_judge() -> None:
    code = {"id": "sum", "type": "code", "code": "return 1", "wait_for_result": True}
    node = code | {"edges": [edge("p", "good", "it worked")], "else_edge": edge("x", "bad", "Else")}
    one = flow_call(after(node, done("good", "Good."), done("bad", "Bad.")), STAY)
    assert (await held(one, (3, "add it up.")))[-2:] == ["sum > bad", "agent: Bad."]


async def test_a_tool_of_an_mcp_server_is_given_what_the_model_finds() -> None:
    node = {"id": "look", "type": "mcp", "mcp_id": "files", "mcp_tool_name": "read", "wait_for_result": True}
    node |= {"else_edge": edge("x", "done", "Else")}
    read = {"when": {"offered": "read"}, "steps": [{"use": "read", "arguments": {"path": "menu"}}]}
    one = flow_call(after(node, done("done", "I cannot see it."), mcps=[MCP]), read)
    story = await held(one, (3, "the menu please."))
    assert story[4] == 'read({"path": "menu"})'
    assert story[-2:] == ["look > done", "agent: I cannot see it."]


async def test_an_instruction_may_be_empty() -> None:
    one = flow_call(flow(talk("a", instruction={"type": "prompt", "text": ""})), {"steps": [{"say": "Hello."}]})
    assert await held(one, until_s=4) == ["begin > a", "agent: Hello."]


async def test_a_subagent_uses_its_tools_and_may_end_the_call() -> None:
    bye = {"type": "end_call", "name": "bye"}
    agent = talk("agent", type="subagent", tools=[bye], tool_ids=["t1"])
    rules = (
        {"when": {"after_tool": "look_up"}, "steps": [{"say": "Half past twelve."}]},
        {"when": {"last": "free"}, "steps": [{"use": "look_up"}]},
        {"when": {"last": "thanks"}, "steps": [{"say": "Bye now. "}, {"use": "bye"}]},
    )
    one = flow_call(flow(agent, tools=[TOOL]), {"when": {"system": "Speak first"}, "steps": [{"say": "Hi."}]}, *rules)
    one.call.user_says("when is it free?", at_s=3)
    one.call.user_says("thanks.", at_s=8)
    report = await one.call.run()
    assert one.story()[1:] == [
        "agent: Hi.",
        "user: when is it free?",
        "look_up({})",
        '= {"free": "12:30"}',
        "agent: Half past twelve.",
        "user: thanks.",
        "bye({})",
        "= The call ends.",
        "agent: Bye now.",
    ]
    assert report.reason is DisconnectionReason.AGENT_HANGUP


async def test_a_function_that_is_not_waited_for_runs_while_the_flow_goes_on() -> None:
    node = function("log", wait_for_result=False, else_edge=edge("x", "done", "Else"))
    one = flow_call(after(node, done("done", "Noted."), tools=[TOOL]), http=SlowHttp(takes_ms=3000))
    story = await held(one, (3, "note that."), until_s=12)
    assert story[3:] == ["a > log", "look_up({})", "log > done", "agent: Noted.", '= {"free": "12:30"}']


async def test_a_component_is_gone_through() -> None:
    part = component("pay", done("ask", "Card or cash?") | {"always_edge": edge("out", None, "Always")})
    node = component_node("part", "pay", "local", "done")
    one = flow_call(after(node, done("done", "Paid."), components=[part]))
    story = await held(one, (3, "to pay."), (8, "by card."))
    assert story[3:] == [
        "a > part",
        "part > ask",
        "agent: Card or cash?",
        "user: by card.",
        "ask > done",
        "agent: Paid.",
    ]


async def test_a_result_is_not_lost_when_the_caller_speaks_meanwhile() -> None:
    node = function("call", speak_during_execution=True, instruction=says("One moment please."))
    node |= {"else_edge": edge("x", "done", "Else")}
    one = flow_call(after(node, done("done", "Booked."), tools=[TOOL]), http=SlowHttp(takes_ms=6000))
    story = await held(one, (3, "book it."), (6, "are you there?"), until_s=16)
    assert one.http.asked == 1
    assert one.http.cut_off == 0
    assert story[-3:] == ['= {"free": "12:30"}', "call > done", "agent: Booked."]
    assert "user: are you there?" in story


async def test_the_goodbye_may_be_made_by_the_model() -> None:
    goodbye = end() | {"instruction": {"type": "prompt", "text": "Talk about end"}, "speak_during_execution": True}
    one = flow_call(after(goodbye), choose("1"), at("end", "Have a nice day."))
    one.call.user_says("that is all.", at_s=3)
    report = await one.call.run()
    assert (one.story()[-1], report.reason) == ("agent: Have a nice day.", DisconnectionReason.AGENT_HANGUP)
