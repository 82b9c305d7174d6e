"""A call is made with the agent as it is at that moment, however often the agent was just asked for."""

from typing import Any

import anyio
import httpx2
import pytest

pytestmark = pytest.mark.anyio

ENGINE = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}


async def made(api: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


async def called(api: httpx2.AsyncClient, agent_id: str, version: int | str | None = None) -> dict[str, Any]:
    return await made(api, "/v2/create-web-call", {"agent_id": agent_id, "agent_version": version})


async def agent(api: httpx2.AsyncClient, engine: dict[str, Any] | None = None) -> str:
    body = {"voice_id": "default", "response_engine": engine or ENGINE, "agent_name": "Ada"}
    agent_id: str = (await made(api, "/create-agent", body))["agent_id"]
    await called(api, agent_id)
    return agent_id


async def test_a_change_is_seen(api: httpx2.AsyncClient) -> None:
    agent_id = await agent(api)
    assert (await api.patch(f"/update-agent/{agent_id}", json={"agent_name": "Bob"})).is_success
    assert (await called(api, agent_id))["agent_name"] == "Bob"


async def test_a_new_version_and_a_publication_are_seen(api: httpx2.AsyncClient) -> None:
    agent_id = await agent(api)
    assert (await called(api, agent_id))["agent_version"] == 0
    await made(api, f"/publish-agent-version/{agent_id}", {"version": 0})
    await called(api, agent_id, "latest_published")
    await made(api, f"/create-agent-version/{agent_id}", {"base_version": 0})
    assert (await called(api, agent_id))["agent_version"] == 1
    await made(api, f"/publish-agent-version/{agent_id}", {"version": 1})
    assert (await called(api, agent_id, "latest_published"))["agent_version"] == 1


async def test_a_tag_that_is_moved_or_deleted_is_seen(api: httpx2.AsyncClient) -> None:
    agent_id = await agent(api)
    await made(api, f"/publish-agent-version/{agent_id}", {"version": 0})
    await made(api, f"/create-agent-version/{agent_id}", {"base_version": 0})
    for version in (0, 1):
        await made(api, f"/assign-agent-tag/{agent_id}", {"tag": "prod", "version": version})
        assert (await called(api, agent_id, "prod"))["agent_version"] == version
    assert (await api.delete(f"/delete-agent-tag/{agent_id}?tag=prod")).is_success
    answer = await api.post("/v2/create-web-call", json={"agent_id": agent_id, "agent_version": "prod"})
    assert answer.status_code == 422
    assert "agent_tag" not in await called(api, agent_id)


async def test_a_deleted_agent_makes_no_calls(api: httpx2.AsyncClient) -> None:
    agent_id = await agent(api)
    assert (await api.delete(f"/delete-agent/{agent_id}")).is_success
    answer = await api.post("/v2/create-web-call", json={"agent_id": agent_id})
    assert answer.status_code == 422


async def test_a_draft_that_a_change_of_its_llm_made_is_seen(api: httpx2.AsyncClient) -> None:
    llm = await made(api, "/create-retell-llm", {"general_prompt": "Hello"})
    agent_id = await agent(api, {"type": "retell-llm", "llm_id": llm["llm_id"]})
    await made(api, f"/publish-agent-version/{agent_id}", {"version": 0})
    assert (await called(api, agent_id))["agent_version"] == 0
    assert (await api.patch(f"/update-retell-llm/{llm['llm_id']}", json={"general_prompt": "Bye"})).is_success
    assert (await called(api, agent_id))["agent_version"] == 1


async def test_calls_and_changes_at_the_same_time_never_leave_an_old_agent(api: httpx2.AsyncClient) -> None:
    agent_id = await agent(api)
    is_over = False

    async def go_on_calling() -> None:
        while not is_over:
            await called(api, agent_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(go_on_calling)
        for number in range(15):
            name = f"Ada {number}"
            assert (await api.patch(f"/update-agent/{agent_id}", json={"agent_name": name})).is_success
            assert (await called(api, agent_id))["agent_name"] == name
        is_over = True
