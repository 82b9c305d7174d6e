"""The agent resource over HTTP."""

from typing import Any

import anyio
import httpx2
import pytest

pytestmark = pytest.mark.anyio

AGENT: dict[str, Any] = {
    "voice_id": "default",
    "agent_name": "Ada",
    "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com/llm"},
}


async def create(api: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await api.post("/create-agent", json={**AGENT, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_agent_is_created_found_changed_and_listed(api: httpx2.AsyncClient) -> None:
    made = await create(api)
    assert made["version"] == 0
    found = await api.get(f"/get-agent/{made['agent_id']}", params={"version": 0})
    assert found.json() == made
    changed = await api.patch(f"/update-agent/{made['agent_id']}", json={"agent_name": None, "volume": 0.5})
    assert changed.status_code == 200
    assert changed.json()["volume"] == 0.5
    assert "agent_name" not in changed.json()
    listed = (await api.get("/list-agents")).json()
    assert [agent["agent_id"] for agent in listed] == [made["agent_id"], "demo"]


async def test_the_list_is_read_page_by_page(api: httpx2.AsyncClient) -> None:
    for _ in range(3):
        await create(api)
    whole = [agent["agent_id"] for agent in (await api.get("/list-agents")).json()]
    first = [agent["agent_id"] for agent in (await api.get("/list-agents", params={"limit": 2})).json()]
    rest = await api.get("/list-agents", params={"limit": 2, "pagination_key": first[-1]})
    assert first + [agent["agent_id"] for agent in rest.json()] == whole
    assert (await api.get("/list-agents", params={"pagination_key": "agent_none"})).status_code == 400
    assert (await api.get("/list-agents", params={"limit": 0})).status_code == 400


@pytest.mark.parametrize("version", ["latest", "0"])
async def test_a_version_is_named_as_the_sdk_does(api: httpx2.AsyncClient, version: str) -> None:
    assert (await api.get("/get-agent/demo", params={"version": version})).json()["agent_id"] == "demo"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/get-agent/agent_none", 422),
        ("/get-agent/demo?version=7", 422),
        ("/get-agent/demo?version=latest_published", 422),
        ("/get-agent/demo?version=prod", 422),
        ("/get-agent/demo?version=a%20b", 400),
        ("/get-agent/demo?version=-1", 400),
    ],
)
async def test_an_agent_or_version_that_is_not_there_is_refused(
    api: httpx2.AsyncClient, path: str, status: int
) -> None:
    answer = await api.get(path)
    assert answer.status_code == status
    assert answer.json()["status"] == "error"


async def test_a_voice_we_do_not_have_is_taken_with_a_warning(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-agent", json={**AGENT, "voice_id": "retell-Cimo"})
    assert answer.status_code == 201
    assert "retell-Cimo" in answer.headers["X-Retold-Warning"]
    assert answer.json()["voice_id"] == "retell-Cimo"


async def test_an_unknown_field_is_ignored_with_a_warning(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-agent", json={**AGENT, "volum": 0.5, "handbook_config": {"ai_diclosure": True}})
    assert answer.status_code == 201
    warnings = answer.headers.get_list("X-Retold-Warning")
    assert any("volum" in warning and "did you mean volume?" in warning for warning in warnings)
    assert any("handbook_config.ai_diclosure" in warning for warning in warnings)
    assert "volum" not in answer.json()


async def test_a_fetched_agent_can_be_sent_back_as_a_change(api: httpx2.AsyncClient) -> None:
    made = await create(api)
    answer = await api.patch(f"/update-agent/{made['agent_id']}", json=made)
    assert answer.status_code == 200
    assert {**answer.json(), "last_modification_timestamp": 0} == {**made, "last_modification_timestamp": 0}


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        pytest.param({"voice_speed": 3}, "voice_speed", "must be less than or equal to 2, got 3", id="range"),
        pytest.param({"voice_speed": "fast"}, "voice_speed", 'must be a valid number, got "fast"', id="type"),
        pytest.param({"volume": None}, "volume", "got null", id="null where it may not be"),
        pytest.param({"voice_id": 5}, "voice_id", "must be a valid string, got 5", id="number for text"),
        pytest.param({"response_engine": "x"}, "response_engine", 'got "x"', id="text for object"),
        pytest.param({"response_engine": {"type": "custom"}}, "response_engine", "custom-llm", id="unknown engine"),
        pytest.param(
            {"response_engine": {"type": "custom-llm"}},
            "response_engine.llm_websocket_url",
            "is required",
            id="engine without address",
        ),
        pytest.param(
            {"voicemail_option": {"action": {"type": "prompt", "text": 1}}},
            "voicemail_option.action.text",
            "must be a valid string",
            id="nested",
        ),
        pytest.param({"language": "english"}, "language", "known locale", id="language"),
        pytest.param(
            {"response_engine": {"type": "custom-llm", "llm_websocket_url": "ftp://x"}},
            "response_engine.llm_websocket_url",
            "ftp",
            id="scheme",
        ),
        pytest.param({"boosted_keywords": ["a", 5]}, "boosted_keywords[1]", "got 5", id="item of a list"),
    ],
)
async def test_a_wrong_field_is_named_with_its_value_and_nothing_is_stored(
    api: httpx2.AsyncClient, change: dict[str, Any], field: str, says: str
) -> None:
    answer = await api.post("/create-agent", json={**AGENT, **change})
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert says in answer.json()["message"] + answer.json().get("fix", "")
    assert [agent["agent_id"] for agent in (await api.get("/list-agents")).json()] == ["demo"]


async def test_an_enum_value_that_is_almost_right_is_corrected(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-agent", json={**AGENT, "ambient_sound": "cofee-shop"})
    assert "did you mean 'coffee-shop'?" in answer.json()["fix"]
    answer = await api.post("/create-agent", json={**AGENT, "language": "en-Us"})
    assert "did you mean 'en-US'?" in answer.json()["fix"]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"5"])
async def test_a_body_that_is_no_object_is_refused(api: httpx2.AsyncClient, body: bytes) -> None:
    answer = await api.post("/create-agent", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"


async def test_changes_at_the_same_moment_are_all_kept(api: httpx2.AsyncClient) -> None:
    made = await create(api)
    fields = {"volume": 0.5, "voice_speed": 1.5, "responsiveness": 0.25, "agent_name": "Bob", "reminder_max_count": 3}

    async def change(name: str, value: object) -> None:
        answer = await api.patch(f"/update-agent/{made['agent_id']}", json={name: value})
        assert answer.status_code == 200

    async with anyio.create_task_group() as tasks:
        for name, value in fields.items():
            tasks.start_soon(change, name, value)
    agent = (await api.get(f"/get-agent/{made['agent_id']}")).json()
    assert {name: agent[name] for name in fields} == fields


async def test_a_refused_change_changes_nothing(api: httpx2.AsyncClient) -> None:
    made = await create(api)
    change = {"volume": 0.5, "response_engine": {"type": "custom-llm", "llm_websocket_url": "ftp://x"}}
    assert (await api.patch(f"/update-agent/{made['agent_id']}", json=change)).status_code == 400
    assert (await api.get(f"/get-agent/{made['agent_id']}")).json() == made
    assert (await api.patch("/update-agent/agent_none", json={"volume": 0.5})).status_code == 422


async def test_a_call_says_that_its_addresses_are_signed(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-agent", json={**AGENT, "opt_in_signed_url": True})
    call = await api.post("/v2/create-web-call", json={"agent_id": answer.json()["agent_id"]})
    assert call.json()["opt_in_signed_url"] is True
