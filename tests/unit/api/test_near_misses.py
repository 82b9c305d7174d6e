"""What is almost right is named: ids, tags, filters; never those of another organisation."""

from typing import Any

import httpx2
import pytest

from retold.app import App
from retold.ids import DEFAULT_ORG_ID, OrgId, new_api_key

pytestmark = pytest.mark.anyio

NUMBER = "+14157774444"


async def refused(api: httpx2.AsyncClient, method: str, path: str, body: Any = None) -> str:
    answer = await api.request(method, path, json=body)
    assert answer.status_code in {400, 404, 422}, answer.text
    return answer.json()["fix"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/get-agent/deno", None),
        ("GET", "/get-agent-versions/demos", None),
        ("DELETE", "/delete-agent/dem", None),
        ("POST", "/v2/create-web-call", {"agent_id": "dmo"}),
        ("POST", "/publish-agent-version/demo_", {"version": 0}),
    ],
)
async def test_an_agent_that_is_almost_there_is_named(
    api: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    assert (await refused(api, method, path, body)).endswith("did you mean 'demo'?")


@pytest.mark.parametrize(
    ("version", "near"), [("latst", "latest"), ("latest_publishd", "latest_published"), ("prd", "prod")]
)
async def test_a_version_that_is_almost_there_is_named(api: httpx2.AsyncClient, version: str, near: str) -> None:
    await api.post("/assign-agent-tag/demo", json={"tag": "prod", "version": 0})
    asked = {"agent_id": "demo", "agent_version": version}
    assert (await refused(api, "POST", "/v2/create-web-call", asked)).endswith(f"did you mean '{near}'?")


async def test_a_version_that_is_not_published_is_not_named_again(api: httpx2.AsyncClient) -> None:
    asked = {"agent_id": "demo", "agent_version": "latest_published"}
    assert "did you mean" not in await refused(api, "POST", "/v2/create-web-call", asked)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/get-call/{}"),
        ("POST", "/v2/stop-call/{}"),
        ("PATCH", "/v2/update-call/{}"),
        ("PATCH", "/v2/update-live-call/{}"),
    ],
)
async def test_a_call_of_which_the_end_was_lost_is_named(api: httpx2.AsyncClient, method: str, path: str) -> None:
    call_id = (await api.post("/v2/create-web-call", json={"agent_id": "demo"})).json()["call_id"]
    body = {} if method == "PATCH" else None
    assert (await refused(api, method, path.format(call_id[:-2]), body)).endswith(f"did you mean '{call_id}'?")
    assert "did you mean" not in await refused(api, method, path.format("call_"), body)
    assert "did you mean" not in await refused(api, method, path.format(call_id[:12] + "0" * 20), body)


async def test_a_number_a_voice_and_an_llm_that_are_almost_there_are_named(api: httpx2.AsyncClient) -> None:
    await api.post("/import-phone-number", json={"phone_number": NUMBER, "termination_uri": "trunk.example.com"})
    llm_id = (await api.post("/create-retell-llm", json={})).json()["llm_id"]
    asked = {"from_number": "+14157774443", "to_number": "+12137774445"}
    assert (await refused(api, "POST", "/v2/create-phone-call", asked)).endswith(f"did you mean '{NUMBER}'?")
    assert (await refused(api, "GET", "/get-voice/defalt")).endswith("did you mean 'default'?")
    assert (await refused(api, "GET", f"/get-retell-llm/{llm_id[:-1]}")).endswith(f"did you mean '{llm_id}'?")
    agent = {"voice_id": "default", "response_engine": {"type": "retell-llm", "llm_id": llm_id + "0"}}
    assert (await refused(api, "POST", "/create-agent", agent)).endswith(f"did you mean '{llm_id}'?")
    assert "did you mean" not in await refused(api, "GET", f"/get-retell-llm/{llm_id}?version=7")


@pytest.mark.parametrize(
    ("path", "name", "near"),
    [("/v3/list-calls", "call_statuss", "call_status"), ("/v2/list-calls", "agent_ids", "agent_id")],
)
async def test_a_filter_that_is_almost_one_is_named(api: httpx2.AsyncClient, path: str, name: str, near: str) -> None:
    answer = await api.post(path, json={"filter_criteria": {name: []}})
    assert (answer.status_code, answer.json()["field"]) == (400, f"filter_criteria.{name}")
    assert answer.json()["message"] == f"filter_criteria.{name} is not known"
    assert answer.json()["fix"].endswith(f"did you mean '{near}'?")


async def test_what_another_organisation_has_is_not_named(app: App, api: httpx2.AsyncClient) -> None:
    agent = (await app.store.agents.resolve(DEFAULT_ORG_ID, "demo")).agent
    await app.store.keys.create(OrgId("org_other"), new_api_key())
    await app.store.agents.save(OrgId("org_other"), agent.model_copy(update={"agent_id": "receptionist"}))
    assert "did you mean" not in await refused(api, "GET", "/get-agent/receptionis")
