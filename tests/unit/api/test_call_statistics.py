"""get-call-statistics over HTTP."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def asked(api: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await api.post("/get-call-statistics", json=body)


async def create(api: httpx2.AsyncClient, **fields: Any) -> None:
    answer = await api.post("/v2/create-web-call", json={"agent_id": "demo", **fields})
    assert answer.status_code == 201, answer.text


async def test_calls_are_counted_by_the_filters_of_lists(api: httpx2.AsyncClient) -> None:
    await create(api, metadata={"tier": "gold"})
    await create(api, metadata={"tier": "tin"})
    assert (await asked(api)).json()["total_calls"] == 2
    gold = [{"key": "tier", "type": "string", "op": "eq", "value": "gold"}]
    told = (await asked(api, filter_criteria={"metadata": gold}, interval="day")).json()
    assert (told["total_calls"], told["call_type"]) == (1, {"web_call": 1})
    assert [part["total_calls"] for part in told["intervals"]] == [1]
    assert [part["agent_id"] for part in told["agent_versions"]] == ["demo"]


async def test_a_body_is_not_needed(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/get-call-statistics")
    assert (answer.status_code, answer.json()["total_calls"]) == (200, 0)


async def test_a_name_that_nobody_knows_is_warned_of(api: httpx2.AsyncClient) -> None:
    answer = await asked(api, intervall="day")
    assert answer.status_code == 200
    assert "interval" in answer.headers["X-Retold-Warning"]


async def test_an_unknown_zone_is_named(api: httpx2.AsyncClient) -> None:
    answer = await asked(api, timezone="Europe/Atlantis")
    assert answer.status_code == 400
    assert "timezone" in answer.json()["message"]


async def test_a_read_only_key_may_ask(api: httpx2.AsyncClient) -> None:
    made = await api.post("/create-api-key", json={"name": "board", "scopes": ["read"]})
    answer = await api.post("/get-call-statistics", headers={"Authorization": f"Bearer {made.json()['api_key']}"})
    assert answer.status_code == 200
