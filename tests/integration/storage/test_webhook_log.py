"""What an organisation sees of its webhook events, and how it has them sent again."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from retold.clock import SystemClock
from retold.domain.consequences import Consequences, NewEvent
from retold.domain.page import PageQuery, parse_place
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.domain.webhook_events import endpoint_of
from retold.domain.webhook_log import EndpointState, EventFilter, EventState, WebhookEndpoint, WebhookEvent
from retold.domain.webhook_schedule import FAILURES_TO_OPEN
from retold.errors import Conflict
from retold.ids import DEFAULT_ORG_ID, OrgId, new_event_id
from retold.storage.store import Store, with_call
from retold.storage.webhook_claims import DueEvent
from retold.storage.webhooks import Attempt
from support.stored import BORN_MS, make_record

pytestmark = pytest.mark.anyio

URL = "https://crm.example.com/hook"
STRANGER = OrgId("org_stranger")
ALL = EventFilter(org_id=DEFAULT_ORG_ID)


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_1")
    await opened.keys.create(STRANGER, "key_2")
    yield opened
    await opened.close()


async def announce(store: Store, *events: str, url: str = URL, **fields: Any) -> list[str]:
    """End a call of which these events are told; gives their ids."""
    record = make_record()
    await store.create_call(record)
    following = tuple(
        NewEvent(
            event_id=new_event_id(),
            event=event,
            endpoint=endpoint_of(DEFAULT_ORG_ID, url),
            url=url,
            timeout_ms=10_000,
            at_ms=BORN_MS + number,
            call=record.call.model_dump_json(exclude_none=True).encode(),
            files_token=record.files_token,
            **fields,
        )
        for number, event in enumerate(events)
    )
    reason = DisconnectionReason.USER_HANGUP
    over = with_call(record, call_status=CallStatus.ENDED, disconnection_reason=reason)
    assert await store.finish_call(over, consequences=Consequences(events=following))
    return [event.event_id for event in following]


async def take(store: Store) -> list[DueEvent]:
    return (await store.webhooks.claim(1_000, ())).events


def attempt(status: int | None = 500, error: str | None = None, reply: bytes = b"sorry") -> Attempt:
    return Attempt(at_ms=BORN_MS, took_ms=12, status=status, error=error, reply=reply)


async def fail(store: Store, *, is_last: bool = False, times: int = 1) -> None:
    """Let all that is due fail, so often."""
    for _ in range(times):
        for event in await take(store):
            await store.webhooks.failed(event, attempt(), None if is_last else 0)


async def listed(store: Store, wanted: EventFilter = ALL, query: PageQuery | None = None) -> list[WebhookEvent]:
    return list((await store.webhook_log.page(wanted, query or PageQuery())).items)


async def only_endpoint(store: Store) -> WebhookEndpoint:
    [endpoint] = await store.webhook_log.endpoints(DEFAULT_ORG_ID)
    return endpoint


async def test_events_are_listed_by_every_filter_and_page(store: Store) -> None:
    first, second, third = await announce(store, "transcript_updated", "call_ended", "call_analyzed")
    [fourth] = await announce(store, "call_ended")
    assert [event.event_id for event in await listed(store)] == [fourth, third, second, first]
    page = await store.webhook_log.page(ALL, PageQuery(limit=3, is_descending=False))
    assert [event.event_id for event in page.items] == [first, second, third]
    assert page.pagination_key is not None
    rest = PageQuery(limit=3, is_descending=False, after=parse_place(page.pagination_key))
    assert [event.event_id for event in await listed(store, query=rest)] == [fourth]

    def filtered(**fields: Any) -> EventFilter:
        return EventFilter(org_id=DEFAULT_ORG_ID, **fields)

    call_id = (await listed(store))[-1].call_id
    assert {event.event_id for event in await listed(store, filtered(call_id=call_id))} == {first, second, third}
    assert {event.event_id for event in await listed(store, filtered(event="call_ended"))} == {second, fourth}
    assert {event.event_id for event in await listed(store, filtered(since_ms=BORN_MS + 1))} == {second, third}
    assert {event.event_id for event in await listed(store, filtered(until_ms=BORN_MS + 1))} == {first, fourth}
    assert await listed(store, filtered(state=EventState.DEAD)) == []
    assert len(await listed(store, filtered(state=EventState.PENDING))) == 4


async def test_another_organisation_sees_and_steers_nothing(store: Store) -> None:
    [event_id] = await announce(store, "call_ended")
    await fail(store, times=FAILURES_TO_OPEN)
    endpoint_id = (await only_endpoint(store)).endpoint_id
    log = store.webhook_log
    assert await listed(store, EventFilter(org_id=STRANGER)) == []
    assert await log.details(STRANGER, event_id, "http://here") is None
    assert not await log.resend(STRANGER, event_id, None)
    assert await log.replay(EventFilter(org_id=STRANGER), URL) == 0
    assert await log.endpoints(STRANGER) == []
    assert not await log.enable(STRANGER, endpoint_id)
    assert (await only_endpoint(store)).state is EndpointState.OPEN


async def test_an_event_shows_its_body_and_every_attempt(store: Store) -> None:
    [event_id] = await announce(store, "call_ended")
    [event] = await take(store)
    await store.webhooks.failed(event, attempt(None, "no answer within 10 s", b""), 0)
    [event] = await take(store)
    await store.webhooks.delivered(event, attempt(204, None, b"\xff\xfe thanks"))
    found = await store.webhook_log.details(DEFAULT_ORG_ID, event_id, "http://here")
    assert found is not None
    assert isinstance(found.body, dict)
    assert found.body["event"] == "call_ended"
    assert found.body["call"] == found.body["data"]
    assert "data_unavailable" not in found.body
    assert [(one.number, one.status, one.error) for one in found.attempts] == [
        (1, None, "no answer within 10 s"),
        (2, 204, None),
    ]
    assert found.attempts[1].reply == "\ufffd\ufffd thanks"
    assert found.event.state is EventState.DELIVERED
    assert found.event.attempt_count == 2
    assert found.event.last_attempt == found.attempts[1]
    assert found.event.next_attempt_timestamp is None
    assert found.event.settled_timestamp is not None


async def test_what_is_not_whole_says_so(store: Store) -> None:
    [event_id] = await announce(store, "call_ended", is_whole=False)
    found = await store.webhook_log.details(DEFAULT_ORG_ID, event_id, "http://here")
    assert found is not None
    assert isinstance(found.body, dict)
    assert found.body["data_unavailable"] is True


async def test_a_dead_event_is_sent_again_under_its_id(store: Store) -> None:
    [event_id] = await announce(store, "call_ended")
    await fail(store, is_last=True)
    assert await take(store) == []
    news = store.webhooks.news
    assert await store.webhook_log.resend(DEFAULT_ORG_ID, event_id, None)
    assert news.is_set()
    [event] = await take(store)
    assert (event.event_id, event.attempts, event.url) == (event_id, 0, URL)
    await store.webhooks.delivered(event, attempt(204))
    found = await store.webhook_log.details(DEFAULT_ORG_ID, event_id, "http://here")
    assert found is not None
    assert [one.number for one in found.attempts] == [1, 2], "what was is still told"
    assert (found.event.state, found.event.attempt_count) == (EventState.DELIVERED, 1)


async def test_an_event_is_sent_elsewhere_when_asked(store: Store) -> None:
    [event_id] = await announce(store, "call_ended")
    await fail(store, is_last=True)
    assert await store.webhook_log.resend(DEFAULT_ORG_ID, event_id, "https://new.example.com/")
    [event] = await take(store)
    assert event.url == "https://new.example.com/"
    assert event.endpoint == endpoint_of(DEFAULT_ORG_ID, "https://new.example.com/")


async def test_what_is_resent_is_tried_though_its_endpoint_rests(store: Store) -> None:
    first, _ = await announce(store, "call_ended", "call_analyzed")
    await fail(store, times=FAILURES_TO_OPEN)
    assert (await only_endpoint(store)).state is EndpointState.OPEN
    assert await take(store) == []
    assert await store.webhook_log.resend(DEFAULT_ORG_ID, first, None)
    assert [event.event_id for event in await take(store)] == [first]


async def test_dead_letters_are_replayed_and_nothing_else(store: Store) -> None:
    dead = await announce(store, "transcript_updated", "call_ended")
    await fail(store, is_last=True)
    await fail(store, is_last=True)
    [delivered] = await announce(store, "call_analyzed")
    for event in await take(store):
        await store.webhooks.delivered(event, attempt(200))
    wanted = EventFilter(org_id=DEFAULT_ORG_ID, state=EventState.DEAD)
    assert await store.webhook_log.replay(wanted, None) == 2
    states = {event.event_id: event.state for event in await listed(store)}
    assert states == {**dict.fromkeys(dead, EventState.PENDING), delivered: EventState.DELIVERED}
    assert await store.webhook_log.replay(wanted, None) == 0


async def test_a_long_range_is_replayed_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retold.storage.webhook_log._REPLAYED_AT_A_TIME", 3)
    for _ in range(4):
        await announce(store, "call_ended", "call_analyzed")
    assert await store.webhook_log.replay(ALL, "https://new.example.com/") == 8
    assert {event.url for event in await listed(store)} == {"https://new.example.com/"}


async def test_endpoints_say_how_they_are_doing(store: Store) -> None:
    assert await store.webhook_log.endpoints(DEFAULT_ORG_ID) == []
    await announce(store, "call_ended", "call_analyzed")
    well = await only_endpoint(store)
    assert (well.state, well.waiting_count, well.url) == (EndpointState.WELL, 2, URL)
    await fail(store)
    failing = await only_endpoint(store)
    assert (failing.state, failing.failure_count) == (EndpointState.FAILING, 1)
    assert failing.last_attempt is not None
    assert (failing.last_attempt.status, failing.last_attempt.reply) == (500, "sorry")
    assert failing.next_attempt_timestamp is not None
    await fail(store, times=FAILURES_TO_OPEN)
    resting = await only_endpoint(store)
    assert resting.state is EndpointState.OPEN
    assert resting.failure_count >= FAILURES_TO_OPEN
    assert resting.next_attempt_timestamp is not None


async def test_an_endpoint_that_is_gone_gets_nothing_until_it_is_enabled(store: Store) -> None:
    first, second = await announce(store, "call_ended", "call_analyzed")
    [event] = await take(store)
    await store.webhooks.gone(event, attempt(410))
    assert {one.state for one in await listed(store)} == {EventState.DROPPED}
    gone = await only_endpoint(store)
    assert (gone.state, gone.waiting_count, gone.next_attempt_timestamp) == (EndpointState.DISABLED, 0, None)
    assert gone.disabled_timestamp is not None
    log, dropped = store.webhook_log, EventFilter(org_id=DEFAULT_ORG_ID, state=EventState.DROPPED)
    with pytest.raises(Conflict, match="410"):
        await log.resend(DEFAULT_ORG_ID, first, None)
    with pytest.raises(Conflict, match="410"):
        await log.replay(dropped, URL)
    assert await log.replay(dropped, None) == 0, "it would only be dropped again"
    assert await log.enable(DEFAULT_ORG_ID, gone.endpoint_id)
    assert not await log.enable(DEFAULT_ORG_ID, gone.endpoint_id), "it is well"
    assert await log.replay(dropped, None) == 2
    assert [event.event_id for event in await take(store)] == [first]
    assert second in {event.event_id for event in await listed(store, EventFilter(org_id=DEFAULT_ORG_ID))}


async def test_an_unknown_event_is_not_resent(store: Store) -> None:
    assert not await store.webhook_log.resend(DEFAULT_ORG_ID, "evt_none", None)
    assert await store.webhook_log.details(DEFAULT_ORG_ID, "evt_none", "http://here") is None
