"""Phone calls over HTTP: records, validation and an honest end, as there is no telephony here."""

from typing import Any

import anyio
import httpx2
import pytest

from retold.app import App
from retold.ids import CallId
from retold.settings import Settings
from support.invariants import contains
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

NUMBERS = {"from_number": "+14157774444", "to_number": "+12137774445"}
OUTBOUND = {**NUMBERS, "override_agent_id": "demo"}


@pytest.fixture
async def api(api: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """The API of an organisation that has brought its number along."""
    trunk = {"phone_number": NUMBERS["from_number"], "termination_uri": "trunk.example.com"}
    assert (await api.post("/import-phone-number", json=trunk)).status_code == 201
    return api


async def bind(api: httpx2.AsyncClient, **fields: Any) -> None:
    answer = await api.patch(f"/update-phone-number/{NUMBERS['from_number']}", json=fields)
    assert answer.status_code == 200, answer.text


async def make_agent(api: httpx2.AsyncClient, name: str) -> str:
    engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
    agent = {"voice_id": "default", "response_engine": engine, "agent_name": name}
    return (await api.post("/create-agent", json=agent)).json()["agent_id"]


async def ended(api: httpx2.AsyncClient, call_id: str) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        while True:
            call = (await api.get(f"/v2/get-call/{call_id}")).json()
            if call["call_status"] != "registered":
                return call
            await anyio.sleep(0.005)


@pytest.mark.parametrize("path", ["/v2/create-phone-call", "/create-phone-call"])
async def test_an_outbound_call_is_taken_and_ends_at_once_as_not_connected(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.post(path, json={**OUTBOUND, "metadata": {"k": 1}, "custom_sip_headers": {"X-A": "b"}})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {name: made[name] for name in NUMBERS} == NUMBERS
    assert (made["call_type"], made["direction"], made["call_status"]) == ("phone_call", "outbound", "registered")
    assert (made["metadata"], made["custom_sip_headers"]) == ({"k": 1}, {"X-A": "b"})
    assert "access_token" not in made
    call = await ended(api, made["call_id"])
    assert (call["call_status"], call["disconnection_reason"]) == ("not_connected", "telephony_provider_unavailable")
    assert "start_timestamp" not in call


async def test_a_call_has_the_outbound_agent_of_its_number(api: httpx2.AsyncClient) -> None:
    agent_id = await make_agent(api, "caller")
    assert (await api.post("/create-agent-version/" + agent_id, json={"base_version": 0})).status_code == 201
    await bind(api, outbound_agents=[{"agent_id": agent_id, "agent_version": 0, "weight": 1}])
    call = (await api.post("/v2/create-phone-call", json=NUMBERS)).json()
    assert (call["agent_id"], call["agent_version"], call["agent_name"]) == (agent_id, 0, "caller")
    other = (await api.post("/v2/create-phone-call", json={**NUMBERS, "override_agent_version": 1})).json()
    assert (other["agent_id"], other["agent_version"]) == (agent_id, 1)
    assert (await api.post("/v2/create-phone-call", json=OUTBOUND)).json()["agent_id"] == "demo"
    shown = (await api.get(f"/get-phone-number/{NUMBERS['from_number']}")).json()
    assert shown["outbound_agents"] == [{"agent_id": agent_id, "agent_version": 0, "weight": 1}]


@pytest.mark.parametrize("path", ["/v2/create-phone-call", "/create-phone-call"])
async def test_the_fields_of_2024_name_the_outbound_agent_too(api: httpx2.AsyncClient, path: str) -> None:
    await bind(api, outbound_agent_id="demo")
    assert (await api.post(path, json=NUMBERS)).json()["agent_id"] == "demo"


async def test_calls_are_shared_out_among_the_outbound_agents(api: httpx2.AsyncClient) -> None:
    agents = [await make_agent(api, name) for name in ("a", "b")]
    await bind(api, outbound_agents=[{"agent_id": agent_id, "weight": 0.5} for agent_id in agents])
    # All forty go to one of the two once in 5 * 10^11 runs.
    calls = [(await api.post("/v2/create-phone-call", json=NUMBERS)).json()["agent_id"] for _ in range(40)]
    assert set(calls) == set(agents)


async def test_a_call_into_a_country_that_the_number_may_not_call_is_refused(api: httpx2.AsyncClient) -> None:
    await bind(api, allowed_outbound_country_list=["US"])
    assert (await api.post("/v2/create-phone-call", json=OUTBOUND)).status_code == 201
    refused = await api.post("/v2/create-phone-call", json={**OUTBOUND, "to_number": "+493012345678"})
    assert (refused.status_code, refused.json()["field"]) == (400, "to_number")


async def test_a_number_of_a_private_exchange_may_call_when_it_is_said_to_be_one(api: httpx2.AsyncClient) -> None:
    await api.post("/import-phone-number", json={"phone_number": "7001", "termination_uri": "pbx.example.com"})
    asked = {"from_number": "7001", "to_number": "7002", "override_agent_id": "demo"}
    assert (await api.post("/v2/create-phone-call", json=asked)).status_code == 400
    call = await api.post("/v2/create-phone-call", json={**asked, "ignore_e164_validation": True})
    assert (call.status_code, call.json()["from_number"]) == (201, "7001")


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        pytest.param({"to_number": "911"}, 400, "to_number", id="not E.164"),
        pytest.param({"from_number": "7001"}, 400, "from_number", id="own number not E.164"),
        pytest.param({"from_number": "+14157770000"}, 422, "from_number", id="not an own number"),
        pytest.param({"from_number": "7001", "ignore_e164_validation": True}, 422, "from_number", id="not owned"),
        pytest.param({"override_agent_id": None}, 400, "override_agent_id", id="no agent"),
        pytest.param({"override_agent_id": "agent_none"}, 422, "agent_id", id="unknown agent"),
        pytest.param({"override_agent_version": 7}, 422, "agent_id", id="unknown version"),
        pytest.param({"metadata": {"x": "y" * 50_001}}, 400, "metadata", id="metadata size"),
        pytest.param({"custom_sip_headers": {"X-A": "b\r\n"}}, 400, "custom_sip_headers", id="header injection"),
        pytest.param({"agent_override": {"agent": {"volume": 9}}}, 400, "agent_override.agent.volume", id="override"),
    ],
)
async def test_a_call_that_cannot_be_placed_is_refused(
    api: httpx2.AsyncClient, fields: dict[str, Any], status: int, field: str
) -> None:
    answer = await api.post("/v2/create-phone-call", json={**OUTBOUND, **fields})
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert (await api.post("/v2/list-calls", json={})).json() == []


async def test_the_same_idempotency_key_places_one_call(api: httpx2.AsyncClient) -> None:
    body = {**OUTBOUND, "idempotency_key": "order-7", "metadata": {"k": 1}}
    first = await api.post("/v2/create-phone-call", json=body)
    await ended(api, first.json()["call_id"])
    again = await api.post("/v2/create-phone-call", json=body)
    assert (again.status_code, again.json()) == (201, first.json())
    other = await api.post("/v2/create-phone-call", json={**body, "metadata": {"k": 2}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await api.post("/v2/list-calls", json={})).json()) == 1


@pytest.mark.parametrize("header", [True, False], ids=["header", "body field"])
async def test_a_deleted_call_is_not_shown_by_repeating_the_request_that_made_it(
    api: httpx2.AsyncClient, settings: Settings, header: bool
) -> None:
    body = {**OUTBOUND, "metadata": {"who": "quetzalcoatl"}, **({} if header else {"idempotency_key": "order-9"})}
    headers = {"Idempotency-Key": "order-9"} if header else {}
    made = await api.post("/v2/create-phone-call", json=body, headers=headers)
    assert (await api.delete(f"/v2/delete-call/{made.json()['call_id']}")).status_code == 204
    again = await api.post("/v2/create-phone-call", json=body, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "answer_not_kept")
    assert contains(settings.data_dir, "quetzalcoatl") == []


async def test_two_requests_at_once_with_one_key_place_one_call(api: httpx2.AsyncClient) -> None:
    made: list[str] = []

    async def place() -> None:
        answer = await api.post("/v2/create-phone-call", json={**OUTBOUND, "idempotency_key": "order-8"})
        made.append(answer.json()["call_id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(place)
    assert len(set(made)) == 1


async def test_a_registered_phone_call_has_numbers_and_a_direction_in_any_case(api: httpx2.AsyncClient) -> None:
    bare = (await api.post("/v2/register-phone-call", json={"agent_id": "demo"})).json()
    assert (bare["from_number"], bare["to_number"], bare["direction"]) == ("", "", "inbound")
    full = (
        await api.post("/v2/register-phone-call", json={"agent_id": "demo", **NUMBERS, "direction": "outbound"})
    ).json()
    assert {name: full[name] for name in NUMBERS} == NUMBERS
    assert (full["direction"], full["call_status"], full["call_type"]) == ("outbound", "registered", "phone_call")


async def test_a_registered_phone_call_waits_five_minutes(app: App, api: httpx2.AsyncClient) -> None:
    made = (await api.post("/v2/register-phone-call", json={"agent_id": "demo"})).json()
    record = await app.store.find_call(None, CallId(made["call_id"]))
    assert record is not None
    assert record.join_deadline_wall_ms - record.created_wall_ms == 300_000
    assert record.unjoined_reason == "registered_call_timeout"
