"""A large flow grown from a seed: branches, tools, global nodes and components, but no circle of silent nodes."""

import random
from typing import Any

from support.flows import TOOL, component, component_node, edge, end, flow, talk

SIZE = 40
VARIABLES = ("x", "y", "z")
VALUES = range(4)


def garden(seed: int) -> dict[str, Any]:
    """A flow of 40 nodes, the last two of which end the call, with two components of six nodes each."""
    chance = random.Random(seed)  # noqa: S311 - a game, not a secret
    nodes = [_node(chance, number, _names("n", SIZE), is_inner=False) for number in range(SIZE - 2)]
    for number in (10, 20, 30):
        nodes[number] |= _global(chance, number)
    # One can be reached whatever the variables are.
    nodes[10]["global_node_setting"]["condition"] = {"type": "prompt", "prompt": "global10"}
    parts = [_component(chance, name) for name in ("left", "right")]
    return flow(*nodes, end(f"n{SIZE - 2}"), end(f"n{SIZE - 1}"), tools=[TOOL], components=parts)


def condition(chance: random.Random, prompt: str) -> dict[str, Any]:
    """A prompt, or an equation on a small number."""
    if chance.random() < 0.5:
        return {"type": "prompt", "prompt": prompt}
    sides = {"left": "{{" + chance.choice(VARIABLES) + "}}", "right": str(chance.choice(VALUES))}
    equation = sides | {"operator": chance.choice(["==", "!=", ">", "<="])}
    return {"type": "equation", "equations": [equation], "operator": "&&"}


def _names(prefix: str, size: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(size)]


def _component(chance: random.Random, name: str) -> dict[str, Any]:
    names = _names(f"{name}-", 6)
    return component(name, *(_node(chance, number, names, is_inner=True) for number in range(6)))


def _node(chance: random.Random, number: int, names: list[str], *, is_inner: bool) -> dict[str, Any]:
    """Every second node talks; the others lead to nodes that wait for the caller, or to later ones: in no circle."""
    if number % 2 == 0:
        return _talker(chance, number, names, is_inner=is_inner)
    waiting = [name for place, name in enumerate(names) if place % 2 == 0 and not _may_skip(place, is_inner=is_inner)]
    targets = [*waiting, *names[number + 1 :], *([None] if is_inner else [])]
    kind = chance.choice(["branch", "function", "background", "extract", "branch" if is_inner else "component"])
    edges = _edges(chance, names[number], targets)
    otherwise = edge(f"{names[number]}-else", chance.choice(targets), "Else")
    if kind == "component":
        name = chance.choice(["left", "right"])
        return component_node(names[number], name, "local", "") | {"edges": edges, "else_edge": otherwise}
    common = {"id": names[number], "edges": edges, "else_edge": otherwise}
    if kind == "branch":
        return common | {"type": "branch"}
    if kind == "extract":
        return common | {"type": "extract_dynamic_variables", "variables": []}
    tool = {"type": "function", "tool_id": "t1", "tool_type": "local", "wait_for_result": kind == "function"}
    return common | tool | {"speak_during_execution": chance.random() < 0.5}


def _talker(chance: random.Random, number: int, names: list[str], *, is_inner: bool) -> dict[str, Any]:
    targets = [*names, *([None] if is_inner else [])]
    node = talk(
        names[number], edges=_edges(chance, names[number], targets), type=chance.choice(["conversation", "subagent"])
    )
    if chance.random() < 0.3:
        node["instruction"] = {"type": "static_text", "text": f"This is {names[number]}."}
    if _may_skip(number, is_inner=is_inner):
        # Where nobody waits for the caller, the way must lead to somebody who does, sooner or later.
        node["edges"], node["skip_response_edge"] = (
            [],
            edge(f"{names[number]}-skip", chance.choice(names[number + 1 :])),
        )
    elif special := chance.choice(["", "", "else_edge", "always_edge"]):
        node[special] = edge(f"{names[number]}-{special}", chance.choice(targets), special)
    return node


def _may_skip(number: int, *, is_inner: bool) -> bool:
    """Whether a node may be left without the caller."""
    return number % 8 == 6 and not is_inner


def _edges(chance: random.Random, node_id: str, targets: list[Any]) -> list[dict[str, Any]]:
    names = [f"{node_id}-e{number}" for number in range(chance.randint(0, 3))]
    return [edge(name, chance.choice(targets)) | {"transition_condition": condition(chance, name)} for name in names]


def _global(chance: random.Random, number: int) -> dict[str, Any]:
    back = edge(f"back{number}", None) | {"transition_condition": condition(chance, f"back{number}")}
    setting = {"condition": condition(chance, f"global{number}"), "go_back_conditions": [back]}
    return {"global_node_setting": setting | ({"cool_down": chance.randint(1, 4)} if chance.random() < 0.7 else {})}
