"""What nodes do, as tools."""

from typing import Any

import pytest

from retold.domain.flow_tools import tool_at, tools_of
from support.flow_walks import function, map_of
from support.flows import MCP, TOOL, component, edge, every_node, flow, talk


def dumped(node_id: str) -> dict[str, Any]:
    one = map_of(flow(*every_node(), tools=[TOOL], mcps=[MCP], components=[component("pay")]))
    return tool_at(one, (node_id,)).model_dump(exclude_none=True)


TOOLS: dict[str, dict[str, Any]] = {
    "call": {"type": "custom", "name": "look_up", "url": "https://x.example/look"},
    "code": {"type": "code", "name": "code", "code": "1", "timeout_ms": 5000, "response_variables": {"a": "$.a"}},
    "mcp": {"type": "mcp", "name": "read", "mcp_id": "files"},
    "press": {"type": "press_digit", "name": "press", "description": "Say what you do.", "delay_ms": 500},
    "sms": {"type": "send_sms", "sms_content": {"type": "template", "template": "info_collection"}},
    "extract": {"type": "extract_dynamic_variable", "name": "extract"},
    "transfer": {"type": "transfer_call", "custom_sip_headers": {"X-A": "b"}},
    "swap": {"type": "agent_swap", "agent_id": "a", "agent_version": 1, "keep_current_voice": True},
    "bridge": {"type": "bridge_transfer", "name": "bridge"},
    "cancel": {"type": "cancel_transfer", "name": "cancel"},
}


@pytest.mark.parametrize("node_id", TOOLS)
def test_a_node_does_what_a_tool_does(node_id: str) -> None:
    tool = dumped(node_id)
    assert tool == tool | TOOLS[node_id]


def test_what_a_function_says_is_up_to_its_node() -> None:
    one = map_of(flow(function("call"), tools=[TOOL | {"speak_during_execution": True}]))
    assert "speak_during_execution" not in tool_at(one, ("call",)).model_dump(exclude_none=True)


def test_a_message_is_written_or_made_by_the_model() -> None:
    def content(instruction: dict[str, Any]) -> dict[str, Any]:
        edges = {"success_edge": edge("y", "a"), "failed_edge": edge("n", "a")}
        node = {"id": "sms", "type": "sms", "instruction": instruction, **edges}
        return tool_at(map_of(flow(talk("a"), node)), ("sms",)).model_dump(exclude_none=True)["sms_content"]

    assert content({"type": "static_text", "text": "Hi."}) == {"type": "predefined", "text": "Hi."}
    assert content({"type": "prompt", "text": "Greet."}) == {"type": "inferred", "prompt": "Greet."}


def test_names_are_made_so_that_models_take_them() -> None:
    code: dict[str, Any] = {"id": "code", "type": "code", "code": "1", "wait_for_result": True}
    names = [code | {"name": name, "id": f"c{number}"} for number, name in enumerate(["Röst & co", "x" * 99])]
    one = map_of(flow(*names))
    assert [tool_at(one, (node["id"],)).name for node in names] == ["R_st_co", "x" * 64]


def test_a_node_that_talks_runs_nothing_but_may_have_tools() -> None:
    bye = {"type": "end_call", "name": "bye"}
    one = map_of(flow(talk("a", type="subagent", tool_ids=["t1"], tools=[bye]), talk("b"), tools=[TOOL]))
    assert list(tools_of(one, ("a",))) == ["bye", "look_up"]
    assert tools_of(one, ("b",)) == {}
    with pytest.raises(TypeError, match="node b runs no tool"):
        tool_at(one, ("b",))
