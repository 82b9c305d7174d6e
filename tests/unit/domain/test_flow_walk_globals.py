"""The walk through a flow: nodes that are reached from everywhere."""

from typing import Any

import pytest

from retold.domain.flow_walk import MAX_RETURNS
from support.flow_walks import (
    IS_ADULT,
    SPOKE,
    function,
    global_node,
    walker,
    when,
)
from support.flows import TEXT, TOOL, component, component_node, edge, talk

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
