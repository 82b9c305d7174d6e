"""Whole calls whose agents run code, harmless and hostile, and use a tool of an MCP server."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.customer import Customer, customer_of
from support.mcp_server import running_kitchen
from support.patience import PATIENCE_S
from support.server import ServerProcess, running_server

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"offered": "spin"}, "steps": [{"say": "Let me think. "}, {"use": "spin"}]},
        {"when": {"after_tool": "total"}, "steps": [{"use": "glutton"}]},
        {"when": {"after_tool": "glutton"}, "steps": [{"use": "find_table", "arguments": {"size": "four"}}]},
        {"when": {"after_tool": "find_table"}, "steps": [{"say": "Your table waits. "}, {"use": "bye"}]},
        {"steps": [{"say": "One moment. "}, {"use": "total"}]},
    ]
}
TOTAL = "return { total: '$' + (Number(dv.price) * 2).toFixed(2), tier: metadata.tier, call: dv.call_id }"
GLUTTON = "const a = []; for (;;) a.push(new Uint8Array(2 ** 20).fill(1))"


def code(name: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "code", "name": name, "code": text, **fields}


async def make_agent(customer: Customer, *tools: dict[str, Any], **fields: Any) -> str:
    body = {"start_speaker": "agent", "general_prompt": "You help.", "general_tools": list(tools), **fields}
    llm = await customer.post("/create-retell-llm", body)
    engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
    return (await customer.post("/create-agent", {"voice_id": "default", "response_engine": engine}))["agent_id"]


def children(server: ServerProcess) -> set[int]:
    """The processes that the server has started and not yet reaped."""
    found: set[int] = set()
    for thread in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        # A thread that has ended meanwhile has left its children to another.
        with suppress(OSError):
            found |= {int(pid) for pid in thread.read_text().split()}
    return found


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - of another process nothing tells
            await anyio.sleep(0.02)


async def use_every_tool(customer: Customer, kitchen_url: str) -> dict[str, Any]:
    """The record of a call whose agent uses all tools but the one without end."""
    agent_id = await make_agent(
        customer,
        code("total", TOTAL, response_variables={"total": "$.total"}),
        code("glutton", GLUTTON),
        {
            "type": "mcp",
            "name": "find_table",
            "description": "Finds a table.",
            "mcp_id": "kitchen",
            "input_schema": {"size": "How many seats."},
            "response_variables": {"place": "place"},
        },
        {"type": "end_call", "name": "bye"},
        mcps=[{"name": "kitchen", "url": kitchen_url}],
    )
    details = {"retell_llm_dynamic_variables": {"price": "9.5"}, "metadata": {"tier": "gold"}}
    call_id = await customer.make_web_call(agent_id, **details)
    async with customer.joined(call_id):
        return await customer.until(call_id)


async def test_calls_go_on_while_the_code_of_another_does_not_end(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    # The callers say nothing, for as long as a slow machine takes.
    silence = {"RETOLD_NO_AUDIO_TIMEOUT_MS": "600000"}
    env = {"RETOLD_LLM__PROVIDER": "scripted", "RETOLD_LLM__SCRIPT": str(script), **silence}
    # In a thread: this loop serves the MCP tools meanwhile.
    server_runs = running_server(tmp_path / "data", env=env)
    server = await anyio.to_thread.run_sync(server_runs.__enter__)
    try:
        assert children(server) == set()
        async with running_kitchen() as kitchen, customer_of(server) as customer:
            thinker = await make_agent(customer, code("spin", "for (;;);", timeout_ms=60_000))
            endless = await customer.make_web_call(thinker)
            async with customer.joined(endless):
                await until(lambda: len(children(server)) > 0)
                call = await use_every_tool(customer, kitchen.url)
                assert (await customer.call(endless))["call_status"] == "ongoing"
            left = await customer.until(endless)
        # What is left is the process that waits for the next code.
        await until(lambda: len(children(server)) == 1)
        assert left["disconnection_reason"] == "user_hangup"
    finally:
        await anyio.to_thread.run_sync(server_runs.__exit__, None, None, None)
    check_record(call)


def check_record(call: dict[str, Any]) -> None:
    items = call["transcript_with_tool_calls"]
    used = {item["tool_call_id"]: item["name"] for item in items if item["role"] == "tool_call_invocation"}
    gave = {used[item["tool_call_id"]]: item for item in items if item["role"] == "tool_call_result"}
    assert {name: item["successful"] for name, item in gave.items()} == {
        "total": True, "glutton": False, "find_table": True, "bye": True
    }  # fmt: skip
    assert json.loads(gave["total"]["content"]) == {"total": "$19.00", "tier": "gold", "call": call["call_id"]}
    assert "memory" in gave["glutton"]["content"]
    assert call["collected_dynamic_variables"] == {"total": "$19.00", "place": "by the window"}
    assert call["disconnection_reason"] == "agent_hangup"
