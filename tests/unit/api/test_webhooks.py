"""Webhooks over the API. Nobody answers at the address that the events go to, so they stay pending."""

from typing import Any

import httpx2
import pytest

from retold.app import App
from retold.domain.consequences import Consequences, NewEvent
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.domain.webhook_events import endpoint_of
from retold.ids import DEFAULT_ORG_ID, new_event_id
from retold.storage.store import with_call
from support.stored import BORN_MS, make_record

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9/hook"
"""An address that agents may not reach, so that no test sends anything."""


async def announce(app: App, *events: str) -> list[str]:
    """End a call of which these events are told; gives their ids."""
    record = make_record()
    await app.store.create_call(record)
    following = tuple(
        NewEvent(
            event_id=new_event_id(),
            event=event,
            endpoint=endpoint_of(DEFAULT_ORG_ID, URL),
            url=URL,
            timeout_ms=10_000,
            at_ms=BORN_MS + number,
            call=record.call.model_dump_json(exclude_none=True).encode(),
            files_token=record.files_token,
        )
        for number, event in enumerate(events)
    )
    over = with_call(record, call_status=CallStatus.ENDED, disconnection_reason=DisconnectionReason.USER_HANGUP)
    assert await app.store.finish_call(over, consequences=Consequences(events=following))
    return [event.event_id for event in following]


async def ids_of(api: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await api.get("/list-webhook-events", params=query)
    assert answer.status_code == 200, answer.text
    return [event["event_id"] for event in answer.json()["items"]]


async def test_events_are_listed_filtered_and_paged(app: App, api: httpx2.AsyncClient) -> None:
    first, second, third = await announce(app, "transcript_updated", "call_ended", "call_analyzed")
    assert await ids_of(api) == [third, second, first]
    assert await ids_of(api, event="call_ended", state="pending") == [second]
    assert await ids_of(api, state="dead") == []
    assert await ids_of(api, call_id="call_none") == []
    assert await ids_of(api, since_timestamp=BORN_MS + 1, until_timestamp=BORN_MS + 2) == [second]
    page = (await api.get("/list-webhook-events", params={"limit": 2, "sort_order": "ascending"})).json()
    assert [event["event_id"] for event in page["items"]] == [first, second]
    assert page["has_more"] is True
    rest = {"sort_order": "ascending", "pagination_key": page["pagination_key"]}
    assert await ids_of(api, **rest) == [third]


@pytest.mark.parametrize("query", [{"state": "lost"}, {"since_timestamp": "x"}, {"limit": 0}, {"call_id": "x" * 101}])
async def test_a_filter_that_cannot_be_is_refused(api: httpx2.AsyncClient, query: dict[str, Any]) -> None:
    answer = await api.get("/list-webhook-events", params=query)
    assert answer.status_code == 400
    assert answer.json()["field"] in query


async def test_one_event_shows_its_body(app: App, api: httpx2.AsyncClient) -> None:
    [event_id] = await announce(app, "call_ended")
    found = (await api.get(f"/get-webhook-event/{event_id}")).json()
    assert (found["event"], found["state"], found["url"]) == ("call_ended", "pending", URL)
    assert found["event_timestamp"] == BORN_MS
    assert found["body"]["call"]["call_id"] == found["call_id"]
    assert isinstance(found["attempts"], list)


async def test_an_event_is_sent_again_and_elsewhere(app: App, api: httpx2.AsyncClient) -> None:
    [event_id] = await announce(app, "call_ended")
    again = await api.post(f"/resend-webhook-event/{event_id}")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    elsewhere = await api.post(f"/resend-webhook-event/{event_id}", json={"url": URL + "2", "when": "now"})
    assert elsewhere.json()["url"] == URL + "2"
    assert "when" in elsewhere.headers["X-Retold-Warning"]


async def test_a_range_is_replayed(app: App, api: httpx2.AsyncClient) -> None:
    await announce(app, "call_ended", "call_analyzed")
    assert (await api.post("/replay-webhook-events")).json() == {"replayed_count": 0}, "none is dead"
    asked = {"state": "pending", "event": "call_ended", "url": URL + "2"}
    assert (await api.post("/replay-webhook-events", json=asked)).json() == {"replayed_count": 1}


@pytest.mark.parametrize("path", ["/get-webhook-event/evt_none", "/resend-webhook-event/evt_none"])
async def test_an_unknown_event_is_said_to_be_one(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.request("GET" if "get" in path else "POST", path)
    assert (answer.status_code, answer.json()["field"]) == (422, "event_id")


async def test_endpoints_are_listed_with_what_waits(app: App, api: httpx2.AsyncClient) -> None:
    assert (await api.get("/list-webhook-endpoints")).json() == []
    await announce(app, "call_ended", "call_analyzed")
    [endpoint] = (await api.get("/list-webhook-endpoints")).json()
    assert (endpoint["url"], endpoint["waiting_count"]) == (URL, 2)


async def test_an_endpoint_that_is_well_cannot_be_enabled(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/enable-webhook-endpoint/none")
    assert (answer.status_code, answer.json()["field"]) == (422, "endpoint_id")


async def test_the_webhook_of_an_organisation_is_set_and_cleared(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/get-webhook-settings")).json() == {}
    wanted = {"webhook_url": "https://crm.example.com/{{tenant}}", "webhook_events": ["call_ended"]}
    changed = await api.patch("/update-webhook-settings", json=wanted)
    assert (changed.status_code, changed.json()) == (200, wanted)
    await api.patch("/update-webhook-settings", json={"webhook_timeout_ms": 3_000, "webhook_events": None})
    assert (await api.get("/get-webhook-settings")).json() == {
        "webhook_url": wanted["webhook_url"],
        "webhook_timeout_ms": 3_000,
    }
    await api.patch("/update-webhook-settings", json={"webhook_url": None, "webhook_timeout_ms": None})
    assert (await api.get("/get-webhook-settings")).json() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"webhook_url": "ftp://example.com/"},
        {"webhook_url": "crm.example.com"},
        {"webhook_url": "https://user:swordfish@example.com/"},
        {"webhook_url": ""},
        {"webhook_events": ["call_started_maybe"]},
        {"webhook_timeout_ms": 0},
        {"webhook_timeout_ms": 10**9},
    ],
)
async def test_settings_that_cannot_be_are_refused(api: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    answer = await api.patch("/update-webhook-settings", json=fields)
    assert answer.status_code == 400
    assert answer.json()["field"].partition("[")[0] in fields
    assert "swordfish" not in answer.text


async def test_an_address_to_send_to_is_checked_too(app: App, api: httpx2.AsyncClient) -> None:
    [event_id] = await announce(app, "call_ended")
    for path in (f"/resend-webhook-event/{event_id}", "/replay-webhook-events"):
        answer = await api.post(path, json={"url": "gopher://example.com/"})
        assert (answer.status_code, answer.json()["field"]) == (400, "url")
