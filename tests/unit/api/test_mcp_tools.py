"""`get-mcp-tools` over HTTP: which server is asked, and what is answered when it cannot be."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

NODE = {"type": "end", "id": "end", "instruction": {"type": "prompt", "text": "Bye."}}


async def agent_of(api: httpx2.AsyncClient, engine: dict[str, Any]) -> str:
    answer = await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["agent_id"])


async def llm_agent(api: httpx2.AsyncClient, *mcps: dict[str, Any]) -> str:
    llm = (await api.post("/create-retell-llm", json={"mcps": list(mcps)})).json()
    return await agent_of(api, {"type": "retell-llm", "llm_id": llm["llm_id"]})


async def ask(api: httpx2.AsyncClient, agent_id: str, **params: str) -> tuple[int, dict[str, Any]]:
    answer = await api.get(f"/get-mcp-tools/{agent_id}", params=params)
    return answer.status_code, answer.json()


async def test_the_servers_that_there_are_are_named(api: httpx2.AsyncClient) -> None:
    agent_id = await llm_agent(api, {"name": "kitchen", "url": "https://mcp.example/"})
    status, body = await ask(api, agent_id, mcp_id="cellar")
    assert (status, body["field"], body["fix"]) == (422, "mcp_id", "use one of these: kitchen")


async def test_an_address_that_is_none_is_refused(api: httpx2.AsyncClient) -> None:
    agent_id = await llm_agent(api, {"name": "inside", "url": "{{address}}/mcp"})
    status, body = await ask(api, agent_id, mcp_id="inside")
    assert (status, body["field"]) == (400, "mcp_id")
    assert "scheme" in body["message"]


async def test_an_agent_of_an_llm_server_has_none(api: httpx2.AsyncClient) -> None:
    agent_id = await agent_of(api, {"type": "custom-llm", "llm_websocket_url": "wss://brain.example/"})
    status, body = await ask(api, agent_id, mcp_id="kitchen")
    assert (status, body["field"]) == (400, "agent_id")


async def test_the_server_must_be_named(api: httpx2.AsyncClient) -> None:
    assert (await ask(api, await llm_agent(api)))[0] == 400


async def test_a_flow_and_its_components_have_servers_of_their_own(api: httpx2.AsyncClient) -> None:
    inside = {"name": "inside", "url": "{{address}}/mcp"}
    flow = {
        "start_speaker": "agent",
        "model_choice": {"type": "cascading", "model": "gpt-4.1"},
        "start_node_id": "end",
        "nodes": [NODE],
        "mcps": [inside],
        "components": [{"name": "part", "nodes": [NODE], "start_node_id": "end", "mcps": [{**inside, "name": "deep"}]}],
    }
    made = await api.post("/create-conversation-flow", json=flow)
    assert made.status_code == 201, made.text
    agent_id = await agent_of(
        api, {"type": "conversation-flow", "conversation_flow_id": made.json()["conversation_flow_id"]}
    )
    for asked, status in (
        ({"mcp_id": "inside"}, 400),
        ({"mcp_id": "deep"}, 422),
        ({"mcp_id": "deep", "component_id": "part"}, 400),
        ({"mcp_id": "inside", "component_id": "part"}, 422),
        ({"mcp_id": "deep", "component_id": "nobody"}, 422),
    ):
        assert (await ask(api, agent_id, **asked))[0] == status, asked
    assert (await ask(api, await llm_agent(api, inside), mcp_id="inside", component_id="part"))[0] == 400
