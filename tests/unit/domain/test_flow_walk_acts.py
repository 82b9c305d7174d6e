"""The walk through a flow: nodes that act, branches and components."""

from typing import Any

import pytest

from retold.domain import flow_steps as s
from retold.domain.flow_request import NewComponent, create_component
from support.flow_walks import (
    IS_ADULT,
    SAID,
    SILENT,
    SPOKE,
    Walker,
    branch,
    function,
    map_of,
    walker,
    when,
)
from support.flows import MCP, PROMPT, SWAP, TEXT, TOOL, component, component_node, edge, end, flow, talk

# --- nodes that act ---------------------------------------------------------------------------

SPEAKING: dict[str, Any] = {"speak_during_execution": True, "instruction": TEXT}
ACTING: dict[str, dict[str, Any]] = {
    "function": function(),
    "code": {"id": "call", "type": "code", "code": "1", "wait_for_result": True},
    "mcp": {"id": "call", "type": "mcp", "mcp_id": "files", "mcp_tool_name": "read", "wait_for_result": True},
    "press_digit": {"id": "call", "type": "press_digit", "instruction": PROMPT},
    "extract": {"id": "call", "type": "extract_dynamic_variables", "variables": []},
}


@pytest.mark.parametrize("name", ACTING)
@pytest.mark.parametrize("is_successful", [True, False])
def test_a_result_is_waited_for_and_then_the_edges_are_looked_at(name: str, *, is_successful: bool) -> None:
    node = ACTING[name] | {"edges": [edge("p", "b", "it worked")], "else_edge": edge("x", "c", "Else")}
    walk = walker(node, talk("b"), talk("c"), tools=[TOOL], mcps=[MCP])
    assert walk.begin() == ["- > call", "run call"]
    assert walk.tool(is_successful=is_successful) == ["choose at call: it worked"]
    assert walk.choose(None) == ["call > c", "prompt: c"]


def test_something_may_be_said_meanwhile() -> None:
    said = walker(function(**SPEAKING), tools=[TOOL])
    assert said.begin() == ["- > call", "text: One moment.", "run call"]
    assert said.take(SAID) == []
    prompted = walker(function(speak_during_execution=True), tools=[TOOL])
    assert prompted.begin() == ["- > call", "run call", "prompt: call"]
    assert walker(function(instruction=TEXT), tools=[TOOL]).begin() == ["- > call", "run call"]


def test_a_result_that_is_not_waited_for_changes_nothing() -> None:
    walk = walker(function("call", edge("p", "b", "done"), wait_for_result=False), talk("b"), tools=[TOOL])
    assert walk.begin() == ["- > call", "run call", "choose at call: done"]
    assert walk.tool() == []
    assert walk.choose("done") == ["call > b", "prompt: b"]


def test_words_are_finished_before_a_node_that_does_not_wait_is_left() -> None:
    node = function("call", wait_for_result=False, else_edge=edge("x", "b", "Else"), **SPEAKING)
    walk = walker(node, talk("b"), tools=[TOOL])
    assert walk.begin() == ["- > call", "text: One moment.", "run call"]
    assert walk.take(SAID) == ["call > b", "prompt: b"]


def test_a_node_without_a_fitting_edge_talks_and_is_asked_again() -> None:
    walk = walker(function("call", edge("p", "b", "it worked")), talk("b"), tools=[TOOL])
    walk.begin()
    walk.tool()
    assert walk.choose(None) == ["prompt again: call"]
    assert walk.take(SAID) == ["wait"]
    assert walk.take(SPOKE) == ["choose at call: it worked"]


def test_what_the_caller_says_while_a_tool_runs_waits_for_its_result() -> None:
    walk = walker(function("call", else_edge=edge("x", "b", "Else")), talk("b"), tools=[TOOL])
    walk.begin()
    assert walk.take(SPOKE) == ["wait"]
    assert walk.take(SILENT) == []
    assert walk.tool(run=7) == []
    assert walk.tool() == ["call > b", "prompt: b"]
    assert walk.tool() == []


def test_a_message_goes_one_way_when_it_was_sent_and_another_when_not() -> None:
    sms = {
        "id": "sms",
        "type": "sms",
        "instruction": TEXT,
        "success_edge": edge("y", "b", "Sent successfully"),
        "failed_edge": edge("n", "c", "Failed to send"),
    }
    for is_successful, to in ((True, "b"), (False, "c")):
        walk = walker(sms, talk("b"), talk("c"))
        assert walk.begin() == ["- > sms", "run sms"]
        assert walk.tool(is_successful=is_successful) == [f"sms > {to}", f"prompt: {to}"]


TRANSFER = {
    "id": "away",
    "type": "transfer_call",
    "transfer_destination": {"type": "predefined", "number": "+14155550100"},
    "transfer_option": {"type": "cold_transfer"},
}
SWAPPED = {"id": "away", "type": "agent_swap", "agent_id": "agent_2", **SWAP}


@pytest.mark.parametrize("node", [TRANSFER, SWAPPED], ids=["transfer", "swap"])
def test_an_edge_leads_on_where_another_was_to_take_over_and_cannot(node: dict[str, Any]) -> None:
    failing = walker(node | SPEAKING | {"edge": edge("f", "b", "Transfer failed")}, talk("b"))
    assert failing.begin() == ["- > away", "text: One moment.", "run away"]
    assert failing.tool(is_successful=False) == ["away > b", "prompt: b"]
    ending = walker(node | {"edge": edge("f", None, "Transfer failed")})
    ending.begin()
    assert ending.tool(is_successful=False) == ["end"]
    gone = walker(node | {"edge": edge("f", None, "Transfer failed")})
    gone.begin()
    assert gone.tool() == []
    assert gone.take(SPOKE) == []


@pytest.mark.parametrize("kind", ["bridge_transfer", "cancel_transfer"])
def test_a_node_of_transfer_agents_talks_when_there_is_no_transfer(kind: str) -> None:
    walk = walker({"id": "t", "type": kind})
    assert walk.begin() == ["- > t", "run t"]
    assert walk.tool(is_successful=False) == ["prompt again: t"]


def test_an_end_says_goodbye_and_hangs_up_also_when_it_is_interrupted() -> None:
    walk = walker(end() | {"instruction": TEXT, "speak_during_execution": True})
    assert walk.begin() == ["- > end", "text: One moment.", "end"]
    assert walk.take(SPOKE) == ["text: One moment.", "end"]
    assert walker(end() | {"instruction": TEXT}).begin() == ["- > end", "end"]


# --- branches and components ------------------------------------------------------------------


def test_a_branch_is_left_at_once() -> None:
    nodes = [branch("or", when("e", IS_ADULT, "a"), otherwise="b"), talk("a"), talk("b")]
    assert walker(*nodes, variables={"age": 18}).begin() == ["- > or", "or > a", "prompt: a"]
    assert walker(*nodes).begin() == ["- > or", "or > b", "prompt: b"]


def test_a_branch_may_ask_the_model() -> None:
    walk = walker(branch("or", edge("p", "a", "is friendly"), otherwise="b"), talk("a"), talk("b"))
    assert walk.begin() == ["- > or", "choose at or: is friendly"]
    assert walk.choose(None) == ["or > b", "prompt: b"]


def test_a_component_is_gone_through_and_left_by_the_edges_of_its_node() -> None:
    part = component("pay", talk("ask", "done"), branch("done", otherwise=None), start_node_id="ask")
    node = component_node("part", "pay", "local", "b") | {"edges": [when("e", IS_ADULT, "c")]}
    walk = walker(node, talk("b"), talk("c"), components=[part])
    assert walk.begin() == ["- > part", "part > part/ask", "prompt: part/ask"]
    walk.take(SPOKE)
    assert walk.choose("when it fits") == ["part/ask > part/done", "part/done > b", "prompt: b"]
    walk.variables["age"] = 30
    walk.walk = s.Walk()
    walk.begin()
    walk.take(SPOKE)
    assert walk.choose("when it fits") == ["part/ask > part/done", "part/done > c", "prompt: c"]


def test_the_model_may_choose_how_a_component_is_left() -> None:
    part = component("pay", talk("ask", edges=[edge("out", None, "has paid")]))
    node = component_node("part", "pay", "local", "b") | {"edges": [edge("p", "c", "by card")]}
    walk = walker(node, talk("b"), talk("c"), components=[part])
    walk.begin()
    walk.take(SPOKE)
    assert walk.choose("has paid") == ["choose at part: by card"]
    # The caller goes on speaking while the model chooses.
    assert walk.take(SPOKE) == ["choose at part: by card"]
    assert walk.choose("by card") == ["part/ask > c", "prompt: c"]


def test_components_may_be_inside_components_and_shared() -> None:
    inner = create_component(NewComponent.model_validate(component("inner", branch("in", otherwise=None))), "c1", 1)
    outer = component("outer", component_node("mid", "c1", "shared", None))
    walk = Walker(map_of(flow(component_node("out", "outer", "local", "b"), talk("b"), components=[outer]), inner))
    assert walk.begin() == [
        "- > out",
        "out > out/mid",
        "out/mid > out/mid/in",
        "out/mid/in > b",
        "prompt: b",
    ]
