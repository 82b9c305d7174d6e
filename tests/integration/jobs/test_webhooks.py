"""Webhooks on their way: from the moment of a call to a receiver on the loopback."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from retold.calls.consequences import audience_of
from retold.domain import standard_webhooks
from retold.domain.api_key import NewKey
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.domain.webhook_events import NO_WEBHOOK, Moment, OrgWebhook
from retold.domain.webhook_schedule import ATTEMPTS, DELAYS_MS, PROBES_MS
from retold.domain.webhook_signature import is_signed
from retold.ids import DEFAULT_ORG_ID
from retold.storage.claims import LEASE_MS
from retold.storage.store import Store, with_call
from retold.storage.webhooks import Attempt, WebhookStore
from support.call_house import CANARY, hang_up_at_once, open_house, talk
from support.database import shared_postgres
from support.post import OK, Post, failing, open_post
from support.stored import BORN_MS, delete_call, make_record
from support.web_server import Answer, WebRequest, answer

pytestmark = pytest.mark.anyio

WEBHOOK_KEY = "key_webhook_0123456789abcdef"
DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "postgresql"])
async def post(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Post]:
    url = shared_postgres().new_database() if request.param == "postgresql" else None
    async with open_house(tmp_path, database_url=url) as house, open_post(house, database_url=url) as opened:
        yield opened


# --- a whole call ---


async def test_a_call_tells_of_its_start_and_its_end(post: Post) -> None:
    await tell_organisation(post)
    house = post.house
    house.script = talk(house.clock)
    finished = await house.hold(await house.create(metadata={"order": 7}))
    await post.until_states("delivered", "delivered")
    assert post.told() == ["call_started", "call_ended"]
    started, ended = (request.json for request in post.received)
    assert started["call"]["call_status"] == "ongoing"
    assert started["event_timestamp"] == started["call"]["start_timestamp"]
    assert ended["call"]["transcript"] == finished.call.transcript
    assert ended["call"]["metadata"] == {"order": 7}
    assert ended["event_timestamp"] == finished.call.end_timestamp
    assert ended["data"] == ended["call"]
    assert ended["call"]["recording_url"].startswith("https://retold.example/files/")
    assert orjson.dumps(ended) == post.received[1].body


async def test_a_call_that_nobody_joined_tells_of_its_end_alone(post: Post) -> None:
    await tell_organisation(post)
    house = post.house
    await house.create()
    house.clock.pass_ms(60_000)
    await house.live.end_overdue()
    await post.until_states("delivered")
    [ended] = [request.json for request in post.received]
    assert (ended["event"], ended["call"]["disconnection_reason"]) == (
        "call_ended",
        DisconnectionReason.ERROR_USER_NOT_JOINED,
    )


async def test_an_address_has_the_variables_of_the_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_post(house) as post:
        url = f"{post.url}/{{{{customer}}}}?call={{{{call_id}}}}&at={{{{session_type}}}}&no={{{{unknown}}}}"
        await house.store.agents.change(
            DEFAULT_ORG_ID,
            house.agent.agent_id,
            None,
            lambda agent: agent.model_copy(update={"webhook_url": url, "webhook_events": ["call_started"]}),
            0,
        )
        house.script = hang_up_at_once
        record = await house.create(dynamic_variables={"customer": "a/b c"})
        await house.hold(record)
        await post.until_states("delivered")
        [request] = post.received
        assert request.target == (
            f"/hook/a%2Fb%20c?call={record.call.call_id}&at=voice&no=%7B%7Bunknown%7D%7D"
        ) or request.target.endswith("no={{unknown}}")


async def test_what_may_not_be_stored_is_sent_all_the_same(post: Post) -> None:
    await tell_organisation(post)
    record = make_record(data_storage_setting="basic_attributes_only")
    await post.house.store.create_call(record)
    post.respond = failing(1)
    post.unstored[record.call.call_id] = with_call(record, transcript=f"User: {CANARY}")
    await end(post, record)
    await post.until(lambda: len(post.received) == 1)
    del post.unstored[record.call.call_id]
    await post.until_rows(lambda rows: rows[0]["attempts"] == 1)
    await post.pass_ms(DELAYS_MS[0])
    await post.until_states("delivered")
    first, later = (request.json for request in post.received)
    assert first["call"]["transcript"] == f"User: {CANARY}"
    assert "data_unavailable" not in first
    assert "transcript" not in later["call"]
    assert later["data_unavailable"] is True


# --- attempts ---


async def test_an_event_is_tried_until_it_arrives_each_time_signed_anew(post: Post) -> None:
    post.respond = failing(2)
    await post.house.store.keys.create(
        DEFAULT_ORG_ID, WEBHOOK_KEY, NewKey(api_key_name="webhooks", is_webhook_key=True)
    )
    await post.announce("call_ended")
    for number, delay_ms in enumerate(DELAYS_MS[:2], start=1):
        await post.until_rows(lambda rows, number=number: rows[0]["attempts"] == number)
        await post.pass_ms(delay_ms)
    [row] = await post.until_states("delivered")
    assert len(post.received) == 3
    assert {request.headers["webhook-id"] for request in post.received} == {row["event_id"]}
    assert len({request.headers["x-retell-signature"] for request in post.received}) == 3
    now_ms = post.house.clock.wall_ms()
    for request in post.received:
        assert is_signed(request.body, WEBHOOK_KEY, request.headers["x-retell-signature"], now_ms)
        assert standard_webhooks.is_signed(request.body, WEBHOOK_KEY, request.headers, now_ms)
    attempts = await post.attempts()
    assert [(one["number"], one["status"]) for one in attempts] == [(1, 500), (2, 500), (3, 200)]
    assert attempts[2]["reply"] == b'{"ok":true}'


async def test_after_the_last_attempt_an_event_is_dead(post: Post) -> None:
    post.respond = failing(99, status=404)
    await post.announce("call_ended")
    for number, delay_ms in enumerate(DELAYS_MS, start=1):
        await post.until_rows(lambda rows, number=number: rows[0]["attempts"] == number)
        # An endpoint that has failed ten times has a rest of its own.
        await post.pass_ms(max(delay_ms, PROBES_MS[-1]))
    await post.until_states("dead")
    assert len(post.received) == ATTEMPTS


async def test_a_receiver_is_given_the_time_it_asks_for(post: Post) -> None:
    post.respond = replies(answer({}, 429, Retry_After="90"), OK)
    await post.announce("call_ended")
    [row] = await post.until_rows(lambda rows: rows[0]["attempts"] == 1)
    assert row["due_ms"] - post.house.clock.wall_ms() == 90_000
    await post.pass_ms(90_000)
    await post.until_states("delivered")


async def test_a_redirect_is_not_followed(post: Post) -> None:
    post.respond = replies(answer(b"", 301, Location=f"{post.url}/elsewhere"), OK)
    await post.announce("call_ended")
    await post.until_rows(lambda rows: rows[0]["attempts"] == 1)
    assert [request.path for request in post.received] == ["/hook"]
    assert [one["status"] for one in await post.attempts()] == [301]


async def test_of_a_long_answer_the_beginning_is_kept(post: Post) -> None:
    post.respond = replies(answer(b"x" * 200_000))
    await post.announce("call_ended")
    await post.until_states("delivered")
    [attempt] = await post.attempts()
    assert attempt["reply"] == b"x" * 1024


async def test_an_address_that_may_not_be_reached_is_noted(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_post(house) as post:
        post.server.port = 0
        await post.announce("call_ended")
        await post.until_rows(lambda rows: rows[0]["attempts"] == 1)
        [attempt] = await post.attempts()
        assert (attempt["status"], post.received) == (None, [])
        assert attempt["error"]


async def test_an_endpoint_that_is_gone_gets_nothing_more(post: Post) -> None:
    post.respond = replies(answer({}, 410), OK)
    await post.announce("call_started", "call_ended")
    await post.until_states("dropped", "dropped")
    await post.announce("call_ended")
    await post.until_states("dropped", "dropped", "dropped")
    await post.announce("call_ended", path="/other")
    await post.until_states("dropped", "dropped", "dropped", "delivered")
    assert len(post.received) == 2
    [trouble] = await post.troubles()
    assert (trouble["url"], trouble["disabled_ms"]) == (post.url, post.house.clock.wall_ms())


# --- order, and who waits for whom ---


async def test_the_next_event_waits_for_an_attempt_not_for_success(post: Post) -> None:
    post.respond = lambda request: OK if request.json["event"] == "call_ended" else answer({}, 500)
    await post.announce("call_started", "call_ended", "call_analyzed")
    await post.until_rows(lambda rows: all(row["attempts"] for row in rows) and is_quiet(rows))
    await post.until_states("pending", "delivered", "pending")
    assert post.told() == ["call_started", "call_ended", "call_analyzed"]


async def test_nothing_overtakes_an_attempt_that_has_no_answer(post: Post) -> None:
    post.respond = lambda _: None
    record = await post.announce("call_started", "call_ended")
    await post.announce("call_started")
    await post.until(lambda: len(post.received) == 2)
    assert post.told() == ["call_started", "call_started"]
    rows = await post.until_rows(lambda rows: len(rows) == 3)
    assert [row["leased_by"] is not None for row in rows if row["call_id"] == record.call.call_id] == [True, False]
    await post.stop()


async def test_an_endpoint_has_four_attempts_at_once_and_others_go_on(post: Post) -> None:
    post.respond = lambda request: OK if request.path == "/well" else None
    for _ in range(6):
        await post.announce("call_ended")
    await post.announce("call_ended", path="/well")
    await post.until_rows(lambda rows: rows[-1]["state"] == "delivered")
    rows = await post.until_rows(lambda rows: sum(row["leased_by"] is not None for row in rows) == 4)
    assert [row["state"] for row in rows] == ["pending"] * 6 + ["delivered"]
    assert [request.path for request in post.received].count("/hook") == 4
    await post.stop()


async def test_an_endpoint_in_trouble_is_left_in_peace_and_probed(post: Post) -> None:
    post.respond = failing(99)
    for _ in range(14):
        await post.announce("call_ended")
    await post.until_rows(lambda rows: sum(row["attempts"] for row in rows) >= 10 and is_quiet(rows))
    assert [one["failures"] for one in await post.troubles()] == [10]
    failed = len(post.received)
    # Four at a time: some were under way when the rest began.
    assert 10 <= failed <= 13
    post.respond = failing(1)
    await post.pass_ms(PROBES_MS[0])
    await post.until_rows(lambda rows: sum(row["attempts"] for row in rows) == failed + 1 and is_quiet(rows))
    assert [one["failures"] for one in await post.troubles()] == [11]
    assert len(post.received) == failed + 1
    await post.pass_ms(PROBES_MS[1])
    await post.until_rows(lambda rows: any(row["state"] == "delivered" for row in rows))
    await post.pass_ms(DELAYS_MS[2])
    await post.until_states(*["delivered"] * 14)
    assert await post.troubles() == []


# --- leases ---


async def test_what_a_dead_process_had_under_way_is_taken_up_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_post(house) as post:
        post.respond = lambda _: None
        await post.announce("call_ended")
        await post.until(lambda: len(post.received) == 1)
        url = post.url
        # Cut off as by a kill: the lease is still there.
    async with open_house(tmp_path) as house, open_post(house) as post:
        rows = await post.until_rows(lambda rows: rows[0]["attempts"] == 1)
        assert rows[0]["url"] == url


async def test_what_is_under_way_here_is_not_sent_again_however_late(post: Post) -> None:
    post.respond = lambda _: None
    await post.announce("call_ended")
    [row] = await post.until_rows(lambda rows: rows[0]["leased_by"] is not None)
    assert row["lease_until_ms"] == post.house.clock.wall_ms() + LEASE_MS
    await post.until(lambda: len(post.received) == 1)
    await post.pass_ms(LEASE_MS + 1)
    await post.announce("call_ended", path="/other")
    await post.until(lambda: len(post.received) == 2)
    assert [request.path for request in post.received] == ["/hook", "/other"]
    await post.stop()


async def test_the_leases_of_a_server_that_died_end(tmp_path: Path) -> None:
    url = shared_postgres().new_database()
    async with open_house(tmp_path / "first", database_url=url) as house:
        other = await Store.open(tmp_path / "second", clock=house.clock, database_url=url, ballast_bytes=4096)
        await other.owners.hold()
        async with open_post(house, database_url=url, is_delivering=False) as post:
            await post.announce("call_ended")
            claimed = await house.store.webhooks.claim(9, [])
            assert [event.event for event in claimed.events] == ["call_ended"]
            assert (await other.webhooks.claim(9, [])).events == []
            house.clock.pass_ms(LEASE_MS - 1)
            assert (await other.webhooks.claim(9, [])).events == []
            house.clock.pass_ms(1)
            [event] = (await other.webhooks.claim(9, [])).events
            assert event == claimed.events[0]
            # Whoever lost it writes nothing down any more.
            attempt = Attempt(at_ms=0, took_ms=1, status=200, error=None, reply=b"")
            await house.store.webhooks.delivered(event, attempt)
            assert await house.store.webhooks.renew([event.row_id]) == set()
            await post.until_states("pending")
            await other.webhooks.delivered(event, attempt)
            await post.until_states("delivered")
        await other.close()


async def test_a_server_that_ends_lets_go_of_what_is_not_answered(post: Post) -> None:
    post.respond = lambda _: None
    await post.announce("call_ended")
    await post.until(lambda: len(post.received) == 1)
    await post.stop()
    [row] = await post.until_rows(lambda rows: rows[0]["leased_by"] is None)
    assert (row["state"], row["attempts"]) == ("pending", 0)
    assert await post.attempts() == []


async def test_a_call_that_is_deleted_meanwhile_is_told_of_no_more(post: Post) -> None:
    post.respond = lambda _: None
    record = await post.announce("call_started", "call_ended")
    await post.until(lambda: len(post.received) == 1)
    assert await delete_call(post.house.store, record.call.call_id)
    await post.until_states()
    await post.announce("call_ended", path="/other")
    await post.until(lambda: len(post.received) == 2)
    assert post.received[1].path == "/other"
    await post.stop()


# --- housekeeping ---


async def test_what_was_delivered_is_forgotten_after_a_while_and_the_dead_later(post: Post) -> None:
    post.respond = lambda request: OK if request.path == "/well" else answer({}, 500)
    await post.announce("call_ended", path="/well")
    await post.until_states("delivered")
    await post.announce("call_ended")
    await post.until_rows(lambda rows: rows[1]["attempts"] == 1)
    await post.stop()
    store = post.house.store.webhooks
    post.house.clock.pass_ms(4 * DAY_MS)
    await sweep(store)
    await post.until_states("delivered", "dead")
    assert await post.troubles() == []
    post.house.clock.pass_ms(4 * DAY_MS)
    await sweep(store)
    await post.until_states("dead")
    assert len(await post.attempts()) >= 1
    post.house.clock.pass_ms(27 * DAY_MS)
    await sweep(store)
    await post.until_states()
    assert await post.attempts() == []


async def tell_organisation(post: Post) -> None:
    await post.house.store.webhooks.set_org_webhook(DEFAULT_ORG_ID, OrgWebhook(post.url))


async def end(post: Post, record: CallRecord) -> None:
    """End a call that was held, as `finish` does."""
    started = with_call(record, call_status=CallStatus.ENDED, start_timestamp=BORN_MS, end_timestamp=BORN_MS + 5)
    store = post.house.store
    audience = await audience_of(store, started, NO_WEBHOOK)
    await store.finish_call(started, consequences=audience.follows(Moment.ENDED, started, BORN_MS + 5))


def replies(*answers: Answer) -> Callable[[WebRequest], Answer]:
    """A receiver that gives these answers one after the other, and the last one from then on."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def is_quiet(rows: list[dict[str, Any]]) -> bool:
    """Whether nothing is under way."""
    return all(row["leased_by"] is None for row in rows)


async def sweep(store: WebhookStore) -> None:
    await store.sweep(kept_ms=7 * DAY_MS, dead_kept_ms=30 * DAY_MS)
