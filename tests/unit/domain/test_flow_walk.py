"""The walk through a flow, one type of node and edge after the other."""

from typing import Any

import pytest

from retold.domain import flow_steps as s
from retold.domain.flow_request import NewComponent, create_component
from retold.domain.flow_walk import MAX_PASSED, MAX_RETURNS
from support.flow_walks import CUT_OFF, SAID, SILENT, SPOKE, Walker, map_of
from support.flows import MCP, PROMPT, SWAP, TEXT, TOOL, component, component_node, edge, end, flow, talk

IS_ADULT = {"type": "equation", "equations": [{"left": "{{age}}", "operator": ">=", "right": "18"}], "operator": "&&"}


def when(edge_id: str, condition: dict[str, Any], to: str | None) -> dict[str, Any]:
    made = {"id": edge_id, "transition_condition": condition}
    return made if to is None else made | {"destination_node_id": to}


def branch(node_id: str, *edges: dict[str, Any], otherwise: str | None) -> dict[str, Any]:
    return {"id": node_id, "type": "branch", "edges": list(edges), "else_edge": edge(f"{node_id}-x", otherwise, "Else")}


def function(node_id: str = "call", *edges: dict[str, Any], **fields: Any) -> dict[str, Any]:
    names = {"tool_id": "t1", "tool_type": "local", "wait_for_result": True}
    return {"id": node_id, "type": "function", "edges": list(edges), **names, **fields}


def global_node(condition: Any, **setting: Any) -> dict[str, Any]:
    return {"global_node_setting": {"condition": condition, **setting}}


def walker(*nodes: dict[str, Any], variables: dict[str, Any] | None = None, **fields: Any) -> Walker:
    return Walker(map_of(flow(*nodes, **fields)), **(variables or {}))


# --- nodes that talk --------------------------------------------------------------------------


def test_a_node_talks_by_its_prompt_and_waits_for_the_caller() -> None:
    walk = walker(talk("a", "b"), talk("b"))
    assert walk.begin() == ["- > a", "prompt: a"]
    assert walk.take(SAID) == ["wait"]
    assert walk.take(SPOKE) == ["choose at a: when it fits"]
    assert walk.choose(None) == ["prompt again: a"]
    assert walk.take(SPOKE) == ["choose at a: when it fits"]
    assert walk.choose("when it fits") == ["a > b", "prompt: b"]


def test_a_fixed_text_is_said_once_and_then_talked_about() -> None:
    walk = walker(talk("a", instruction=TEXT))
    assert walk.begin() == ["- > a", "text: One moment."]
    assert walk.take(SAID) == ["wait"]
    assert walk.take(SPOKE) == ["prompt again: a"]


def test_a_caller_who_is_to_speak_first_is_waited_for() -> None:
    walk = walker(talk("a", "b", instruction=TEXT), talk("b"))
    assert walk.take(s.Began(is_caller_first=True)) == ["- > a", "wait"]
    assert walk.take(SPOKE) == ["text: One moment."]
    assert walk.take(SPOKE) == ["choose at a: when it fits"]


def test_a_call_may_begin_in_any_node() -> None:
    assert walker(talk("a"), talk("b")).begin(("b",)) == ["- > b", "prompt: b"]
    assert walker(talk("a"), start_node_id=None).begin() == ["- > a", "prompt: a"]


def test_equations_come_before_prompts_and_edges_in_their_order() -> None:
    edges = [edge("p", "b", "is friendly"), when("e1", IS_ADULT, "c"), when("e2", IS_ADULT, "d")]
    nodes = [talk("a", edges=edges), talk("b"), talk("c"), talk("d")]
    adult = walker(*nodes, variables={"age": 20})
    adult.begin()
    assert adult.take(SPOKE) == ["a > c", "prompt: c"]
    child = walker(*nodes, variables={"age": 9})
    child.begin()
    assert child.take(SPOKE) == ["choose at a: is friendly"]
    assert child.choose("is friendly") == ["a > b", "prompt: b"]


def test_without_a_fitting_edge_the_else_edge_is_taken() -> None:
    walk = walker(talk("a", "b") | {"else_edge": edge("x", "c", "Else")}, talk("b"), talk("c"))
    walk.begin()
    walk.take(SPOKE)
    assert walk.choose(None) == ["a > c", "prompt: c"]


def test_an_edge_that_is_always_taken_is_taken_after_the_callers_turn() -> None:
    walk = walker(talk("a", "b") | {"always_edge": edge("w", "c", "Always")}, talk("b"), talk("c"))
    assert walk.begin() == ["- > a", "prompt: a"]
    assert walk.take(SAID) == ["wait"]
    assert walk.take(SPOKE) == ["a > c", "prompt: c"]


def test_a_node_that_skips_the_response_is_left_once_the_agent_has_spoken() -> None:
    walk = walker(talk("a", edges=[]) | {"skip_response_edge": edge("k", "b", "Skip response")}, talk("b"))
    assert walk.begin() == ["- > a", "prompt: a"]
    assert walk.take(SAID) == ["a > b", "prompt: b"]


def test_a_caller_who_interrupts_such_a_node_is_answered_by_the_next() -> None:
    walk = walker(talk("a", edges=[]) | {"skip_response_edge": edge("k", "b", "Skip response")}, talk("b"))
    walk.begin()
    assert walk.take(SPOKE) == ["a > b", "prompt: b"]


def test_a_silent_caller_is_spoken_to_again() -> None:
    walk = walker(talk("a", "b"), talk("b"))
    walk.begin()
    walk.take(SAID)
    assert walk.take(SILENT) == ["prompt reminder: a"]
    assert walk.take(SAID) == ["wait"]
    walk.take(SPOKE)
    assert walk.take(SILENT) == []  # The model is choosing: there is an answer under way.


def test_what_was_answered_before_is_skipped() -> None:
    nodes = [talk("a", "b"), talk("b", "c", skippable=True), talk("c")]
    answered = walker(*nodes)
    answered.begin()
    answered.take(SPOKE)
    assert answered.choose("when it fits") == ["a > b", "choose at b: when it fits"]
    assert answered.choose("when it fits") == ["b > c", "prompt: c"]
    open_yet = walker(*nodes)
    open_yet.begin()
    open_yet.take(SPOKE)
    open_yet.choose("when it fits")
    assert open_yet.choose(None) == ["prompt: b"]
    assert walker(talk("b", "c", skippable=True), talk("c")).begin() == ["- > b", "prompt: b"]


def test_a_subagent_talks_like_any_other() -> None:
    walk = walker(talk("a", "b", type="subagent", tool_ids=["t1"]), talk("b"), tools=[TOOL])
    assert walk.begin() == ["- > a", "prompt: a"]
    walk.take(SPOKE)
    assert walk.choose("when it fits") == ["a > b", "prompt: b"]


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
    assert prompted.begin() == ["- > call", "prompt: call", "run call"]
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


# --- global nodes -----------------------------------------------------------------------------

HELP = talk("help", "b") | global_node("asks for help", go_back_conditions=[edge("back", None, "was helped")])


def test_a_global_node_is_reached_from_everywhere_and_left_for_where_it_was_entered() -> None:
    walk = walker(talk("a", "b", instruction=TEXT), talk("b"), HELP)
    walk.begin()
    assert walk.take(SPOKE) == ["choose at a: when it fits, asks for help"]
    assert walk.choose("asks for help") == ["a > help (global)", "prompt: help"]
    assert walk.take(SPOKE) == ["choose at help: when it fits, was helped"]
    assert walk.choose("was helped") == ["help > a (global_go_back)", "prompt again: a"]
    assert walk.take(SPOKE) == ["choose at a: when it fits, asks for help"]


def test_there_is_no_way_back_where_nobody_came_from() -> None:
    walk = walker(HELP, talk("b"))
    walk.begin()
    assert walk.take(SPOKE) == ["choose at help: when it fits"]


def test_a_global_node_is_a_fallbacks_rival_and_stands_behind_the_edges_of_the_node() -> None:
    angry = talk("angry") | global_node(IS_ADULT)
    walk = walker(talk("a") | {"else_edge": edge("x", "b", "Else")}, talk("b"), angry, variables={"age": 40})
    walk.begin()
    assert walk.take(SPOKE) == ["a > angry (global)", "prompt: angry"]
    always = walker(talk("a") | {"always_edge": edge("w", "b", "Always")}, talk("b"), HELP)
    always.begin()
    assert always.take(SPOKE) == ["choose at a: asks for help"]
    assert always.choose(None) == ["a > b", "prompt: b"]
    first = walker(talk("a", edges=[when("e", IS_ADULT, "b")]), talk("b"), angry, variables={"age": 40})
    first.begin()
    assert first.take(SPOKE) == ["a > b", "prompt: b"]


@pytest.mark.parametrize(
    ("operator", "prompt", "age", "is_asked", "is_taken"),
    [
        ("&&", "asks", 20, True, False),
        ("&&", "asks", 9, False, False),
        ("||", "asks", 20, False, True),
        ("||", "asks", 9, True, False),
        ("&&", None, 20, False, True),
        ("||", None, 9, False, False),
    ],
)
def test_a_condition_may_be_equations_and_a_prompt(
    operator: str, prompt: str | None, age: int, *, is_asked: bool, is_taken: bool
) -> None:
    condition: dict[str, Any] = IS_ADULT | {"type": "equation_prompt", "operator": operator}
    if prompt is not None:
        condition["prompt_condition"] = {"type": "prompt", "prompt": prompt}
    walk = walker(talk("a"), talk("g") | global_node(condition), variables={"age": age})
    walk.begin()
    wanted = walk.take(SPOKE)
    assert (wanted == ["choose at a: asks"], wanted == ["a > g (global)", "prompt: g"]) == (is_asked, is_taken)


def test_a_prompt_without_equations_is_asked_and_an_empty_one_never_holds() -> None:
    bare = {"type": "equation_prompt", "equations": [], "operator": "&&"}
    asked = bare | {"prompt_condition": {"type": "prompt", "prompt": "asks"}}
    walk = walker(talk("a", edges=[edge("e", "g", "")]), talk("g") | global_node(asked))
    walk.begin()
    assert walk.take(SPOKE) == ["choose at a: asks"]


def test_a_global_node_cools_down() -> None:
    nodes = [talk("a", "b"), talk("b", "a"), HELP | global_node("asks for help", cool_down=2, go_back_conditions=[])]
    walk = walker(*nodes)
    walk.begin()
    walk.take(SPOKE)
    walk.choose("asks for help")
    walk.take(SPOKE)
    walk.choose("when it fits")
    assert walk.take(SPOKE) == ["choose at b: when it fits"]
    walk.choose("when it fits")
    assert walk.take(SPOKE) == ["choose at a: when it fits, asks for help"]


def test_global_nodes_entered_from_each_other_lead_back_one_by_one() -> None:
    one = talk("one") | global_node("one", go_back_conditions=[edge("b1", None, "back")])
    two = talk("two") | global_node("two", go_back_conditions=[edge("b2", None, "back")])
    walk = walker(talk("a"), one, two)
    walk.begin()
    for name in ("one", "two", "one"):
        walk.take(SPOKE)
        walk.choose(name)
    for place in ("two", "one", "a"):
        walk.take(SPOKE)
        assert walk.choose("back")[0].endswith(f"> {place} (global_go_back)")


def test_only_so_many_ways_back_are_remembered() -> None:
    nodes = [talk("a"), *(talk(name) | global_node(name) for name in ("one", "two"))]
    walk = walker(*nodes)
    walk.begin()
    for _ in range(MAX_RETURNS):
        for name in ("one", "two"):
            walk.take(SPOKE)
            walk.choose(name)
    assert len(walk.walk.returns) == MAX_RETURNS


def test_from_a_component_the_global_nodes_of_the_flow_are_reached_and_left_for_it() -> None:
    inner = talk("near") | global_node("near")
    part = component("pay", talk("ask", edges=[edge("out", None, "has paid")]), inner)
    walk = walker(component_node("part", "pay", "local", "b"), talk("b"), HELP, components=[part])
    walk.begin()
    assert walk.take(SPOKE) == ["choose at part/ask: has paid, near, asks for help"]
    assert walk.choose("asks for help") == ["part/ask > help (global)", "prompt: help"]
    walk.take(SPOKE)
    assert walk.choose("was helped") == ["help > part/ask (global_go_back)", "prompt again: part/ask"]


def test_going_back_to_a_node_that_does_not_talk_looks_at_its_edges() -> None:
    back = [when("back", IS_ADULT, None)]
    check = function("check", edge("p", "b", "it worked"))
    helper = function("helper") | global_node("asks", go_back_conditions=back)
    walk = walker(check, talk("b"), helper, tools=[TOOL], variables={"age": 50})
    walk.begin()
    walk.tool()
    walk.choose(None)
    walk.take(SPOKE)
    assert walk.choose("asks") == ["check > helper (global)", "run helper"]
    assert walk.tool() == ["helper > check (global_go_back)", "choose at check: it worked"]


# --- interruptions ----------------------------------------------------------------------------


def test_an_answer_that_was_cut_off_unheard_is_taken_back() -> None:
    walk = walker(talk("a", "b", "c"), talk("b"), talk("c"))
    walk.begin()
    walk.take(SPOKE)
    walk.choose("when it fits")
    assert walk.take(CUT_OFF) == ["b > a (interrupt_go_back)", "choose at a: when it fits, when it fits"]


def test_an_answer_of_the_same_node_needs_no_way_back() -> None:
    walk = walker(talk("a", "b"), talk("b"))
    walk.begin()
    walk.take(SPOKE)
    walk.choose(None)
    assert walk.take(CUT_OFF) == ["choose at a: when it fits"]


def test_what_a_tool_did_is_not_taken_back() -> None:
    nodes = [talk("a", "call"), function("call", else_edge=edge("x", "b", "Else")), talk("b", "a")]
    walk = walker(*nodes, tools=[TOOL])
    walk.begin()
    walk.take(SPOKE)
    walk.choose("when it fits")
    walk.tool()
    assert walk.take(CUT_OFF) == ["choose at b: when it fits"]


# --- what would never end ---------------------------------------------------------------------


def test_branches_in_a_circle_are_given_up_with_their_names() -> None:
    walk = walker(branch("one", otherwise="two"), branch("two", otherwise="one") | {"name": "Second"})
    wanted = walk.begin()
    assert wanted[-1] == "give up: one, Second"
    assert len(wanted) == MAX_PASSED + 1
    assert walk.take(SPOKE) == []


def test_nodes_that_say_nothing_are_given_up_too() -> None:
    mute = {"edges": [], "instruction": {"type": "static_text", "text": ""}}
    skips = [edge("k1", "b", "Skip response"), edge("k2", "a", "Skip response")]
    walk = walker(
        talk("a", **mute) | {"skip_response_edge": skips[0]}, talk("b") | mute | {"skip_response_edge": skips[1]}
    )
    walk.begin()
    wanted = [walk.take(s.AgentSpoke(has_words=False)) for _ in range(MAX_PASSED)]
    assert wanted[-1] == ["give up: a, b"]
    talking = walker(
        talk("a", **mute) | {"skip_response_edge": skips[0]}, talk("b") | mute | {"skip_response_edge": skips[1]}
    )
    talking.begin()
    assert all(talking.take(SAID)[-1] == "text: " for _ in range(MAX_PASSED * 2))


def test_a_way_back_counts_as_well() -> None:
    back = [when("back", IS_ADULT, None)]
    again = function("again", else_edge=edge("x", "again", "Else")) | global_node("asks", go_back_conditions=back)
    walk = walker(talk("a"), again, tools=[TOOL])
    walk.begin()
    walk.take(SPOKE)
    walk.choose("asks")
    for _ in range(MAX_PASSED - 1):
        assert walk.tool() == ["again > again", "run again"]
    walk.variables["age"] = 60
    assert walk.tool() == ["give up: again"]


# --- events out of place ----------------------------------------------------------------------


def test_events_that_do_not_fit_change_nothing() -> None:
    walk = walker(talk("a", "b"), talk("b"))
    for event in (SPOKE, SAID, SILENT, s.Chosen("1"), s.ToolDone(0, is_successful=True)):
        assert walk.take(event) == []
    walk.begin()
    assert walk.begin() == []
    assert walk.take(s.Chosen("1")) == []
    walk.take(SPOKE)
    assert walk.take(s.Chosen("no such option")) == ["prompt again: a"]
