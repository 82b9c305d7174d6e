"""Versions of agents over HTTP: drafts, publication, tags and the lists."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

AGENT: dict[str, Any] = {
    "voice_id": "default",
    "agent_name": "Ada",
    "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com/llm"},
}


@pytest.fixture
async def agent_id(api: httpx2.AsyncClient) -> str:
    return await create(api)


async def create(api: httpx2.AsyncClient, **fields: Any) -> str:
    answer = await api.post("/create-agent", json={**AGENT, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["agent_id"])


async def publish(api: httpx2.AsyncClient, agent_id: str, version: int, **texts: str) -> None:
    answer = await api.post(f"/publish-agent-version/{agent_id}", json={"version": version, **texts})
    assert (answer.status_code, answer.content) == (200, b"")


async def get(api: httpx2.AsyncClient, agent_id: str, version: int | str | None = None) -> dict[str, Any]:
    answer = await api.get(f"/get-agent/{agent_id}", params={} if version is None else {"version": version})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_published_version_cannot_change_any_more(api: httpx2.AsyncClient, agent_id: str) -> None:
    await publish(api, agent_id, 0, version_title="first", version_description="the very first")
    published = await get(api, agent_id)
    assert (published["is_published"], published["version_title"]) == (True, "first")
    refused = await api.patch(f"/update-agent/{agent_id}", params={"version": 0}, json={"volume": 0.5})
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert f"/create-agent-version/{agent_id}" in refused.json()["fix"]
    assert await get(api, agent_id, 0) == published


async def test_a_change_after_publication_begins_a_draft(api: httpx2.AsyncClient, agent_id: str) -> None:
    await publish(api, agent_id, 0, version_title="first")
    changed = (await api.patch(f"/update-agent/{agent_id}", json={"volume": 0.5})).json()
    assert (changed["version"], changed["base_version"], changed["is_published"]) == (1, 0, False)
    assert "version_title" not in changed
    assert (await get(api, agent_id, 0))["volume"] == 1.0
    again = (await api.patch(f"/update-agent/{agent_id}", json={"agent_name": "Bea"})).json()
    assert (again["version"], again["volume"], again["agent_name"]) == (1, 0.5, "Bea")


async def test_drafts_are_made_of_any_version_and_numbers_are_given_once(
    api: httpx2.AsyncClient, agent_id: str
) -> None:
    made = [
        (await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})).json()["version"]
        for _ in range(2)
    ]
    assert made == [1, 2]
    gone = await api.delete(f"/delete-agent-version/{agent_id}", params={"version": 2})
    assert gone.status_code == 204
    answer = await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 1})
    assert answer.status_code == 201
    assert (answer.json()["version"], answer.json()["base_version"]) == (3, 1)


async def test_the_only_version_and_a_tagged_one_are_not_deleted(api: httpx2.AsyncClient, agent_id: str) -> None:
    only = await api.delete(f"/delete-agent-version/{agent_id}", params={"version": 0})
    assert (only.status_code, only.json()["fix"]) == (412, f"DELETE /delete-agent/{agent_id} deletes the agent")
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "prod", "version": 0})
    tagged = await api.delete(f"/delete-agent-version/{agent_id}", params={"version": 0})
    assert tagged.status_code == 412
    assert "'prod'" in tagged.json()["message"]


async def test_the_latest_published_version_is_the_last_that_was_published(
    api: httpx2.AsyncClient, agent_id: str
) -> None:
    for _ in range(2):
        await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    for version in (2, 1):
        await publish(api, agent_id, version)
    assert (await get(api, agent_id, "latest"))["version"] == 2
    published = (await get(api, agent_id, "latest_published"))["last_modification_timestamp"]
    assert published == (await get(api, agent_id, 1))["last_modification_timestamp"]


async def test_to_publish_twice_changes_nothing(api: httpx2.AsyncClient, agent_id: str) -> None:
    await publish(api, agent_id, 0)
    before = await get(api, agent_id)
    await publish(api, agent_id, 0, version_title="later")
    assert await get(api, agent_id) == before


async def test_the_older_publish_makes_the_next_draft_at_once(api: httpx2.AsyncClient, agent_id: str) -> None:
    assert (await api.post(f"/publish-agent/{agent_id}")).status_code == 200
    assert (await get(api, agent_id, 0))["is_published"] is True
    assert (await get(api, agent_id))["version"] == 1
    await publish(api, agent_id, 1)
    assert (await api.post(f"/publish-agent/{agent_id}")).status_code == 200
    assert (await get(api, agent_id))["version"] == 1


async def test_a_tag_names_a_version_until_it_moves(api: httpx2.AsyncClient, agent_id: str) -> None:
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    body = {"tag": "prod", "version": 0, "dynamic_variables": {"env": "prod"}}
    answer = await api.post(f"/assign-agent-tag/{agent_id}", json=body)
    assert answer.json()["tags"] == {"prod": {"version": 0, "dynamic_variables": {"env": "prod"}}}
    assert (await get(api, agent_id, "prod"))["assigned_tags"] == ["prod"]
    call = await api.post("/v2/create-web-call", json={"agent_id": agent_id, "agent_version": "prod"})
    assert call.json()["agent_version"] == 0
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "prod", "version": 1})
    assert (await get(api, agent_id, "prod"))["version"] == 1
    assert "assigned_tags" not in await get(api, agent_id, 0)
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "beta", "version": 1})
    assert (await get(api, agent_id, 1))["assigned_tags"][0] in {"prod", "beta"}
    assert (await api.delete(f"/delete-agent-tag/{agent_id}", params={"tag": "prod"})).status_code == 204
    assert (await api.get(f"/get-agent/{agent_id}", params={"version": "prod"})).status_code == 422
    assert (await api.delete(f"/delete-agent-tag/{agent_id}", params={"tag": "prod"})).status_code == 422


async def test_a_tag_without_a_version_means_the_latest(api: httpx2.AsyncClient, agent_id: str) -> None:
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "next"})
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    assert (await get(api, agent_id, "next"))["version"] == 1


async def test_versions_are_listed_in_full_and_in_pages(api: httpx2.AsyncClient, agent_id: str) -> None:
    for _ in range(2):
        await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    whole = (await api.get(f"/get-agent-versions/{agent_id}")).json()
    assert [agent["version"] for agent in whole] == [2, 1, 0]
    first = (await api.get(f"/list-agent-versions/{agent_id}", params={"limit": 2})).json()
    assert [item["version"] for item in first["items"]] == [2, 1]
    assert first["has_more"] is True
    rest = (
        await api.get(
            f"/list-agent-versions/{agent_id}", params={"limit": 2, "pagination_key": first["pagination_key"]}
        )
    ).json()
    assert rest == {"items": [{**rest["items"][0], "version": 0, "base_version": None}], "has_more": False}
    rising = (await api.get(f"/list-agent-versions/{agent_id}", params={"sort_order": "ascending"})).json()
    assert [item["version"] for item in rising["items"]] == [0, 1, 2]


async def test_agents_are_listed_as_summaries_of_their_newest_version(api: httpx2.AsyncClient) -> None:
    ids = [await create(api, agent_name=f"Agent {number}", is_transfer_agent=number == 2) for number in range(3)]
    await api.post(f"/create-agent-version/{ids[0]}", json={"base_version": 0})
    await api.post(f"/assign-agent-tag/{ids[0]}", json={"tag": "prod", "version": 0})
    seen: list[dict[str, Any]] = []
    key: str | None = None
    while True:
        params = {"limit": 2} | ({} if key is None else {"pagination_key": key})
        page = (await api.post("/v2/list-agents", params=params)).json()
        seen += page["items"]
        if not page["has_more"]:
            break
        key = page["pagination_key"]
    assert sorted(item["agent_id"] for item in seen) == sorted([*ids, "demo"])
    assert next(item["tags"] for item in seen if item["agent_id"] == ids[0]) == {"prod": {"version": 0}}


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ({"query": "aGENT 1"}, ["Agent 1"]),
        ({"query": "100%"}, []),
        ({"is_transfer_agent": {"type": "boolean", "op": "eq", "value": True}}, ["Agent 2"]),
        ({"channel": {"type": "string", "op": "eq", "value": "chat"}}, []),
        ({"channel": {"type": "string", "op": "ne", "value": "chat"}, "query": "Agent"}, ["Agent 1", "Agent 2"]),
    ],
)
async def test_agents_are_found_by_what_they_are(
    api: httpx2.AsyncClient, criteria: dict[str, Any], names: list[str]
) -> None:
    for number in (1, 2):
        await create(api, agent_name=f"Agent {number}", is_transfer_agent=number == 2)
    answer = await api.post("/v2/list-agents", json={"filter_criteria": criteria})
    assert sorted(item["agent_name"] for item in answer.json()["items"]) == names


async def test_the_older_list_has_an_entry_for_each_version(api: httpx2.AsyncClient, agent_id: str) -> None:
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    whole = [(one["agent_id"], one["version"]) for one in (await api.get("/list-agents")).json()]
    assert sorted(whole) == sorted([(agent_id, 0), (agent_id, 1), ("demo", 0)])
    first = whole[0]
    after = {"pagination_key": first[0], "pagination_key_version": first[1]}
    rest = (await api.get("/list-agents", params=after)).json()
    assert [(one["agent_id"], one["version"]) for one in rest] == whole[1:]
    latest = (await api.get("/list-agents", params={"is_latest": True})).json()
    assert sorted((one["agent_id"], one["version"]) for one in latest) == sorted([(agent_id, 1), ("demo", 0)])


async def test_a_deleted_agent_is_gone_with_all_its_versions(api: httpx2.AsyncClient, agent_id: str) -> None:
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "prod", "version": 1})
    assert (await api.delete(f"/delete-agent/{agent_id}")).status_code == 204
    assert (await api.get(f"/get-agent/{agent_id}", params={"version": "prod"})).status_code == 422
    assert (await api.delete(f"/delete-agent/{agent_id}")).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/create-agent-version/agent_none", {"base_version": 0}, 404),
        ("POST", "/create-agent-version/demo", {"base_version": 7}, 404),
        ("POST", "/create-agent-version/demo", {}, 400),
        ("DELETE", "/delete-agent-version/agent_none?version=0", None, 404),
        ("DELETE", "/delete-agent-version/demo", None, 400),
        ("POST", "/publish-agent-version/agent_none", {"version": 0}, 404),
        ("POST", "/publish-agent-version/demo", {"version": -1}, 400),
        ("POST", "/publish-agent/agent_none", None, 404),
        ("GET", "/list-agent-versions/agent_none", None, 422),
        ("GET", "/get-agent-versions/agent_none", None, 422),
        ("POST", "/assign-agent-tag/demo", {"tag": "prod", "version": 7}, 422),
        ("POST", "/assign-agent-tag/demo", {"tag": "latest", "version": 0}, 400),
        ("POST", "/v2/list-agents?pagination_key=x", {}, 400),
        ("POST", "/v2/list-agents?limit=1001", {}, 400),
        ("POST", "/v2/list-agents?sort_order=up", {}, 400),
        ("GET", f"/list-agents?pagination_key=demo&pagination_key_version={2**63}", None, 400),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_refused(
    api: httpx2.AsyncClient, method: str, path: str, body: Any, status: int
) -> None:
    answer = await api.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == "error"
