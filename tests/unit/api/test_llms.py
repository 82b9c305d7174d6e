"""Retell LLMs over HTTP, and how their versions go along with those of their agents."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def create(api: httpx2.AsyncClient, **fields: Any) -> str:
    answer = await api.post("/create-retell-llm", json={"general_prompt": "one", **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["llm_id"])


async def agent_of(api: httpx2.AsyncClient, llm_id: str) -> str:
    engine = {"type": "retell-llm", "llm_id": llm_id}
    answer = await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})
    assert answer.status_code == 201, answer.text
    assert answer.json()["response_engine"] == {**engine, "version": 0}
    return str(answer.json()["agent_id"])


async def engine_of(api: httpx2.AsyncClient, agent_id: str, version: int | None = None) -> dict[str, Any]:
    params = {} if version is None else {"version": version}
    return (await api.get(f"/get-agent/{agent_id}", params=params)).json()["response_engine"]


async def prompt_of(api: httpx2.AsyncClient, llm_id: str, version: int) -> str:
    return (await api.get(f"/get-retell-llm/{llm_id}", params={"version": version})).json()["general_prompt"]


async def test_an_llm_is_created_found_changed_listed_and_deleted(api: httpx2.AsyncClient) -> None:
    llm_id = await create(api, model_config={"primary": {"model": "big"}})
    changed = (await api.patch(f"/update-retell-llm/{llm_id}", json={"general_prompt": "two"})).json()
    assert (changed["general_prompt"], changed["model"], changed["version"]) == ("two", "big", 0)
    assert (await api.get(f"/get-retell-llm/{llm_id}")).json() == changed
    assert (await api.get("/v2/list-retell-llms")).json() == {"items": [changed], "has_more": False}
    assert (await api.get("/list-retell-llms")).json() == [changed]
    assert (await api.delete(f"/delete-retell-llm/{llm_id}")).status_code == 204
    assert (await api.get(f"/get-retell-llm/{llm_id}")).status_code == 422


async def test_no_field_of_the_sdk_is_called_unknown(api: httpx2.AsyncClient) -> None:
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    tool = {"type": "custom", "name": "t", "url": "https://x.example", "parameters": parameters}
    body = {"model_config": {"primary": {"model": "big"}}, "general_tools": [tool]}
    answer = await api.post("/create-retell-llm", json=body)
    assert "X-Retold-Warning" not in answer.headers
    assert answer.json()["general_tools"] == [tool]


async def test_a_draft_of_an_agent_has_a_draft_of_its_llm(api: httpx2.AsyncClient) -> None:
    llm_id = await create(api)
    agent_id = await agent_of(api, llm_id)
    await api.post(f"/publish-agent-version/{agent_id}", json={"version": 0})
    assert (await api.get(f"/get-retell-llm/{llm_id}")).json()["is_published"] is True
    refused = await api.patch(f"/update-retell-llm/{llm_id}", params={"version": 0}, json={"general_prompt": "two"})
    assert refused.status_code == 412
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    assert await engine_of(api, agent_id) == {"type": "retell-llm", "llm_id": llm_id, "version": 1}
    await api.patch(f"/update-retell-llm/{llm_id}", json={"general_prompt": "two"})
    assert [await prompt_of(api, llm_id, version) for version in (0, 1)] == ["one", "two"]
    assert await engine_of(api, agent_id, 0) == {"type": "retell-llm", "llm_id": llm_id, "version": 0}


async def test_a_change_of_a_published_llm_begins_a_draft_of_its_agents(api: httpx2.AsyncClient) -> None:
    llm_id = await create(api)
    published, drafted = await agent_of(api, llm_id), await agent_of(api, llm_id)
    await api.post(f"/publish-agent-version/{published}", json={"version": 0})
    changed = (await api.patch(f"/update-retell-llm/{llm_id}", json={"general_prompt": "two"})).json()
    assert (changed["version"], changed["is_published"]) == (1, False)
    latest = (await api.get(f"/get-agent/{published}")).json()
    assert (latest["version"], latest["is_published"], latest["response_engine"]["version"]) == (1, False, 1)
    assert (await engine_of(api, published, 0))["version"] == 0
    assert (await api.get(f"/get-agent/{drafted}")).json()["version"] == 0
    assert (await engine_of(api, drafted))["version"] == 1


async def test_an_llm_in_use_is_deleted_only_by_force(api: httpx2.AsyncClient) -> None:
    llm_id = await create(api)
    agent_id = await agent_of(api, llm_id)
    refused = await api.delete(f"/delete-retell-llm/{llm_id}")
    assert refused.status_code == 400
    assert agent_id in refused.json()["message"]
    assert (await api.delete(f"/delete-retell-llm/{llm_id}", params={"force_delete": True})).status_code == 204
    assert (await engine_of(api, agent_id))["llm_id"] == llm_id
    await api.post(f"/publish-agent-version/{agent_id}", json={"version": 0})
    draft = await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    assert draft.json()["response_engine"]["version"] == 0


async def test_a_client_of_2024_pastes_the_address_of_the_llm(api: httpx2.AsyncClient) -> None:
    made = (await api.post("/create-retell-llm", json={"general_prompt": "p"})).json()
    agent = await api.post(
        "/create-agent", json={"voice_id": "default", "llm_websocket_url": made["llm_websocket_url"]}
    )
    assert agent.json()["response_engine"] == {"type": "retell-llm", "llm_id": made["llm_id"], "version": 0}
    assert agent.json()["llm_websocket_url"] == made["llm_websocket_url"]


@pytest.mark.parametrize(
    ("engine", "field"),
    [
        ({"type": "retell-llm", "llm_id": "llm_none"}, "response_engine.llm_id"),
        ({"type": "conversation-flow", "conversation_flow_id": "flow_1"}, "response_engine.conversation_flow_id"),
    ],
)
async def test_an_engine_that_is_not_there_is_refused(
    api: httpx2.AsyncClient, engine: dict[str, Any], field: str
) -> None:
    answer = await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_the_older_list_is_read_page_by_page(api: httpx2.AsyncClient) -> None:
    llm_id = await create(api)
    await create(api)
    agent_id = await agent_of(api, llm_id)
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    whole = [(one["llm_id"], one["version"]) for one in (await api.get("/list-retell-llms")).json()]
    assert len(whole) == 3
    for index, (last, version) in enumerate(whole):
        after = {"pagination_key": last, "pagination_key_version": version}
        rest = (await api.get("/list-retell-llms", params=after)).json()
        assert [(one["llm_id"], one["version"]) for one in rest] == whole[index + 1 :]
    assert (await api.get("/list-retell-llms", params={"pagination_key": whole[-1][0]})).json() == []
    assert (await api.get("/list-retell-llms", params={"pagination_key": "llm_none"})).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/get-retell-llm/llm_none", None, 422),
        ("GET", "/get-retell-llm/llm_none?version=a%20b", None, 400),
        ("PATCH", "/update-retell-llm/llm_none", {"general_prompt": "x"}, 422),
        ("DELETE", "/delete-retell-llm/llm_none", None, 422),
        ("POST", "/create-retell-llm", {"states": [{"name": "a"}]}, 400),
        ("POST", "/create-retell-llm", {"model_config": {"type": "s2"}}, 400),
        ("GET", f"/list-retell-llms?pagination_key=llm_none&pagination_key_version={2**63}", None, 400),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_refused(
    api: httpx2.AsyncClient, method: str, path: str, body: Any, status: int
) -> None:
    answer = await api.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == "error"
