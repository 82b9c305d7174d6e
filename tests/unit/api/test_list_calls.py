"""list-calls over HTTP in its three generations."""

from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio

TRANSCRIPTS = ("transcript", "transcript_object", "transcript_with_tool_calls")


async def create(api: httpx2.AsyncClient, **fields: Any) -> str:
    answer = await api.post("/v2/create-web-call", json={"agent_id": "demo", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["call_id"]


async def page(api: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post("/v3/list-calls", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(calls: list[dict[str, Any]]) -> list[str]:
    return [call["call_id"] for call in calls]


async def test_v3_answers_with_an_envelope(api: httpx2.AsyncClient) -> None:
    assert await page(api) == {"items": [], "has_more": False}
    made = [await create(api) for _ in range(3)]
    first = await page(api, limit=2, include_total=True)
    assert (first["has_more"], first["total"], len(first["items"])) == (True, 3, 2)
    rest = await page(api, limit=2, pagination_key=first["pagination_key"])
    assert rest.keys() == {"items", "has_more"}
    assert set(ids(first["items"]) + ids(rest["items"])) == set(made)
    assert ids((await page(api, skip=2))["items"]) == ids(rest["items"])


async def test_v3_items_are_calls_without_transcripts(api: httpx2.AsyncClient) -> None:
    call_id = await create(api, metadata={"n": 1})
    await api.post(f"/v2/stop-call/{call_id}")
    whole = (await api.get(f"/v2/get-call/{call_id}")).json()
    [item] = (await page(api))["items"]
    assert item == {name: value for name, value in whole.items() if name not in TRANSCRIPTS}


async def test_v3_filters_by_several_things_at_once(api: httpx2.AsyncClient) -> None:
    wanted = await create(api, metadata={"tier": "gold", "n": 5}, retell_llm_dynamic_variables={"name": "Ann"})
    await create(api, metadata={"tier": "gold", "n": 4}, retell_llm_dynamic_variables={"name": "Ann"})
    await create(api, metadata={"tier": "tin", "n": 5})
    criteria = {
        "agent": [{"agent_id": "demo", "version": [0]}],
        "call_type": {"type": "enum", "op": "in", "value": ["web_call"]},
        "metadata": [
            {"key": "tier", "type": "string", "op": "eq", "value": "gold"},
            {"key": "n", "type": "number", "op": "gt", "value": 4},
        ],
        "dynamic_variables": [{"key": "name", "type": "string", "op": "sw", "value": "A"}],
    }
    found = await page(api, filter_criteria=criteria, include_total=True)
    assert (ids(found["items"]), found["total"]) == ([wanted], 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"skip": -1}, "skip"),
        ({"include_total": "yes"}, "include_total"),
        ({"filter_criteria": {"agents": []}}, "filter_criteria.agents"),
        (
            {"filter_criteria": {"to_number": {"type": "string", "op": "is", "value": "x"}}},
            "filter_criteria.to_number.op",
        ),
        (
            {"filter_criteria": {"call_status": {"type": "enum", "op": "in", "value": ["endet"]}}},
            "filter_criteria.call_status.value[0]",
        ),
        (
            {"filter_criteria": {"metadata": [{"type": "string", "op": "eq", "value": "x"}]}},
            "filter_criteria.metadata[0].key",
        ),
    ],
    ids=str,
)
async def test_v3_refuses_a_wrong_filter_by_name(api: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await api.post("/v3/list-calls", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_near_miss_is_named(api: httpx2.AsyncClient) -> None:
    body = {"filter_criteria": {"call_status": {"type": "enum", "op": "in", "value": ["endet"]}}}
    assert "did you mean 'ended'?" in (await api.post("/v3/list-calls", json=body)).json()["fix"]


@pytest.mark.parametrize("path", ["/v2/list-calls", "/v3/list-calls"])
async def test_what_stands_beside_the_filters_and_is_unknown_is_told(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.post(path, json={"limits": 5, "pagination_key": None, "filter_criteria": {}})
    assert answer.status_code == 200
    assert answer.headers.get_list("X-Retold-Warning") == [
        'field "limits" is unknown and was ignored; did you mean limit?'
    ]


async def test_v1_lists_by_query(api: httpx2.AsyncClient) -> None:
    body = {"agent_id": "demo", "audio_websocket_protocol": "web", "audio_encoding": "mulaw", "sample_rate": 8000}
    made = (await api.post("/register-call", json=body)).json()
    assert (await api.get("/list-calls")).json() == [made]
    for query in (
        "agent_id=demo",
        "agent_id[]=demo&agent_id[]=other",
        "filter_criteria[agent_id]=demo&limit=5&sort_order=ascending",
        "filter_criteria%5Bagent_id%5D%5B%5D=demo",
    ):
        assert ids((await api.get(f"/list-calls?{query}")).json()) == [made["call_id"]], query
    for query in ("agent_id=other", "filter_criteria[after_start_timestamp]=1", "before_end_timestamp=-5"):
        assert (await api.get(f"/list-calls?{query}")).json() == [], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=many", "limit"),
        ("limit=0", "limit"),
        ("sort_order=up", "sort_order"),
        ("after_end_timestamp=now", "after_end_timestamp"),
    ],
)
async def test_v1_refuses_a_wrong_query_by_name(api: httpx2.AsyncClient, query: str, field: str) -> None:
    answer = await api.get(f"/list-calls?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)
