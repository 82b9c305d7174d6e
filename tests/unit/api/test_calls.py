"""Calls over HTTP, before anyone joins them."""

from typing import Any

import httpx2
import pytest

from retold.app import App
from retold.settings import Settings

pytestmark = pytest.mark.anyio


async def create(api: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/v2/create-web-call", json={"agent_id": "demo", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_v2_answers_with_the_whole_call(api: httpx2.AsyncClient) -> None:
    made = await create(api, metadata={"customer": 7}, retell_llm_dynamic_variables={"name": "Ann"})
    assert made["call_type"] == "web_call"
    assert made["call_status"] == "registered"
    assert made["agent_version"] == 0
    assert made["access_token"]
    assert made["metadata"] == {"customer": 7}
    assert made["retell_llm_dynamic_variables"] == {"name": "Ann"}
    assert None not in made.values()
    assert (await api.get(f"/v2/get-call/{made['call_id']}")).json() == made


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/get-call/", 404),
        ("GET", "/v2/get-call", 404),
        ("GET", "/v2/get-call/call_x/more", 404),
        ("GET", "/v2/get-call/call_x/", 404),
        ("POST", "/v2/get-call/call_x", 405),
        ("GET", "/v2/get-call/call_x", 422),
    ],
)
async def test_only_the_path_of_a_call_gives_a_call(
    api: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.json()["status"] == "error"


async def test_v3_answers_with_what_is_needed_to_join(api: httpx2.AsyncClient, settings: Settings) -> None:
    answer = await api.post("/v3/create-web-call", json={"agent_id": "demo", "agent_version": "latest"})
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"call_id", "access_token", "transport", "ice_servers", "expires_at"}
    assert (made["transport"], made["ice_servers"]) == ("gateway", [])
    call = (await api.get(f"/v2/get-call/{made['call_id']}")).json()
    assert call["access_token"] == made["access_token"]
    assert settings.join_timeout_ms == 30_000


async def test_v1_registers_a_call_with_its_audio(api: httpx2.AsyncClient) -> None:
    body = {
        "agent_id": "demo",
        "audio_websocket_protocol": "web",
        "audio_encoding": "mulaw",
        "sample_rate": 8000,
        "end_call_after_silence_ms": 20000,
        "from_number": "+14157774444",
    }
    answer = await api.post("/register-call", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in body} == body
    assert (await api.get(f"/get-call/{made['call_id']}")).json() == made


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        pytest.param("/v2/create-web-call", {}, 400, "agent_id", id="no agent"),
        pytest.param("/v2/create-web-call", {"agent_id": ""}, 400, "agent_id", id="empty agent"),
        pytest.param("/v2/create-web-call", {"agent_id": "agent_none"}, 422, "agent_id", id="unknown agent"),
        pytest.param("/v3/create-web-call", {"agent_id": "demo", "agent_version": 9}, 422, "agent_id", id="version"),
        pytest.param("/v3/create-web-call", {"agent_id": "demo", "agent_version": "x"}, 422, "agent_id", id="tag"),
        pytest.param("/v2/create-web-call", {"agent_id": "demo", "metadata": []}, 400, "metadata", id="metadata type"),
        pytest.param(
            "/v2/create-web-call",
            {"agent_id": "demo", "metadata": {"x": "y" * 50_001}},
            400,
            "metadata",
            id="metadata size",
        ),
        pytest.param(
            "/v2/create-web-call",
            {"agent_id": "demo", "agent_override": {"agent": {"volume": 9}}},
            400,
            "agent_override.agent.volume",
            id="override",
        ),
        pytest.param("/register-call", {"agent_id": "demo"}, 400, "audio_websocket_protocol", id="no protocol"),
        pytest.param(
            "/register-call",
            {
                "agent_id": "demo",
                "audio_websocket_protocol": "web",
                "audio_encoding": "mulaw",
                "sample_rate": 16000,
            },
            400,
            "sample_rate",
            id="mulaw at 16 kHz",
        ),
        pytest.param(
            "/register-call",
            {
                "agent_id": "demo",
                "audio_websocket_protocol": "web",
                "audio_encoding": "s16le",
                "sample_rate": 96000,
            },
            400,
            "sample_rate",
            id="96 kHz",
        ),
    ],
)
async def test_a_call_that_cannot_be_is_refused_and_not_stored(
    api: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await api.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert (await api.post("/v2/list-calls", json={})).json() == []


async def test_calls_are_listed_by_both_generations_of_filters(api: httpx2.AsyncClient) -> None:
    first = await create(api, metadata={"n": "1"})
    second = await create(api, metadata={"n": "2"})

    async def listed(**body: Any) -> list[str]:
        answer = await api.post("/v2/list-calls", json=body)
        assert answer.status_code == 200, answer.text
        return [call["call_id"] for call in answer.json()]

    assert set(await listed()) == {first["call_id"], second["call_id"]}
    assert await listed(filter_criteria={"call_id": [first["call_id"]]}) == [first["call_id"]]
    assert await listed(filter_criteria={"metadata": {"n": ["2"]}}) == [second["call_id"]]
    assert await listed(filter_criteria={"agent_id": ["other"]}) == []
    assert await listed(filter_criteria={"after_start_timestamp": 1}) == []
    assert await listed(filter_criteria={"call_successful": [True]}) == []
    assert len(await listed(limit=1, sort_order="ascending")) == 1
    page = await listed(limit=1)
    assert page + await listed(limit=1, pagination_key=page[0]) == await listed()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"sort_order": "descendin"}, "sort_order"),
        ({"filter_criteria": {"agent": ["x"]}}, "filter_criteria.agent"),
        ({"filter_criteria": {"call_status": "ended"}}, "filter_criteria.call_status"),
        ({"filter_criteria": []}, "filter_criteria"),
        ({"filter_criteria": {"duration_ms": {"lower_threshold": "5"}}}, "filter_criteria.duration_ms.lower_threshold"),
        ({"filter_criteria": {"version": [0, "1"]}}, "filter_criteria.version[1]"),
        ({"filter_criteria": {"after_start_timestamp": "5"}}, "filter_criteria.after_start_timestamp"),
        ({"filter_criteria": {"metadata": {"a": [[]]}}}, "filter_criteria.metadata.a[0]"),
    ],
    ids=str,
)
async def test_a_wrong_filter_is_refused_by_name(api: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await api.post("/v2/list-calls", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_an_empty_body_lists_everything(api: httpx2.AsyncClient) -> None:
    await create(api)
    answer = await api.post("/v2/list-calls", headers={"Content-Type": "application/json"})
    assert len(answer.json()) == 1


async def test_a_call_that_nobody_joined_can_be_stopped_and_stopped_again(api: httpx2.AsyncClient) -> None:
    made = await create(api)
    for _ in range(2):
        answer = await api.post(
            f"/v2/stop-call/{made['call_id']}", headers={"Content-Type": "application/json"}, content=b""
        )
        assert (answer.status_code, answer.content) == (204, b"")
    call = (await api.get(f"/v2/get-call/{made['call_id']}")).json()
    assert (call["call_status"], call["disconnection_reason"]) == ("ended", "manual_stopped")


async def test_a_draining_server_takes_no_calls(app: App, api: httpx2.AsyncClient) -> None:
    app.live.is_draining = True
    for path in ("/v2/create-web-call", "/v3/create-web-call"):
        answer = await api.post(path, json={"agent_id": "demo"})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert (await api.get("/get-agent/demo")).status_code == 200


async def test_a_call_of_another_organisation_is_not_there(app: App, api: httpx2.AsyncClient) -> None:
    from retold.ids import OrgId  # noqa: PLC0415 - for this test only

    made = await create(api)
    await app.store.keys.create(OrgId("org_other"), "key_other")
    stranger = {"Authorization": "Bearer key_other"}
    for method, path in (
        ("GET", f"/v2/get-call/{made['call_id']}"),
        ("GET", f"/get-call/{made['call_id']}"),
        ("POST", f"/v2/stop-call/{made['call_id']}"),
        ("GET", "/get-agent/demo"),
    ):
        assert (await api.request(method, path, headers=stranger)).status_code == 422, path
    assert (await api.post("/v2/list-calls", json={}, headers=stranger)).json() == []
