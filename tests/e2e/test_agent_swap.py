"""One call through the hands of several agents, by a tool and by a node: Retell LLMs, a flow, an LLM server."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.customer import Customer, customer_of
from support.flows import edge, end, flow
from support.llm_server import Peer, llm_server
from support.server import running_server

pytestmark = pytest.mark.anyio

SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"offered": "to_flow"}, "steps": [{"say": "I pass you on. "}, {"use": "to_flow"}]},
        {"when": {"offered": "bye"}, "steps": [{"say": "Bo says goodbye. "}, {"use": "bye"}]},
    ]
}
SWAP = {"type": "agent_swap", "post_call_analysis_setting": "both_agents"}


async def make_agent(customer: Customer, engine: dict[str, Any], **fields: Any) -> str:
    body = {"voice_id": "default", "response_engine": engine, **fields}
    return str((await customer.post("/create-agent", body))["agent_id"])


async def agent_with_llm(customer: Customer, name: str, tool: dict[str, Any], **fields: Any) -> str:
    llm = await customer.post("/create-retell-llm", {"general_prompt": f"Be {name}.", "general_tools": [tool]})
    return await make_agent(customer, {"type": "retell-llm", "llm_id": llm["llm_id"]}, agent_name=name, **fields)


async def agent_with_flow(customer: Customer, next_agent_id: str) -> str:
    welcome = {
        "id": "welcome",
        "type": "conversation",
        "instruction": {"type": "static_text", "text": "The flow has you now."},
        "skip_response_edge": edge("on", "swap", "Skip response"),
    }
    swap = {"id": "swap", "agent_id": next_agent_id, "edge": edge("failed", "end", "Transfer failed"), **SWAP}
    graph = flow(welcome, swap, end(), model_config={"primary": {"model": "gpt-4.1"}})
    made = await customer.post("/create-conversation-flow", graph)
    engine = {"type": "conversation-flow", "conversation_flow_id": made["conversation_flow_id"]}
    return await make_agent(customer, engine, agent_name="Flow")


async def test_a_call_goes_from_agent_to_agent(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    env = {"RETOLD_LLM__PROVIDER": "scripted", "RETOLD_LLM__SCRIPT": str(script)}
    with running_server(tmp_path / "data", env=env) as server:
        async with customer_of(server) as customer:
            bo = await agent_with_llm(customer, "Bo", {"type": "end_call", "name": "bye"}, voice_speed=1.5)
            middle = await agent_with_flow(customer, bo)
            ada = await agent_with_llm(customer, "Ada", {"name": "to_flow", "agent_id": middle, **SWAP})
            call_id = await customer.make_web_call(ada)
            async with customer.joined(call_id):
                call = await customer.until(call_id)
            log = (await customer.http.get(call["public_log_url"])).text
    assert call["transcript"] == "Agent: I pass you on. The flow has you now. Bo says goodbye.\n"
    assert call["disconnection_reason"] == "agent_hangup"
    assert (call["agent_id"], call["agent_name"]) == (ada, "Ada")
    items = call["transcript_with_tool_calls"]
    swapped = [item for item in items if item["role"] == "tool_call_result"]
    assert [item["successful"] for item in swapped] == [True, True, True]
    assert [item["type"] for item in items if item["role"] == "tool_call_invocation"] == [
        "agent_swap",
        "agent_swap",
        "end_call",
    ]
    assert f"agent: {middle} version 0 (Flow) takes over" in log
    assert f"agent: {bo} version 0 (Bo) takes over" in log


async def bo(peer: Peer) -> None:
    await peer.says("config", config={"call_details": True})
    wanted = await peer.listens(until="reminder_required")
    await peer.replies(wanted["response_id"], "The server has you now, good bye.", end_call=True)


STAYS: dict[str, Any] = {"when": {"after_tool": "to_bo"}, "steps": [{"say": "Bo is out. "}, {"use": "bye"}]}


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_call_goes_to_an_llm_server_if_it_is_there(tmp_path: Path, *, is_there: bool) -> None:
    passes_on = {"when": {"last": "."}, "steps": [{"say": "I pass you on. "}, {"use": "to_bo"}]}
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"rules": [STAYS, passes_on]}))
    env = {
        "RETOLD_LLM__PROVIDER": "scripted",
        "RETOLD_LLM__SCRIPT": str(script),
        "RETOLD_LLM_RETRY_GAP_MS": "10",
    }
    async with llm_server(bo, refuses=0 if is_there else 3) as brain:
        with running_server(tmp_path / "data", env=env) as server:
            async with customer_of(server) as customer:
                other = await customer.make_agent(brain.url)
                tools = [{"name": "to_bo", "agent_id": other, **SWAP}, {"type": "end_call", "name": "bye"}]
                body = {"begin_message": "Hello.", "general_tools": tools}
                llm = await customer.post("/create-retell-llm", body)
                engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
                ada = await make_agent(customer, engine, reminder_trigger_ms=1_000)
                call_id = await customer.make_web_call(ada)
                async with customer.joined(call_id):
                    call = await customer.until(call_id)
    assert call["disconnection_reason"] == "agent_hangup"
    assert brain.paths == [f"/llm-websocket/{call_id}"] * (1 if is_there else 3)
    (result,) = [
        item
        for item in call["transcript_with_tool_calls"]
        if item["role"] == "tool_call_result" and item["tool_call_id"] == swap_id(call)
    ]
    if not is_there:
        assert call["transcript"] == "Agent: Hello.\nAgent: I pass you on. Bo is out.\n"
        assert (result["successful"], "its LLM server cannot be reached" in result["content"]) == (False, True)
        return
    assert call["transcript"] == "Agent: Hello.\nAgent: I pass you on. The server has you now, good bye.\n"
    assert result["successful"] is True
    (details,) = [message["call"] for message in brain.peers[0].heard if message["interaction_type"] == "call_details"]
    assert (details["call_id"], details["agent_id"]) == (call_id, other)
    (wanted,) = [m for m in brain.peers[0].heard if m["interaction_type"] == "reminder_required"]
    assert [said["content"] for said in wanted["transcript"]] == ["Hello."]


def swap_id(call: dict[str, Any]) -> str:
    """The id under which the call was handed over."""
    items = call["transcript_with_tool_calls"]
    return str(next(item["tool_call_id"] for item in items if item.get("type") == "agent_swap"))
