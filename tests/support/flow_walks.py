"""Walks through flows for tests, each want as a short text."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from retold.domain import flow_steps as s
from retold.domain.flow import SharedComponent
from retold.domain.flow_check import check_flow
from retold.domain.flow_map import FlowMap
from retold.domain.flow_request import NewFlow, create_flow
from retold.domain.flow_walk import step
from retold.domain.variables import Variables
from support.flows import edge, flow

SPOKE, SAID, SILENT = s.CallerSpoke(), s.AgentSpoke(), s.CallerSilent()
CUT_OFF = s.CallerSpoke(is_unheard=True)


def map_of(sent: Mapping[str, Any], *shared: SharedComponent) -> FlowMap:
    """The map of a flow as a client sends it, which must be one that can run."""
    flow = create_flow(NewFlow.model_validate(sent), "flow_1", 1)
    components = {one.component_id: one for one in shared}
    check_flow(flow, components)
    return FlowMap(flow, components)


class Walker:
    """One walk; every event gives what is wanted then."""

    def __init__(self, flow: FlowMap, **variables: JsonValue) -> None:
        self.flow = flow
        self.variables: dict[str, JsonValue] = variables
        self.walk = s.Walk()

    def wants(self, event: s.Event) -> list[s.Want]:
        """Take one event."""
        self.walk, wanted = step(self.flow, self.walk, event, Variables(of_request=self.variables).value)
        return wanted

    def take(self, event: s.Event) -> list[str]:
        """The same, as texts."""
        return [described(want) for want in self.wants(event)]

    def begin(self, path: tuple[str, ...] | None = None) -> list[str]:
        """Begin with the agent."""
        return self.take(s.Began(path))

    def choose(self, condition: str | None) -> list[str]:
        """Have the model choose the option with this condition, or none."""
        labels = [one.label for one in self.walk.options if one.condition == condition]
        return self.take(s.Chosen(labels[0] if condition is not None else None))

    def tool(self, *, is_successful: bool = True, run: int | None = None) -> list[str]:
        """Give the result of the running tool."""
        return self.take(s.ToolDone(self.walk.runs if run is None else run, is_successful))


def described(want: s.Want) -> str:
    """A want in a few words."""
    match want:
        case s.Entered():
            kind = "" if want.kind == "normal" else f" ({want.kind})"
            text = f"{'/'.join(want.former) or '-'} > {'/'.join(want.new)}{kind}"
        case s.SayText():
            text = f"text: {want.text}"
        case s.SayByPrompt():
            moment = "" if want.is_first else " reminder" if want.is_reminder else " again"
            text = f"prompt{moment}: {'/'.join(want.path)}"
        case s.Choose():
            text = f"choose at {'/'.join(want.path)}: {', '.join(one.condition for one in want.options)}"
        case s.RunTool():
            text = f"run {'/'.join(want.path)}"
        case s.EndCall():
            text = "end"
        case s.Wait():
            text = "wait"
        case s.GiveUp():
            text = f"give up: {', '.join(want.names)}"
    return text


IS_ADULT = {"type": "equation", "equations": [{"left": "{{age}}", "operator": ">=", "right": "18"}], "operator": "&&"}


def when(edge_id: str, condition: dict[str, Any], to: str | None) -> dict[str, Any]:
    """An edge with this condition."""
    made = {"id": edge_id, "transition_condition": condition}
    return made if to is None else made | {"destination_node_id": to}


def branch(node_id: str, *edges: dict[str, Any], otherwise: str | None) -> dict[str, Any]:
    """A node that only branches."""
    return {"id": node_id, "type": "branch", "edges": list(edges), "else_edge": edge(f"{node_id}-x", otherwise, "Else")}


def function(node_id: str = "call", *edges: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A node that calls the tool `t1`."""
    names = {"tool_id": "t1", "tool_type": "local", "wait_for_result": True}
    return {"id": node_id, "type": "function", "edges": list(edges), **names, **fields}


def global_node(condition: Any, **setting: Any) -> dict[str, Any]:
    """The setting of a node that is reached from everywhere."""
    return {"global_node_setting": {"condition": condition, **setting}}


def walker(*nodes: dict[str, Any], variables: dict[str, Any] | None = None, **fields: Any) -> Walker:
    """A walk through a flow of these nodes."""
    return Walker(map_of(flow(*nodes, **fields)), **(variables or {}))
