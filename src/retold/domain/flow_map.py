"""Where the nodes of a flow are: a node by its path, what its graph gives it, and which global nodes it can reach."""

from collections.abc import Iterator, Mapping
from itertools import chain

from retold.domain.flow import Flow, FlowMcp, FlowTool, Graph, SharedComponent
from retold.domain.flow_edges import GlobalNodeSetting
from retold.domain.flow_nodes import ComponentNode, Node

Path = tuple[str, ...]
"""The way to a node: the ids of the component nodes that it is inside of, then its own."""


class FlowMap:
    """A flow that was checked, with the shared components that it goes through; nothing of it changes."""

    def __init__(self, flow: Flow, shared: Mapping[str, SharedComponent]) -> None:
        self.flow = flow
        self._components: dict[tuple[str, str], Graph] = {("shared", key): one for key, one in shared.items()}
        self._components |= {("local", one.component_id): one for one in flow.components or ()}
        graphs = chain([flow], self._components.values())
        self._nodes = {id(graph): {node.id: node for node in graph.nodes} for graph in graphs}
        self._globals = {
            number: [node.id for node in nodes.values() if node.global_node_setting]
            for number, nodes in self._nodes.items()
        }

    def graph(self, inside: Path) -> Graph:
        """The flow itself, or the component that the node at this path goes through."""
        graph: Graph = self.flow
        for node_id in inside:
            node = self._nodes[id(graph)][node_id]
            if not isinstance(node, ComponentNode):
                raise TypeError(f"node {node_id} is no component")
            graph = self._components[node.component_type, node.component_id]
        return graph

    def node(self, path: Path) -> Node:
        """The node at a path."""
        return self._nodes[id(self.graph(path[:-1]))][path[-1]]

    def start(self, inside: Path = ()) -> Path:
        """Where the flow, or the component at this path, begins."""
        graph = self.graph(inside)
        return (*inside, graph.start_node_id or graph.nodes[0].id)

    def globals_for(self, path: Path) -> Iterator[tuple[Path, GlobalNodeSetting]]:
        """The other nodes that can be reached from everywhere around a path, those of the innermost graph first."""
        for depth in range(len(path) - 1, -1, -1):
            inside = path[:depth]
            graph = self.graph(inside)
            for node_id in self._globals[id(graph)]:
                setting = self._nodes[id(graph)][node_id].global_node_setting
                if setting is not None and node_id != path[depth]:
                    yield (*inside, node_id), setting

    def tools(self, inside: Path) -> dict[str, FlowTool]:
        """The tools by id that nodes there may name; a component's own come before those of the flow around it."""
        return {tool.tool_id: tool for graph in self._around(inside) for tool in graph.tools or () if tool.tool_id}

    def mcps(self, inside: Path) -> dict[str, FlowMcp]:
        """The MCP servers that nodes there may name, by all that they may be named by."""
        servers = [mcp for graph in self._around(inside) for mcp in graph.mcps or ()]
        return {name: mcp for mcp in servers for name in (mcp.name, mcp.mcp_id) if name}

    def name(self, path: Path) -> str:
        """What a node is called."""
        return self.node(path).name or path[-1]

    def _around(self, inside: Path) -> Iterator[Graph]:
        yield self.flow
        if inside:
            yield self.graph(inside)
