"""Conversation flows and shared components over HTTP, and how their versions go along with those of their agents."""

from typing import Any

import httpx2
import pytest

from support.flows import component, component_node, end, flow, talk, whole_flow

pytestmark = pytest.mark.anyio


async def create(api: httpx2.AsyncClient, **fields: Any) -> str:
    answer = await api.post("/create-conversation-flow", json=flow(global_prompt="one") | fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["conversation_flow_id"])


async def create_component(api: httpx2.AsyncClient, *nodes: dict[str, Any]) -> str:
    answer = await api.post("/create-conversation-flow-component", json=component("pay", *nodes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["conversation_flow_component_id"])


async def agent_of(api: httpx2.AsyncClient, flow_id: str) -> str:
    engine = {"type": "conversation-flow", "conversation_flow_id": flow_id}
    answer = await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})
    assert answer.status_code == 201, answer.text
    assert answer.json()["response_engine"] == {**engine, "version": 0}
    return str(answer.json()["agent_id"])


async def engine_version(api: httpx2.AsyncClient, agent_id: str) -> int:
    return (await api.get(f"/get-agent/{agent_id}")).json()["response_engine"]["version"]


async def test_a_flow_is_created_found_changed_listed_and_deleted(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api, model_config={"primary": {"model": "big"}})
    changed = (await api.patch(f"/update-conversation-flow/{flow_id}", json={"global_prompt": "two"})).json()
    assert (changed["global_prompt"], changed["model_choice"]["model"], changed["version"]) == ("two", "big", 0)
    assert (await api.get(f"/get-conversation-flow/{flow_id}")).json() == changed
    assert (await api.get("/v2/list-conversation-flows")).json() == {"items": [changed], "has_more": False}
    assert (await api.get("/list-conversation-flows")).json() == [changed]
    assert (await api.delete(f"/delete-conversation-flow/{flow_id}")).status_code == 204
    gone = await api.get(f"/get-conversation-flow/{flow_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert (await api.delete(f"/delete-conversation-flow/{flow_id}")).status_code == 404
    assert (await api.patch(f"/update-conversation-flow/{flow_id}", json={})).status_code == 404


async def test_no_field_of_the_sdk_is_called_unknown(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-conversation-flow", json=whole_flow())
    assert answer.status_code == 201, answer.text
    assert "X-Retold-Warning" not in answer.headers
    again = await api.patch(f"/update-conversation-flow/{answer.json()['conversation_flow_id']}", json=answer.json())
    assert {**again.json(), "last_modification_timestamp": 0} == {**answer.json(), "last_modification_timestamp": 0}
    odd = await api.post("/create-conversation-flow", json=flow(talk("a", "a", colour="red")))
    assert odd.headers["X-Retold-Warning"] == 'field "nodes[0].colour" is unknown and was ignored'


async def test_a_flow_that_cannot_run_is_refused_and_nothing_changes(api: httpx2.AsyncClient) -> None:
    dangling = {"nodes": [talk("ask", "gone")]}
    refused = await api.post("/create-conversation-flow", json=flow(**dangling, start_node_id="ask"))
    assert refused.status_code == 400
    assert refused.json()["field"] == "nodes[0].edges[0].destination_node_id"
    assert "node 'ask'" in refused.json()["message"]
    assert (await api.get("/list-conversation-flows")).json() == []
    flow_id = await create(api)
    before = (await api.get(f"/get-conversation-flow/{flow_id}")).json()
    changed = await api.patch(f"/update-conversation-flow/{flow_id}", json={"nodes": [end("bye")]})
    assert (changed.status_code, changed.json()["field"]) == (400, "start_node_id")
    unknown = await api.patch(f"/update-conversation-flow/{flow_id}", json={"nodes": [{"id": "a", "type": "warp"}]})
    assert (unknown.status_code, unknown.json()["field"]) == (400, "nodes[0]")
    assert "extract_dynamic_variables" in unknown.json()["fix"]
    assert (await api.get(f"/get-conversation-flow/{flow_id}")).json() == before


async def test_a_draft_of_an_agent_has_a_draft_of_its_flow(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api)
    agent_id = await agent_of(api, flow_id)
    await api.post(f"/publish-agent-version/{agent_id}", json={"version": 0})
    assert (await api.get(f"/get-conversation-flow/{flow_id}")).json()["is_published"] is True
    refused = await api.patch(f"/update-conversation-flow/{flow_id}", params={"version": 0}, json={"flex_mode": True})
    assert refused.status_code == 412
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    assert await engine_version(api, agent_id) == 1
    await api.patch(f"/update-conversation-flow/{flow_id}", json={"global_prompt": "two"})
    prompts = [
        (await api.get(f"/get-conversation-flow/{flow_id}", params={"version": version})).json()["global_prompt"]
        for version in (0, 1, "latest_published")
    ]
    assert prompts == ["one", "two", "one"]


async def test_a_change_of_a_published_flow_begins_a_draft_of_its_agents(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api)
    published, drafted = await agent_of(api, flow_id), await agent_of(api, flow_id)
    await api.post(f"/publish-agent-version/{published}", json={"version": 0})
    changed = (await api.patch(f"/update-conversation-flow/{flow_id}", json={"global_prompt": "two"})).json()
    assert (changed["version"], changed["is_published"]) == (1, False)
    latest = (await api.get(f"/get-agent/{published}")).json()
    assert (latest["version"], latest["is_published"], latest["response_engine"]["version"]) == (1, False, 1)
    assert (await api.get(f"/get-agent/{drafted}")).json()["version"] == 0
    assert await engine_version(api, drafted) == 1


async def test_a_flow_in_use_is_deleted_only_by_force(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api)
    agent_id = await agent_of(api, flow_id)
    refused = await api.delete(f"/delete-conversation-flow/{flow_id}")
    assert refused.status_code == 400
    assert agent_id in refused.json()["message"]
    forced = await api.delete(f"/delete-conversation-flow/{flow_id}", params={"force_delete": True})
    assert forced.status_code == 204
    await api.post(f"/publish-agent-version/{agent_id}", json={"version": 0})
    draft = await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    assert draft.json()["response_engine"]["version"] == 0


async def test_an_agent_names_a_flow_that_is_there(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api)
    for engine in ({"conversation_flow_id": flow_id[:-1] + "x"}, {"conversation_flow_id": flow_id, "version": 7}):
        body = {"voice_id": "default", "response_engine": {"type": "conversation-flow", **engine}}
        answer = await api.post("/create-agent", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "response_engine.conversation_flow_id")
        assert ("did you mean" in answer.json()["fix"]) == ("version" not in engine)


async def test_the_older_list_is_read_page_by_page(api: httpx2.AsyncClient) -> None:
    flow_id = await create(api)
    await create(api)
    agent_id = await agent_of(api, flow_id)
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    whole = [
        (one["conversation_flow_id"], one["version"]) for one in (await api.get("/list-conversation-flows")).json()
    ]
    assert len(whole) == 3
    for index, (last, version) in enumerate(whole):
        after = {"pagination_key": last, "pagination_key_version": version}
        rest = (await api.get("/list-conversation-flows", params=after)).json()
        assert [(one["conversation_flow_id"], one["version"]) for one in rest] == whole[index + 1 :]
    assert (await api.get("/list-conversation-flows", params={"pagination_key": whole[-1][0]})).json() == []
    assert (await api.get("/list-conversation-flows", params={"pagination_key": "none"})).status_code == 400


async def test_a_shared_component_is_created_found_changed_listed_and_deleted(api: httpx2.AsyncClient) -> None:
    component_id = await create_component(api)
    where = f"-conversation-flow-component/{component_id}"
    changed = (await api.patch(f"/update{where}", json={"name": "book"})).json()
    assert (changed["name"], changed["linked_conversation_flow_ids"]) == ("book", [])
    assert (await api.get(f"/get{where}")).json() == changed
    listed = (await api.get("/v2/list-conversation-flow-components")).json()
    assert listed == {"items": [changed], "has_more": False}
    refused = await api.patch(f"/update{where}", json={"nodes": [talk("a", "gone")]})
    assert (refused.status_code, refused.json()["field"]) == (400, "nodes[0].edges[0].destination_node_id")
    assert (await api.delete(f"/delete{where}")).status_code == 204
    answers = [
        await api.get(f"/get{where}"),
        await api.patch(f"/update{where}", json={}),
        await api.delete(f"/delete{where}"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_flows_keep_a_shared_component_that_is_deleted(api: httpx2.AsyncClient) -> None:
    inner = await create_component(api)
    outer = await create_component(api, component_node("in", inner, "shared", None))
    nodes = [component_node("a", inner, "shared", "b"), component_node("b", outer, "shared", "end"), end()]
    flow_id = await create(api, nodes=nodes, start_node_id="a")
    agent_id = await agent_of(api, flow_id)
    await api.post(f"/publish-agent-version/{agent_id}", json={"version": 0})
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    found = (await api.get(f"/get-conversation-flow-component/{inner}")).json()
    assert found["linked_conversation_flow_ids"] == [flow_id]
    refused = await api.delete(f"/delete-conversation-flow-component/{inner}")
    assert refused.status_code == 400
    assert outer in refused.json()["message"]
    cycle = {"nodes": [component_node("a", outer, "shared", None)]}
    circular = await api.patch(f"/update-conversation-flow-component/{inner}", json=cycle)
    assert circular.status_code == 400
    assert "contains itself" in circular.json()["message"]
    assert (await api.delete(f"/delete-conversation-flow-component/{outer}")).status_code == 204
    assert (await api.delete(f"/delete-conversation-flow-component/{inner}")).status_code == 204
    for version in (0, 1):
        kept = (await api.get(f"/get-conversation-flow/{flow_id}", params={"version": version})).json()
        assert [node.get("component_type") for node in kept["nodes"]] == ["local", "local", None]
        assert [one["conversation_flow_component_id"] for one in kept["components"]] == [outer, inner]
        assert kept["components"][0]["nodes"][0]["component_type"] == "local"
        assert kept["is_published"] is (version == 0)


async def test_a_component_that_no_flow_uses_any_more_is_linked_to_none(api: httpx2.AsyncClient) -> None:
    component_id = await create_component(api)
    flow_id = await create(api, nodes=[component_node("a", component_id, "shared", "a")], start_node_id="a")
    other = await create(api, nodes=[component_node("a", component_id, "shared", "a")], start_node_id="a")
    await api.patch(f"/update-conversation-flow/{flow_id}", json=flow())
    found = (await api.get(f"/get-conversation-flow-component/{component_id}")).json()
    assert found["linked_conversation_flow_ids"] == [other]
    await api.delete(f"/delete-conversation-flow/{other}")
    found = (await api.get(f"/get-conversation-flow-component/{component_id}")).json()
    assert found["linked_conversation_flow_ids"] == []
