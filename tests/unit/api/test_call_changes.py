"""Changing and deleting calls over HTTP, and how many are going on."""

from typing import Any

import anyio
import httpx2
import pytest

from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


async def stopped(api: httpx2.AsyncClient, **fields: Any) -> str:
    call_id: str = (await api.post("/v2/create-web-call", json={"agent_id": "demo", **fields})).json()["call_id"]
    assert (await api.post(f"/v2/stop-call/{call_id}")).status_code == 204
    return call_id


async def test_a_call_that_is_over_is_updated(api: httpx2.AsyncClient) -> None:
    call_id = await stopped(api, metadata={"old": 1})
    body = {"metadata": {"new": [None, 2]}, "custom_attributes": {"vip": True, "score": 3}}
    answer = await api.patch(f"/v2/update-call/{call_id}", json=body)
    assert answer.status_code == 200
    call = answer.json()
    assert {name: call[name] for name in body} == body
    assert (await api.get(f"/v2/get-call/{call_id}")).json() == call
    more = (await api.patch(f"/v2/update-call/{call_id}", json={"custom_attributes": {"score": 4}})).json()
    assert more["custom_attributes"] == {"vip": True, "score": 4}
    assert more["metadata"] == body["metadata"]


async def test_the_storage_setting_is_only_tightened(api: httpx2.AsyncClient) -> None:
    path = f"/v2/update-call/{await stopped(api)}"
    tight = await api.patch(path, json={"data_storage_setting": "basic_attributes_only"})
    assert tight.json()["data_storage_setting"] == "basic_attributes_only"
    loose = await api.patch(path, json={"data_storage_setting": "everything"})
    assert (loose.status_code, loose.json()["field"]) == (400, "data_storage_setting")


async def test_what_an_update_does_not_heed_is_said(api: httpx2.AsyncClient) -> None:
    path = f"/v2/update-call/{await stopped(api)}"
    answer = await api.patch(path, json={"metadat": {}, "override_dynamic_variables": {"a": "b"}})
    assert answer.status_code == 200
    warnings = answer.headers.get_list("X-Retold-Warning")
    assert any("did you mean metadata" in warning for warning in warnings)
    assert any("override_dynamic_variables" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metadata": {"x": "y" * 50_001}}, "metadata"),
        ({"metadata": 1}, "metadata"),
        ({"custom_attributes": {"a": []}}, "custom_attributes.a"),
        ({"data_storage_setting": "nothing"}, "data_storage_setting"),
    ],
    ids=["too long", "no object", "list", "unknown setting"],
)
async def test_an_update_that_cannot_be_changes_nothing(
    api: httpx2.AsyncClient, body: dict[str, Any], field: str
) -> None:
    call_id = await stopped(api)
    before = (await api.get(f"/v2/get-call/{call_id}")).json()
    answer = await api.patch(f"/v2/update-call/{call_id}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert (await api.get(f"/v2/get-call/{call_id}")).json() == before


async def test_a_call_that_is_not_over_is_neither_updated_nor_analysed(api: httpx2.AsyncClient) -> None:
    made = (await api.post("/v2/create-web-call", json={"agent_id": "demo"})).json()["call_id"]
    for answer in (
        await api.patch(f"/v2/update-call/{made}", json={"metadata": {}}),
        await api.put(f"/rerun-call-analysis/{made}"),
    ):
        assert (answer.status_code, answer.json()["field"]) == (400, "call_id")


async def test_a_call_is_deleted_once(api: httpx2.AsyncClient) -> None:
    call_id = await stopped(api)
    answer = await api.delete(f"/v2/delete-call/{call_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get(f"/v2/get-call/{call_id}")).status_code == 422
    assert (await api.delete(f"/v2/delete-call/{call_id}")).status_code == 422
    assert (await api.post("/v2/list-calls", json={})).json() == []


async def test_an_analysis_that_is_asked_for_gives_the_call_as_it_is_and_comes_soon(api: httpx2.AsyncClient) -> None:
    call_id = await stopped(api)
    before = (await api.get(f"/v2/get-call/{call_id}")).json()
    answer = await api.put(f"/rerun-call-analysis/{call_id}")
    assert (answer.status_code, answer.json()) == (200, before)
    after = before
    with anyio.fail_after(PATIENCE_S):
        while "call_analysis" not in after:
            await anyio.sleep(0.02)
            after = (await api.get(f"/v2/get-call/{call_id}")).json()
    assert after == before | {
        "call_analysis": {
            "call_summary": "The call did not connect (manual_stopped).",
            "call_successful": False,
            "user_sentiment": "Unknown",
            "in_voicemail": False,
            "custom_analysis_data": {},
        }
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v2/update-call/{}"),
        ("DELETE", "/v2/delete-call/{}"),
        ("PUT", "/rerun-call-analysis/{}"),
    ],
)
@pytest.mark.parametrize("call_id", ["call_none", "c" * 5_000], ids=["unknown", "endless"])
async def test_an_unknown_call_is_422(api: httpx2.AsyncClient, method: str, path: str, call_id: str) -> None:
    answer = await api.request(method, path.format(call_id), json={} if method == "PATCH" else None)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("Cannot find requested asset under given api key")


async def test_an_override_is_for_one_call(api: httpx2.AsyncClient) -> None:
    override = {"agent": {"data_storage_setting": "basic_attributes_only"}, "retell_llm": {"model": "gpt-5"}}
    made = await api.post("/v2/create-web-call", json={"agent_id": "demo", "agent_override": override})
    assert made.json()["data_storage_setting"] == "basic_attributes_only"
    assert "agent_override" not in made.json()
    plain = await api.post("/v2/create-web-call", json={"agent_id": "demo"})
    assert plain.json()["data_storage_setting"] == "everything"


async def test_concurrency_is_told_in_true_numbers(api: httpx2.AsyncClient) -> None:
    answer = (await api.get("/get-concurrency")).json()
    assert (answer["current_concurrency"], answer["concurrency_limit"]) == (0, 20)
    assert answer["concurrency_burst_enabled"] is False


async def test_a_call_knows_the_tag_it_was_made_with_and_its_variables(api: httpx2.AsyncClient) -> None:
    agent = {
        "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://x.example.com"},
        "voice_id": "default",
    }
    agent_id = (await api.post("/create-agent", json=agent)).json()["agent_id"]
    tag = {"tag": "prod", "version": 0, "dynamic_variables": {"zone": "eu", "name": "?"}}
    assert (await api.post(f"/assign-agent-tag/{agent_id}", json=tag)).is_success
    body = {"agent_id": agent_id, "agent_version": "prod", "retell_llm_dynamic_variables": {"name": "Ann"}}
    made = (await api.post("/v2/create-web-call", json=body)).json()
    assert (made["agent_tag"], made["agent_version"]) == ("prod", 0)
    assert made["retell_llm_dynamic_variables"] == {"zone": "eu", "name": "Ann"}
