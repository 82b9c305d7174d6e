"""A flow that cannot run is refused, and the refusal names the node, the field and the remedy."""

from typing import Any

import pytest

from retold.domain.flow import SharedComponent
from retold.domain.flow_check import check_component, check_flow
from retold.domain.flow_request import NewComponent, NewFlow, create_component, create_flow
from retold.errors import InvalidRequest
from support.flows import MCP, TOOL, component, component_node, edge, end, flow, talk


def check(sent: dict[str, Any], *shared: SharedComponent) -> None:
    one = create_flow(NewFlow.model_validate(sent), "flow_1", 1)
    check_flow(one, {part.conversation_flow_component_id: part for part in shared})


def shared(name: str, *nodes: dict[str, Any], **fields: Any) -> SharedComponent:
    return create_component(NewComponent.model_validate(component(name, *nodes, **fields)), name, 1)


def function(tool_id: str = "t1", tool_type: str = "local") -> dict[str, Any]:
    names = {"tool_id": tool_id, "tool_type": tool_type}
    return {"id": "call", "type": "function", "wait_for_result": True, "else_edge": edge("x", "call"), **names}


def mcp(mcp_id: str) -> dict[str, Any]:
    return {"id": "m", "type": "mcp", "mcp_id": mcp_id, "mcp_tool_name": "read", "wait_for_result": False}


def transfer(to: str | None) -> dict[str, Any]:
    there = {"type": "inferred", "prompt": "the right desk"}
    option = {"type": "cold_transfer"}
    failed = edge("failed", to, "Transfer failed")
    return {
        "id": "t",
        "type": "transfer_call",
        "transfer_destination": there,
        "transfer_option": option,
        "edge": failed,
    }


APP = {
    "type": "integration_app",
    "name": "crm",
    "tool_id": "t1",
    "app_id": "a",
    "app_tool_template_name": "find",
    "provider": "p",
}
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no nodes": ({"nodes": []}, "nodes", "nodes is empty"),
    "one prompt for all": (flow(flex_mode=True), "flex_mode", "flex_mode is not run here"),
    "one prompt for a component": (
        flow(components=[component("pay", flex_mode=True)]),
        "components[0].flex_mode",
        "flex_mode is not run here",
    ),
    "a function of an app": (flow(function(), tools=[APP]), "nodes[0].tool_id", "node 'call': 'crm' is a tool of the"),
    "an agent with an app's tool": (
        flow(talk("a", type="subagent", tool_ids=["t1"]), tools=[APP]),
        "nodes[0].tool_ids[0]",
        "node 'a': 'crm' is a tool of the type integration_app",
    ),
    "an agent with an app": (
        flow(talk("a", type="subagent", tools=[{key: APP[key] for key in APP if key != "tool_id"}])),
        "nodes[0].tools[0]",
        "node 'a': 'crm' is a tool of the type integration_app",
    ),
    "the same id twice": (flow(talk("a"), talk("a")), "nodes", "'a' twice"),
    "a start that is not there": (flow(start_node_id="lobby"), "start_node_id", "'lobby' is no node"),
    "an edge to nowhere": (
        flow(talk("a", name="Ask"), talk("b", "c")),
        "nodes[1].edges[0].destination_node_id",
        "node 'b': edges[0] leads to 'c', which is no node",
    ),
    "an edge without an end": (
        flow(talk("a", name="Ask", edges=[edge("e", None)])),
        "nodes[0].edges[0].destination_node_id",
        "node 'a' (Ask): edges[0] leads nowhere",
    ),
    "a failure to nowhere": (
        flow(transfer("gone")),
        "nodes[0].edge.destination_node_id",
        "node 't': edge leads to 'gone'",
    ),
    "a fallback without an end": (
        flow(talk("a") | {"else_edge": edge("e", None, "Else")}),
        "nodes[0].else_edge.destination_node_id",
        "node 'a': else_edge leads nowhere",
    ),
    "a fallback to nowhere": (
        flow(talk("a") | {"else_edge": edge("e", "gone", "Else")}),
        "nodes[0].else_edge.destination_node_id",
        "node 'a': else_edge leads to 'gone'",
    ),
    "two edges of one id": (
        flow(talk("a", edges=[edge("e", "a"), edge("e", "a")])),
        "nodes[0].edges",
        "node 'a': edges has the id 'e' twice",
    ),
    "a tool that is not there": (flow(function("t2"), tools=[TOOL]), "nodes[0].tool_id", "'t2' is no tool"),
    "no tools at all": (flow(function()), "nodes[0].tool_id", "'t1' is no tool"),
    "a shared tool": (flow(function(tool_type="shared"), tools=[TOOL]), "nodes[0].tool_type", "no shared tools"),
    "two tools of one id": (flow(tools=[TOOL, TOOL]), "tools", "'t1' twice"),
    "an agent without its tool": (
        flow(talk("a", type="subagent", tool_ids=["t1"])),
        "nodes[0].tool_ids[0]",
        "node 'a': 't1' is no tool",
    ),
    "an agent with two tools of one name": (
        flow(
            talk("a", type="subagent", tool_ids=["t1"], tools=[{"type": "end_call", "name": "look_up"}]), tools=[TOOL]
        ),
        "nodes[0].tools",
        "'look_up' twice",
    ),
    "an MCP server that is not there": (flow(mcp("web"), mcps=[MCP]), "nodes[0].mcp_id", "'web' is no MCP server"),
    "a component that is not there": (
        flow(component_node("a", "pay", "local", "a")),
        "nodes[0].component_id",
        "'pay' is no local component",
    ),
    "a shared component that is not there": (
        flow(component_node("a", "pay", "shared", "a"), components=[component("pay")]),
        "nodes[0].component_id",
        "'pay' is no shared component",
    ),
    "two components of one name": (flow(components=[component("a"), component("a")]), "components", "'a' twice"),
    "an edge inside a component": (
        flow(components=[component("ok"), component("pay", talk("a", "b"))]),
        "components[1].nodes[0].edges[0].destination_node_id",
        "leads to 'b'",
    ),
    "a start inside a component": (
        flow(components=[component("pay", start_node_id="b")]),
        "components[0].start_node_id",
        "'b' is no node",
    ),
    "a component inside itself": (
        flow(components=[component("pay", component_node("a", "pay", "local", None))]),
        "components",
        "component 'pay' contains itself: pay > pay",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_refused(name: str) -> None:
    sent, field, message = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        check(sent)
    assert refused.value.field == field
    assert message in refused.value.message
    assert refused.value.fix


def test_components_that_contain_each_other_are_refused() -> None:
    inner = component("inner", component_node("a", "outer", "local", None))
    outer = component("outer", component_node("a", "inner", "local", None))
    with pytest.raises(InvalidRequest, match=r"(inner > outer > inner)|(outer > inner > outer)"):
        check(flow(components=[inner, outer]))


def test_what_can_run_is_taken() -> None:
    check(flow())
    check({"nodes": [end()], "start_speaker": "user"})
    check(flow(transfer(None)))
    check(flow(talk("a", "a") | {"always_edge": edge("a-a", "a", "Always")}))
    check(flow(mcp("files"), mcps=[MCP]))
    check(flow(mcp("m-1"), mcps=[MCP | {"mcp_id": "m-1"}]))
    # Of one name, but one of the flow and one of everybody: neither is in the other.
    own = component("pay", component_node("a", "pay", "shared", None))
    check(flow(component_node("a", "pay", "local", "a"), components=[own]), shared("pay"))


def test_a_component_of_a_flow_may_use_its_tools_and_servers() -> None:
    inner = component("pay", function() | {"else_edge": edge("x", None)}, mcp("files"), function("t2") | {"id": "own"})
    inner["nodes"][2]["else_edge"] = edge("x", "call")
    check(flow(tools=[TOOL], mcps=[MCP], components=[inner | {"tools": [TOOL | {"tool_id": "t2"}]}]))


def test_a_shared_component_stands_alone() -> None:
    check_component(shared("pay"), {})
    check_component(shared("a", component_node("n", "b", "shared", None)), {"b": shared("b")})
    with pytest.raises(InvalidRequest, match="is no local component"):
        check_component(shared("a", component_node("n", "b", "local", None)), {})
    with pytest.raises(InvalidRequest, match="'t1' is no tool"):
        check_component(shared("a", function()), {})
    before, after = shared("a"), shared("a", component_node("n", "b", "shared", None))
    user = shared("b", component_node("n", "a", "shared", None))
    with pytest.raises(InvalidRequest, match="contains itself"):
        check_component(after, {"a": before, "b": user})
