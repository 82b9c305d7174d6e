"""The ways that lead on from a node, and which of them variables alone decide; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from retold.domain.equations import all_hold
from retold.domain.flow_edges import Edge, EquationCondition, GlobalCondition, PromptCondition
from retold.domain.flow_map import FlowMap
from retold.domain.flow_nodes import BranchingNode, FlowNode, TalkingNode
from retold.domain.flow_steps import Option, Walk
from retold.domain.variables import Lookup

FALLBACKS: Final = ("else_edge", "always_edge", "skip_response_edge")
"""The edges that are taken when no condition holds, whatever stands in their own."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What variables say: one way, or what the model has to be asked, which may be nothing."""

    way: Option | None
    to_ask: tuple[Option, ...] = ()


def decide(flow: FlowMap, walk: Walk, lookup: Lookup, *, with_globals: bool) -> Decision:
    """Look at the edges of the node, then at the ways back from it if it is global, then at the other global nodes.

    The first whose equations hold is the way; the others' prompts are for the model. An edge that is always taken
    leaves no choice among edges.
    """
    asked: list[Option] = []
    for way, condition in _ways(flow, walk, with_globals=with_globals):
        verdict = _judged(condition, lookup)
        if verdict is True:
            return Decision(way)
        if isinstance(verdict, str) and verdict:
            asked.append(replace(way, label=str(len(asked) + 1), condition=verdict))
    return Decision(None, tuple(asked))


def fallback(node: FlowNode) -> Edge | None:
    """The edge to take when no condition holds, None to stay."""
    edges: list[Edge | None] = [getattr(node, name, None) for name in FALLBACKS]
    return next((edge for edge in edges if edge is not None), None)


def edge_called(node: FlowNode, edge_id: str) -> Edge:
    """An edge of a node by its id."""
    return next(edge for edge in _own_edges(node) if edge.id == edge_id)


def _ways(flow: FlowMap, walk: Walk, *, with_globals: bool) -> Iterator[tuple[Option, GlobalCondition]]:
    node = flow.node(walk.path)
    if not (isinstance(node, TalkingNode) and node.always_edge):
        for edge in _own_edges(node):
            target = None if edge.destination_node_id is None else (*walk.path[:-1], edge.destination_node_id)
            yield Option("", "", target, edge_id=edge.id), edge.transition_condition
    if node.global_node_setting and any(one.of == walk.path for one in walk.returns):
        for edge in node.global_node_setting.go_back_conditions or ():
            yield Option("", "", None, is_back=True), edge.transition_condition
    if with_globals:
        for path, setting in flow.globals_for(walk.path):
            if walk.cooling.get(path, 0) == 0:
                yield Option("", "", path, is_global=True), setting.condition


def _own_edges(node: FlowNode) -> list[Edge]:
    return (node.edges or []) if isinstance(node, BranchingNode) else []


def _judged(condition: GlobalCondition, lookup: Lookup) -> bool | str:
    """Whether a condition holds, or the prompt by which the model judges it."""
    if isinstance(condition, str):
        return condition
    if isinstance(condition, PromptCondition):
        return condition.prompt
    holds = all_hold(condition.equations, condition.operator, lookup)
    if isinstance(condition, EquationCondition) or condition.prompt_condition is None:
        return holds
    is_open = (holds or not condition.equations) if condition.operator == "&&" else not holds
    return condition.prompt_condition.prompt if is_open else holds
