"""Webhooks to receivers that do everything wrong: nothing is lost, or sent twice at once, and no redirect is followed.

Time is moved by hand, so that three days of retries pass at once; only what never answers is really waited for.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from retold.domain import standard_webhooks
from retold.domain.api_key import NewKey
from retold.domain.call import CallRecord
from retold.domain.consequences import Consequences
from retold.domain.page import PageQuery
from retold.domain.webhook_log import EventFilter, EventState, WebhookEvent, WebhookEventDetails
from retold.domain.webhook_signature import HEADER, is_signed
from retold.ids import DEFAULT_ORG_ID, CallId
from support.call_house import open_house
from support.post import Post, new_event, open_post
from support.stored import make_record
from support.webhook_receiver import WebhookReceiver, webhook_receiver

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

KEY = "key_webhook_0123456789abcdef"
SHORT_MS = 1_000
"""For receivers that never answer; what answers has far longer, so that a slow machine fails nothing."""
LONG_MS = 60_000
BEHAVIOURS = {
    "/3/status/500": LONG_MS,
    "/1/status/404": LONG_MS,
    "/1/hang": SHORT_MS,
    "/1/trickle": SHORT_MS,
    "/2/reset": LONG_MS,
    "/2/redirect": LONG_MS,
    "/2/busy/2": LONG_MS,
    "/2/short": LONG_MS,
    "/huge": LONG_MS,
    "/long": LONG_MS,
}
MAX_KEPT_CHARS = 1024


@dataclass
class Street:
    """A server that delivers, and a receiver of every kind."""

    post: Post
    receiver: WebhookReceiver

    async def announce(self, url: str, event: str = "call_ended", timeout_ms: int = LONG_MS) -> str:
        """Have an event of a call of its own delivered; gives its id."""
        record = make_record()
        store = self.post.house.store
        await store.create_call(record)
        call = record.call.model_dump_json(exclude_none=True).encode()
        made = replace(new_event(event, url, call), timeout_ms=timeout_ms)

        def follows(_record: CallRecord) -> Consequences:
            return Consequences(events=(made,))

        await store.change_call(DEFAULT_ORG_ID, CallId(record.call.call_id), lambda same: same, follows=follows)
        return made.event_id

    async def until_settled(self) -> dict[str, WebhookEvent]:
        """Let time pass from attempt to attempt until no event waits; gives the events by id."""
        while True:
            rows = await self.post.until_rows(is_tried)
            waiting = [row["due_ms"] for row in rows if row["state"] == "pending"]
            if not waiting:
                break
            rests = [row["open_until_ms"] or 0 for row in await self.post.troubles()]
            left_ms = max(*waiting, *rests, 0) - self.post.house.clock.wall_ms()
            await self.post.pass_ms(max(left_ms, 1))
            attempts = sum(row["attempts"] for row in rows)
            await self.post.until_rows(lambda rows, before=attempts: has_gone_on(rows, before))
        found = await self.post.house.store.webhook_log.page(EventFilter(org_id=DEFAULT_ORG_ID), PageQuery(limit=1_000))
        return {event.event_id: event for event in found.items}

    async def details(self, event_id: str) -> WebhookEventDetails:
        found = await self.post.house.store.webhook_log.details(DEFAULT_ORG_ID, event_id, "http://here")
        assert found is not None
        return found


def is_tried(rows: list[dict[str, Any]]) -> bool:
    """Whether nothing is under way or waits for its first attempt."""
    return all(row["leased_by"] is None and (row["attempts"] or row["state"] != "pending") for row in rows)


def has_gone_on(rows: list[dict[str, Any]], before: int) -> bool:
    return sum(row["attempts"] for row in rows) > before or all(row["state"] != "pending" for row in rows)


@asynccontextmanager
async def open_street(folder: Path) -> AsyncGenerator[Street]:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(folder))
        await house.store.keys.create(DEFAULT_ORG_ID, KEY, NewKey(is_webhook_key=True))
        receiver = await stack.enter_async_context(webhook_receiver(clock=house.clock))
        yield Street(await stack.enter_async_context(open_post(house)), receiver)


async def test_every_event_arrives_whatever_its_receiver_does_at_first(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        ids = {
            path: await street.announce(street.receiver.url(path), timeout_ms=timeout_ms)
            for path, timeout_ms in BEHAVIOURS.items()
        }
        events = await street.until_settled()
        assert {path: events[event_id].state for path, event_id in ids.items()} == dict.fromkeys(
            BEHAVIOURS, EventState.DELIVERED
        )
        receiver = street.receiver
        for path, event_id in ids.items():
            bad = int(path.split("/")[1]) if path[1].isdigit() else 0
            came = receiver.of_path(path)
            assert len(came) == receiver.counts[event_id]
            # What never answers may be given up once more on a machine that stands still.
            assert len(came) == bad + 1 or (len(came) > bad and BEHAVIOURS[path] == SHORT_MS), path
            assert receiver.most_at_once[event_id] == 1, path
            assert len({one.body for one in came}) == 1, path
        assert receiver.of_path("/ok") == [], "a redirect is not followed"
        assert set(receiver.taken) == set(ids.values())


async def test_each_attempt_is_signed_for_its_own_time(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        await street.announce(street.receiver.url("/6/status/500"))
        await street.until_settled()
        came = street.receiver.deliveries
        assert len(came) == 7
        assert came[-1].wall_ms - came[0].wall_ms > 5 * 60_000, "the last one came late"
        for one in came:
            assert is_signed(one.body, KEY, one.headers[HEADER.lower()], one.wall_ms)
            assert standard_webhooks.is_signed(one.body, KEY, one.headers, one.wall_ms)
            assert not is_signed(one.body + b" ", KEY, one.headers[HEADER.lower()], one.wall_ms)
        replayed_ms = came[-1].wall_ms
        assert not is_signed(came[0].body, KEY, came[0].headers[HEADER.lower()], replayed_ms)
        assert not standard_webhooks.is_signed(came[0].body, KEY, came[0].headers, replayed_ms)


async def test_a_long_answer_is_cut_and_its_beginning_shown(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        event_id = await street.announce(street.receiver.url("/huge"))
        await street.until_settled()
        [attempt] = (await street.details(event_id)).attempts
        assert attempt.status == 200
        assert len(attempt.reply or "") == MAX_KEPT_CHARS


async def test_why_there_was_no_answer_is_told(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        urls = {
            "hang": street.receiver.url("/hang"),
            "trickle": street.receiver.url("/trickle"),
            "reset": street.receiver.url("/reset"),
            "bad TLS": street.receiver.secure_url(),
            "nobody there": "http://127.0.0.1:1/",
            "no such host": "http://crm.invalid/",
        }
        ids = {name: await street.announce(url, timeout_ms=SHORT_MS) for name, url in urls.items()}
        await street.post.until_rows(is_tried)
        for name, event_id in ids.items():
            first = (await street.details(event_id)).attempts[0]
            assert first.status is None, name
            assert first.error, name
        first = (await street.details(ids["hang"])).attempts[0]
        assert first.error == "no answer within 1 s"


async def test_a_webhook_that_is_gone_gets_nothing_until_it_is_enabled(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        first = await street.announce(street.receiver.url("/1/gone"))
        assert (await street.until_settled())[first].state is EventState.DROPPED
        second = await street.announce(street.receiver.url("/1/gone"))
        assert (await street.until_settled())[second].state is EventState.DROPPED
        assert street.receiver.counts[second] == 0
        log = street.post.house.store.webhook_log
        [endpoint] = await log.endpoints(DEFAULT_ORG_ID)
        assert await log.enable(DEFAULT_ORG_ID, endpoint.endpoint_id)
        assert await log.resend(DEFAULT_ORG_ID, first, None)
        events = await street.until_settled()
        assert events[first].state is EventState.DELIVERED
        assert [one.number for one in (await street.details(first)).attempts] == [1, 2]


async def test_what_was_given_up_is_replayed_to_another_address(tmp_path: Path) -> None:
    async with open_street(tmp_path) as street:
        ids = {await street.announce(street.receiver.url("/status/500")) for _ in range(3)}
        events = await street.until_settled()
        assert {event.state for event in events.values()} == {EventState.DEAD}
        dead = EventFilter(org_id=DEFAULT_ORG_ID, state=EventState.DEAD)
        assert await street.post.house.store.webhook_log.replay(dead, street.receiver.url("/ok/new")) == 3
        events = await street.until_settled()
        assert {event.state for event in events.values()} == {EventState.DELIVERED}
        assert {one.event_id for one in street.receiver.of_path("/ok/new")} == ids
