"""Phone numbers over HTTP."""

from typing import Any

import httpx2
import pytest

from retold.app import App
from retold.ids import DEFAULT_ORG_ID

pytestmark = pytest.mark.anyio

NUMBER = "+14157774444"
PATH = f"/get-phone-number/{NUMBER}"


async def bring(api: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    body = {"phone_number": NUMBER, "termination_uri": "trunk.example.com", **fields}
    return await api.post("/import-phone-number", json=body)


async def test_a_number_is_imported_found_changed_listed_and_deleted(api: httpx2.AsyncClient) -> None:
    made = await bring(api, inbound_agents=[{"agent_id": "demo", "weight": 1}])
    assert made.status_code == 201, made.text
    assert (await api.get(PATH)).json() == made.json()
    changed = await api.patch(f"/update-phone-number/{NUMBER}", json={"nickname": "Front desk"})
    assert changed.json() == {
        **made.json(),
        "nickname": "Front desk",
        "last_modification_timestamp": changed.json()["last_modification_timestamp"],
    }
    assert (await api.get("/v2/list-phone-numbers")).json() == {"items": [changed.json()], "has_more": False}
    assert (await api.get("/list-phone-numbers")).json() == [changed.json()]
    assert (await api.delete(f"/delete-phone-number/{NUMBER}")).status_code == 204
    assert (await api.get(PATH)).status_code == 422


async def test_the_password_of_the_trunk_is_kept_and_never_shown(app: App, api: httpx2.AsyncClient) -> None:
    made = await bring(api, sip_trunk_auth_username="user", sip_trunk_auth_password="hidden one")
    assert "X-Retold-Warning" not in made.headers
    assert await app.store.numbers.password(DEFAULT_ORG_ID, NUMBER) == "hidden one"
    changed = await api.patch(f"/update-phone-number/{NUMBER}", json={"auth_password": "hidden two"})
    assert await app.store.numbers.password(DEFAULT_ORG_ID, NUMBER) == "hidden two"
    await api.patch(f"/update-phone-number/{NUMBER}", json={"nickname": "x"})
    assert await app.store.numbers.password(DEFAULT_ORG_ID, NUMBER) == "hidden two"
    assert "hidden" not in made.text + changed.text + (await api.get(PATH)).text
    await api.delete(f"/delete-phone-number/{NUMBER}")
    await bring(api)
    assert await app.store.numbers.password(DEFAULT_ORG_ID, NUMBER) is None


async def test_a_number_is_imported_once(api: httpx2.AsyncClient) -> None:
    assert (await bring(api)).status_code == 201
    again = await bring(api)
    assert (again.status_code, again.json()["field"]) == (400, "phone_number")


async def test_a_fallback_has_no_fallback_of_its_own(api: httpx2.AsyncClient) -> None:
    await bring(api, fallback_number="+14157770001")
    other = await bring(api, phone_number="+14157774445", fallback_number=NUMBER)
    assert (other.status_code, other.json()["field"]) == (400, "fallback_number")
    await api.patch(f"/update-phone-number/{NUMBER}", json={"fallback_number": None})
    assert (await bring(api, phone_number="+14157774445", fallback_number=NUMBER)).status_code == 201


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ({"agent_id": "agent_none"}, 422),
        ({"agent_id": "demo", "agent_version": "prod"}, 422),
        ({"agent_id": "demo", "agent_version": "a b"}, 400),
    ],
)
async def test_an_agent_that_is_not_there_is_not_bound(
    api: httpx2.AsyncClient, agent: dict[str, Any], status: int
) -> None:
    assert (await bring(api, inbound_agents=[{**agent, "weight": 1}])).status_code == status
    assert (await api.get("/list-phone-numbers")).json() == []


async def test_no_number_can_be_bought_here(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-phone-number", json={"area_code": 415})
    assert answer.status_code == 400
    assert "import-phone-number" in answer.json()["fix"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("PATCH", f"/update-phone-number/{NUMBER}"), ("DELETE", f"/delete-phone-number/{NUMBER}")],
)
async def test_a_number_that_is_not_there_is_refused(api: httpx2.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path, json={} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["field"]) == (422, "phone_number")


async def make_agent(api: httpx2.AsyncClient) -> str:
    engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
    return (await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})).json()["agent_id"]


async def test_a_number_does_not_name_an_agent_that_was_deleted(api: httpx2.AsyncClient) -> None:
    agent_id = await make_agent(api)
    await bring(api, inbound_agents=[{"agent_id": agent_id, "weight": 1}])
    await bring(
        api,
        phone_number="+14157774445",
        outbound_agents=[{"agent_id": agent_id, "weight": 0.75}, {"agent_id": "demo", "weight": 0.25}],
    )
    await bring(api, phone_number="+14157774446", nickname=agent_id)
    gone = await api.delete(f"/delete-agent/{agent_id}")
    assert gone.status_code == 204
    told = gone.headers.get_list("X-Retold-Warning")
    assert sorted(one.split()[2] for one in told) == [NUMBER, "+14157774445"]
    first, second, third = [await api.get(f"/get-phone-number/+1415777444{n}") for n in (4, 5, 6)]
    assert "inbound_agents" not in first.json()
    assert second.json()["outbound_agents"] == [{"agent_id": "demo", "weight": 1}]
    assert third.json()["nickname"] == agent_id
    assert (await api.patch(f"/update-phone-number/{NUMBER}", json={"nickname": "x"})).status_code == 200


@pytest.mark.parametrize(
    ("version", "path"),
    [(0, "/delete-agent-version/{}?version=0"), ("prod", "/delete-agent-tag/{}?tag=prod")],
    ids=["version", "tag"],
)
async def test_what_a_number_names_of_an_agent_stays_until_the_number_names_another(
    api: httpx2.AsyncClient, version: str | int, path: str
) -> None:
    agent_id = await make_agent(api)
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    await api.post(f"/assign-agent-tag/{agent_id}", json={"tag": "prod", "version": 1})
    await bring(api, inbound_agents=[{"agent_id": agent_id, "agent_version": version, "weight": 1}])
    refused = await api.delete(path.format(agent_id))
    assert (refused.status_code, refused.json()["field"]) == (412, "version")
    assert NUMBER in refused.json()["message"]
    assert (await api.get(f"/get-agent/{agent_id}?version={version}")).status_code == 200
    await api.patch(f"/update-phone-number/{NUMBER}", json={"inbound_agents": [{"agent_id": agent_id, "weight": 1}]})
    assert (await api.delete(path.format(agent_id))).status_code == 204


async def test_a_number_that_names_no_version_does_not_keep_versions(api: httpx2.AsyncClient) -> None:
    agent_id = await make_agent(api)
    await api.post(f"/create-agent-version/{agent_id}", json={"base_version": 0})
    await bring(api, inbound_agents=[{"agent_id": agent_id, "weight": 1}])
    assert (await api.delete(f"/delete-agent-version/{agent_id}?version=0")).status_code == 204
