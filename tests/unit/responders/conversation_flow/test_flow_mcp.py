"""What a tool of an MCP server takes is asked of that server, once for each call."""

from typing import Any, Final

import pytest

from retold.clock import SystemClock
from retold.domain.mcp import McpToolInfo
from retold.errors import ConnectFailed
from retold.responders.tools.context import ToolServices
from retold.responders.tools.mcp import DESCRIBING_S
from support.flow_calls import FlowCall, flow_call, held, says
from support.flows import MCP, edge, flow, talk
from support.mcp_servers import Servers
from support.minds import NoSandbox, SlowHttp, no_key

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PATH: Final = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ: Final = McpToolInfo("read", "Reads a file.", PATH)
DAY: Final = McpToolInfo("day", "Says what day it is.", {"type": "object"})
GIVES_PATH: Final = {"when": {"offered": "read"}, "steps": [{"use": "read", "arguments": {"path": "menu"}}]}


def node(node_id: str, name: str, after: str) -> dict[str, Any]:
    tool = {"type": "mcp", "mcp_id": "files", "mcp_tool_name": name, "wait_for_result": True}
    return {"id": node_id, **tool, "else_edge": edge("x", after, "Else")}


def calling(servers: Servers, *nodes: dict[str, Any], rule: dict[str, Any] = GIVES_PATH) -> FlowCall:
    """A call that talks once and then comes to the first of these nodes."""
    ask = talk("a", instruction=says("How can I help?")) | {"always_edge": edge("w", nodes[0]["id"], "Always")}
    services = ToolServices(
        http=SlowHttp(), sandbox=NoSandbox(), clock=SystemClock(), webhook_key=no_key, connect_mcp=servers.connect
    )
    ends = talk("done", instruction=says("That is all."))
    return flow_call(flow(ask, *nodes, ends, mcps=[MCP]), rule, services=services)


async def test_a_node_asks_the_model_by_the_servers_schema_which_it_fetches_once() -> None:
    servers = Servers(known=[READ, DAY])
    one = calling(servers, node("look", "read", "again"), node("again", "read", "done"))
    story = await held(one, (3, "the menu please."), until_s=12)
    assert [line for line in story if line.startswith("read")] == ['read({"path": "menu"})'] * 2
    assert story[-1] == "agent: That is all."
    offered = [request.tools[0] for request in one.model.requests]
    assert [(tool.name, tool.description, tool.parameters) for tool in offered] == [("read", "Reads a file.", PATH)] * 2
    assert (servers.described, len(servers.opened)) == (1, 1)


async def test_a_tool_that_takes_nothing_costs_no_request_to_the_model() -> None:
    servers = Servers(known=[READ, DAY])
    one = calling(servers, node("look", "day", "done"))
    story = await held(one, (3, "what day is it."), until_s=10)
    assert "day({})" in story
    assert not one.model.requests


@pytest.mark.parametrize(
    "servers",
    [
        Servers(known=[DAY]),
        Servers(known=[McpToolInfo("read", "Reads.", {"type": "array"})]),
        Servers(refusal=ConnectFailed("connection refused")),
    ],
    ids=["of another tool", "no object", "nobody there"],
)
async def test_without_a_schema_the_model_gives_what_it_can(servers: Servers) -> None:
    one = calling(servers, node("look", "read", "done"))
    story = await held(one, (3, "the menu please."), until_s=10)
    assert 'read({"path": "menu"})' in story
    assert story[-1] == "agent: That is all."
    assert one.model.requests[0].tools[0].parameters == {"type": "object", "properties": {}}


async def test_a_server_that_is_slow_to_describe_its_tools_is_not_waited_for_twice() -> None:
    servers = Servers(known=[READ], opening_s=DESCRIBING_S - 1)
    one = calling(servers, node("look", "read", "again"), node("again", "read", "done"))
    story = await held(one, (3, "the menu please."), until_s=16)
    assert story[-1] == "agent: That is all."
    assert servers.described == 1


async def test_a_subagent_is_offered_the_tools_of_a_server_as_it_describes_them() -> None:
    servers = Servers(known=[READ])
    tool = {"type": "mcp", "name": "read", "description": "Look it up.", "mcp_id": "files"}
    agent = talk("agent", type="subagent", tools=[tool])
    tells = {"when": {"after_tool": "read"}, "steps": [{"say": "There it is."}]}
    services = ToolServices(
        http=SlowHttp(), sandbox=NoSandbox(), clock=SystemClock(), webhook_key=no_key, connect_mcp=servers.connect
    )
    one = flow_call(flow(agent, mcps=[MCP]), tells, GIVES_PATH, services=services)
    story = await held(one, until_s=8)
    assert story[-1] == "agent: There it is."
    offered = [request.tools[0] for request in one.model.requests]
    assert [(tool.description, tool.parameters) for tool in offered] == [("Look it up.", PATH)] * 2
    assert servers.described == 1
