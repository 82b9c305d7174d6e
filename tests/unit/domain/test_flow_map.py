"""Where the nodes of a flow are, and what they may use."""

import pytest

from support.flow_walks import map_of
from support.flows import MCP, TOOL, component, component_node, flow, talk


def test_a_component_uses_its_own_tools_before_those_of_the_flow() -> None:
    own = TOOL | {"name": "own"}
    part = component("pay", tools=[own], mcps=[MCP | {"mcp_id": "m", "url": "https://own.example"}])
    nodes = [component_node("part", "pay", "local", "b"), talk("b")]
    one = map_of(flow(*nodes, components=[part], tools=[TOOL, TOOL | {"tool_id": "t2"}], mcps=[MCP]))
    assert {key: tool.name for key, tool in one.tools(()).items()} == {"t1": "look_up", "t2": "look_up"}
    assert {key: tool.name for key, tool in one.tools(("part",)).items()} == {"t1": "own", "t2": "look_up"}
    assert {key: mcp.url for key, mcp in one.mcps(()).items()} == {"files": "https://mcp.example"}
    assert {key: mcp.url for key, mcp in one.mcps(("part",)).items()} == dict.fromkeys(
        ("files", "m"), "https://own.example"
    )


def test_a_node_is_called_by_its_name_else_by_its_id() -> None:
    one = map_of(flow(talk("a", name="Ask"), talk("b")))
    assert (one.name(("a",)), one.name(("b",))) == ("Ask", "b")


def test_only_components_have_an_inside() -> None:
    with pytest.raises(TypeError, match="node a is no component"):
        map_of(flow(talk("a"))).graph(("a",))
