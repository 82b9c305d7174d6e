"""Erasing a person, the proofs, and the report, as the API shows them."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

ANNA = "+14155550101"


async def registered(api: httpx2.AsyncClient, **fields: Any) -> str:
    made = await api.post("/v2/register-phone-call", json={"agent_id": "demo", "from_number": ANNA, **fields})
    assert made.status_code == 201
    return made.json()["call_id"]


async def test_a_person_is_erased_and_the_proof_can_be_read_again(api: httpx2.AsyncClient) -> None:
    call_id = await registered(api)
    other = await registered(api, from_number="+14155550102")
    proof = (await api.post("/erase-person", json={"phone_number": ANNA})).json()
    assert (proof["kind"], proof["erased"]["calls"], proof["is_complete"]) == ("person", 1, True)
    assert not any(proof["left"].values())
    assert (await api.get(f"/v2/get-call/{call_id}")).status_code == 422
    assert (await api.get(f"/v2/get-call/{other}")).status_code == 200
    assert (await api.get(f"/get-erasure/{proof['erasure_id']}")).json() == proof
    assert (await api.get("/list-erasures")).json() == {"items": [proof]}


async def test_deleting_a_call_leaves_a_proof_too(api: httpx2.AsyncClient) -> None:
    call_id = await registered(api)
    assert (await api.delete(f"/v2/delete-call/{call_id}")).status_code == 204
    [proof] = (await api.get("/list-erasures")).json()["items"]
    assert (proof["kind"], proof["erased"]["calls"], proof["is_complete"]) == ("call", 1, True)
    assert call_id not in str(proof)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phone_number": ANNA, "metadata_key": "a", "metadata_value": "b"},
        {"metadata_key": "a"},
        {"metadata_value": "b"},
        {"phone_number": "+1\u0000"},
        {"phone_number": 1},
    ],
    ids=["nobody", "two", "no value", "no key", "nul", "number"],
)
async def test_a_person_that_is_not_named_well_is_refused(api: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    await registered(api)
    assert (await api.post("/erase-person", json=body)).status_code == 400
    assert (await api.get("/list-erasures")).json() == {"items": []}


async def test_an_unknown_erasure_is_not_there(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/get-erasure/erasure_none")
    assert (answer.status_code, answer.json()["status"]) == (404, "error")


async def test_the_report_says_what_is_kept_and_by_which_settings(api: httpx2.AsyncClient) -> None:
    agent = {
        "voice_id": "default",
        "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"},
        "data_storage_setting": "basic_attributes_only",
        "data_storage_retention_days": 30,
        "pii_config": {"mode": "post_call", "categories": ["ssn"]},
    }
    agent_id = (await api.post("/create-agent", json=agent)).json()["agent_id"]
    await registered(api)
    await registered(api, agent_id=agent_id)
    await api.post("/erase-person", json={"phone_number": "+14155550109"})
    report = (await api.get("/get-privacy-report")).json()
    kept = {part["data_storage_setting"]: part["calls"] for part in report["kept_calls"]}
    assert kept == {"everything": 1, "basic_attributes_only": 1}
    [shown] = [one for one in report["agents"] if one["agent_id"] == agent_id]
    assert (shown["data_storage_setting"], shown["data_storage_retention_days"]) == ("basic_attributes_only", 30)
    assert shown["pii_categories"] == ["ssn"]
    assert (report["erasures"], report["unfinished_erasures"], report["overdue_calls"]) == ({"person": 1}, 0, 0)
