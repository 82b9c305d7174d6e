"""Whether a flow can run: what cannot is refused when it is saved, with the node and the remedy named."""

import graphlib
from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from retold.domain.flow import Component, Flow, FlowMcp, FlowTool, Graph, SharedComponent
from retold.domain.flow_nodes import (
    AgentSwapNode,
    BranchingNode,
    ComponentNode,
    FlowNode,
    FunctionNode,
    McpNode,
    Node,
    SubagentNode,
    TransferCallNode,
)
from retold.domain.llm_tools import IntegrationApp, Tool
from retold.errors import InvalidRequest

_MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class _Scope:
    """One graph and what its nodes may name."""

    graph: Graph
    path: str
    """Before the fields of this graph: nothing, or such as `components[2].`."""
    tools: Mapping[str, FlowTool]
    mcps: Collection[str]
    local: Collection[str]
    shared: Collection[str]
    is_component: bool


def check_flow(flow: Flow, shared: Mapping[str, SharedComponent]) -> None:
    """Raise InvalidRequest for a flow that cannot run; `shared` are the components that are kept, by id."""
    components = flow.components or []
    _check_unique("components", [component.component_id for component in components], "id")
    local = {component.component_id: component for component in components}
    tools_of_flow, mcps_of_flow = _tools(flow), _mcps(flow)
    _check_graph(_Scope(flow, "", tools_of_flow, mcps_of_flow, local, shared, is_component=False))
    for number, component in enumerate(components):
        # A component of a flow may use what is the flow's beside its own.
        tools, mcps = ChainMap(_tools(component), tools_of_flow), ChainMap(_mcps(component), mcps_of_flow)
        _check_graph(_Scope(component, f"components[{number}].", tools, mcps, local, shared, is_component=True))
    _check_cycles([*components, *shared.values()])


def check_component(component: SharedComponent, shared: Mapping[str, SharedComponent]) -> None:
    """The same for a shared component, which can use other shared ones only."""
    _check_graph(_Scope(component, "", _tools(component), _mcps(component), (), shared, is_component=True))
    others = [one for one in shared.values() if one.component_id != component.component_id]
    _check_cycles([component, *others])


def shared_ids(graph: Graph) -> set[str]:
    """The shared components that nodes of a flow or component name, those of the flow's own components included."""
    graphs = [graph, *((graph.components or ()) if isinstance(graph, Flow) else ())]
    return {node.component_id for one in graphs for node in _component_nodes(one) if node.component_type == "shared"}


def _check_graph(scope: _Scope) -> None:
    graph, path = scope.graph, scope.path
    if not graph.nodes:
        raise InvalidRequest(f"{path}nodes is empty", field=f"{path}nodes", fix="send at least the node to begin with")
    if graph.flex_mode:
        raise InvalidRequest(
            f"{path}flex_mode is not run here: this server walks through the nodes one by one",
            field=f"{path}flex_mode",
            fix="leave flex_mode out, or put it all into the prompt of a Retell LLM",
        )
    _check_unique(f"{path}nodes", [node.id for node in graph.nodes], "id")
    ids = {node.id: node for node in graph.nodes}
    if graph.start_node_id is not None and graph.start_node_id not in ids:
        raise InvalidRequest(
            f"{path}start_node_id {graph.start_node_id!r} is no node",
            field=f"{path}start_node_id",
            fix=_use_one_of(ids),
        )
    _check_unique(f"{path}tools", [tool.tool_id for tool in graph.tools or () if tool.tool_id], "tool_id")
    for number, node in enumerate(graph.nodes):
        _check_edges(node, f"{path}nodes[{number}]", ids, may_lead_out=scope.is_component)
        _check_names(node, f"{path}nodes[{number}]", scope)


def _check_edges(node: FlowNode, path: str, ids: Collection[str], *, may_lead_out: bool) -> None:
    edges = node.edges if isinstance(node, BranchingNode) else None
    _check_unique(f"{_called(node)}: edges", [edge.id for edge in edges or ()], "id", field=f"{path}.edges")
    # Without a place to go to when it fails, a transfer that fails ends the call: its edge must be there, not lead on.
    may_end = isinstance(node, TransferCallNode | AgentSwapNode)
    for place, edge in node.edges_by_path():
        field = f"{path}.{place}.destination_node_id"
        if edge.destination_node_id is None and not (may_lead_out or may_end):
            raise InvalidRequest(
                f"{_called(node)}: {place} leads nowhere",
                field=field,
                fix=f"{_use_one_of(ids)}, such as one that ends the call, or leave the edge out",
            )
        if edge.destination_node_id is not None and edge.destination_node_id not in ids:
            raise InvalidRequest(
                f"{_called(node)}: {place} leads to {edge.destination_node_id!r}, which is no node",
                field=field,
                fix=_use_one_of(ids),
            )


def _check_names(node: Node, path: str, scope: _Scope) -> None:
    """What a node names besides other nodes: tools, MCP servers, components."""
    match node:
        case FunctionNode():
            if node.tool_type == "shared":
                raise InvalidRequest(
                    f"{_called(node)}: this server keeps no shared tools",
                    field=f"{path}.tool_type",
                    fix="put the tool into tools and use tool_type local",
                )
            _check_known(node, f"{path}.tool_id", node.tool_id, scope.tools, "tool")
            _check_runnable(node, f"{path}.tool_id", scope.tools[node.tool_id])
        case SubagentNode():
            for number, tool_id in enumerate(node.tool_ids or ()):
                _check_known(node, f"{path}.tool_ids[{number}]", tool_id, scope.tools, "tool")
                _check_runnable(node, f"{path}.tool_ids[{number}]", scope.tools[tool_id])
            for number, tool in enumerate(node.tools or ()):
                _check_runnable(node, f"{path}.tools[{number}]", tool)
            names = [tool.name for tool in node.tools or ()]
            names += [scope.tools[tool_id].name for tool_id in node.tool_ids or ()]
            _check_unique(f"{_called(node)}: tools", names, "name", field=f"{path}.tools")
        case McpNode():
            _check_known(node, f"{path}.mcp_id", node.mcp_id, scope.mcps, "MCP server")
        case ComponentNode():
            known = scope.local if node.component_type == "local" else scope.shared
            _check_known(node, f"{path}.component_id", node.component_id, known, f"{node.component_type} component")
        case _:
            pass


def _check_runnable(node: FlowNode, field: str, tool: Tool) -> None:
    if isinstance(tool, IntegrationApp):
        raise InvalidRequest(
            f"{_called(node)}: {tool.name!r} is a tool of the type integration_app, which this server cannot run",
            field=field,
            fix="use a custom tool that asks the app's own web service",
        )


def _check_known(node: FlowNode, field: str, name: str, known: Collection[str], kind: str) -> None:
    if name not in known:
        fix = _use_one_of(known) if known else f"there is no {kind} here: send it, or leave the node out"
        raise InvalidRequest(f"{_called(node)}: {name!r} is no {kind}", field=field, fix=fix)


def _check_cycles(components: Iterable[Component | SharedComponent]) -> None:
    """No component may contain itself, be it through others."""
    uses: dict[str, list[str]] = {}
    for component in components:
        # Local and shared ones may have the same id: the kind tells them apart.
        kind = "shared" if isinstance(component, SharedComponent) else "local"
        inner = _component_nodes(component)
        uses[f"{kind} {component.component_id}"] = [f"{node.component_type} {node.component_id}" for node in inner]
    try:
        graphlib.TopologicalSorter(uses).prepare()
    except graphlib.CycleError as error:
        # The sorter tells the cycle from the inside out.
        names = [name.partition(" ")[2] for name in reversed(error.args[1])]
        raise InvalidRequest(
            f"component {names[0]!r} contains itself: {' > '.join(names[:_MAX_LISTED])}",
            field="components",
            fix="remove the component node that leads back to it",
        ) from error


def _component_nodes(graph: Graph) -> Iterator[ComponentNode]:
    return (node for node in graph.nodes if isinstance(node, ComponentNode))


def _tools(graph: Graph) -> dict[str, FlowTool]:
    return {tool.tool_id: tool for tool in graph.tools or () if tool.tool_id}


def _mcps(graph: Graph) -> dict[str, FlowMcp]:
    """The servers by all that they may be named by."""
    return {name: mcp for mcp in graph.mcps or () for name in (mcp.mcp_id, mcp.name) if name}


def _check_unique(what: str, names: Iterable[str], kind: str, *, field: str | None = None) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidRequest(
            f"{what} has the {kind} {twice[0]!r} twice", field=field or what, fix=f"give each its own {kind}"
        )


def _called(node: FlowNode) -> str:
    name = f" ({node.name})" if node.name else ""
    return f"node {node.id!r}{name}"


def _use_one_of(names: Iterable[str]) -> str:
    return f"use one of {', '.join(islice(names, _MAX_LISTED))}"
