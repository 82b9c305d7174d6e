"""The walk through a flow: nodes that talk, interruptions, and what would never end."""

from retold.domain import flow_steps as s
from retold.domain.flow_walk import MAX_PASSED
from support.flow_walks import CUT_OFF, IS_ADULT, SAID, SILENT, SPOKE, branch, function, global_node, walker, when
from support.flows import TEXT, TOOL, edge, talk

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


def test_nodes_that_speak_without_waiting_are_given_up_too() -> None:
    one = talk("a", edges=[]) | {"skip_response_edge": edge("k1", "b", "Skip response")}
    walk = walker(one, talk("b", edges=[]) | {"skip_response_edge": edge("k2", "a", "Skip response")})
    walk.begin()
    wanted = [walk.take(SAID) for _ in range(MAX_PASSED)]
    assert wanted[-1] == ["give up: a, b"]


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
