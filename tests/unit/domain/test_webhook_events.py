from typing import Any

import orjson
import pytest
from pydantic import JsonValue

from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_parts import CallAnalysis
from retold.domain.webhook_events import (
    DEFAULT_TIMEOUT_MS,
    MAX_TIMEOUT_MS,
    NO_WEBHOOK,
    Moment,
    OrgWebhook,
    Target,
    body_of,
    call_of,
    endpoint_of,
    new_events,
    target_of,
    transfer_extra,
)
from support.stored import BORN_MS, make_agent, make_record

URL = "https://hooks.example/retold"
BASICS = frozenset({"call_started", "call_ended", "call_analyzed"})
ALL = BASICS | {"transcript_updated"}


# --- who is told ---


def test_an_agent_without_a_webhook_tells_nobody() -> None:
    assert target_of(make_agent(), NO_WEBHOOK) is None
    assert target_of(make_agent(webhook_url=""), NO_WEBHOOK) is None


def test_an_agent_has_a_webhook_of_its_own() -> None:
    agent = make_agent(webhook_url=URL, webhook_events=["call_ended"], webhook_timeout_ms=2_000)
    org = OrgWebhook("https://org.example", ("call_started",), 9_000)
    assert target_of(agent, org) == Target(URL, frozenset({"call_ended"}), 2_000)


def test_an_agent_is_told_of_by_its_organisation() -> None:
    agent = make_agent(webhook_events=["call_ended"], webhook_timeout_ms=2_000)
    assert target_of(agent, OrgWebhook(URL)) == Target(URL, frozenset({"call_ended"}), 2_000)
    assert target_of(agent, OrgWebhook(URL, ("call_started",), 9_000)) == Target(
        URL, frozenset({"call_started"}), 9_000
    )


def test_an_agent_that_is_gone_is_told_of_by_its_organisation() -> None:
    assert target_of(None, NO_WEBHOOK) is None
    assert target_of(None, OrgWebhook(URL)) == Target(URL, BASICS, DEFAULT_TIMEOUT_MS)


def test_no_events_are_none_and_null_is_the_default() -> None:
    assert events_of(make_agent(webhook_url=URL, webhook_events=[])) == frozenset()
    assert events_of(make_agent(webhook_url=URL, webhook_events=None)) == BASICS
    assert events_of(make_agent(webhook_url=URL)) == BASICS


def test_a_timeout_has_a_bound() -> None:
    long = make_agent(webhook_url=URL, webhook_timeout_ms=10**9)
    found = (target_of(long, NO_WEBHOOK), target_of(None, OrgWebhook(URL, None, 10**9)))
    assert [target and target.timeout_ms for target in found] == [MAX_TIMEOUT_MS, MAX_TIMEOUT_MS]


# --- which event, when ---


@pytest.mark.parametrize(
    ("moment", "started_ms", "expected"),
    [
        (Moment.STARTED, BORN_MS, ["call_started"]),
        (Moment.TOLD, BORN_MS, ["transcript_updated"]),
        (Moment.ENDED, BORN_MS, ["transcript_updated", "call_ended"]),
        (Moment.ENDED, None, ["call_ended"]),
        (Moment.ANALYZED, BORN_MS, ["call_analyzed"]),
        (Moment.ANALYZED, None, ["call_analyzed"]),
    ],
)
def test_each_moment_has_its_events(moment: Moment, started_ms: int | None, expected: list[str]) -> None:
    made = made_at(moment, make_record(start_timestamp=started_ms))
    assert [event.event for event in made] == expected


def test_only_what_was_asked_for_is_announced() -> None:
    record = make_record(start_timestamp=BORN_MS)
    made = made_at(Moment.ENDED, record, Target(URL, BASICS, 3_000))
    assert [(event.event, event.timeout_ms) for event in made] == [("call_ended", 3_000)]
    assert made_at(Moment.STARTED, record, Target(URL, frozenset({"call_ended"}), 3_000)) == ()


def test_an_event_has_all_that_a_delivery_needs() -> None:
    record = make_record(start_timestamp=BORN_MS).model_copy(update={"signed_url_expiration_ms": 5_000})
    [event] = made_at(Moment.STARTED, record)
    assert (event.event_id, event.url, event.at_ms) == ("evt_1", URL, BORN_MS + 7)
    assert (event.files_token, event.link_lifetime_ms) == (record.files_token, 5_000)
    assert orjson.loads(event.call) == record.call.wire()
    assert event.is_whole


@pytest.mark.parametrize(
    ("moment", "started_ms", "setting", "is_whole"),
    [
        (Moment.ENDED, BORN_MS, "everything", True),
        (Moment.ENDED, BORN_MS, "everything_except_pii", False),
        (Moment.ENDED, BORN_MS, "basic_attributes_only", False),
        (Moment.ENDED, None, "basic_attributes_only", True),
        (Moment.STARTED, BORN_MS, "basic_attributes_only", True),
        (Moment.ANALYZED, BORN_MS, "basic_attributes_only", False),
    ],
)
def test_it_is_known_whether_something_is_missing(
    moment: Moment, started_ms: int | None, setting: str, is_whole: bool
) -> None:
    made = made_at(moment, make_record(start_timestamp=started_ms, data_storage_setting=setting))
    assert {event.is_whole for event in made} == {is_whole}


def test_call_ended_leaves_the_analysis_to_call_analyzed() -> None:
    call = make_record(call_analysis=CallAnalysis(call_summary="short")).call
    assert "call_analysis" not in orjson.loads(call_of("call_ended", call))
    assert orjson.loads(call_of("call_analyzed", call))["call_analysis"] == {"call_summary": "short"}


# --- what is sent ---


def test_a_body_is_compact_json_with_the_old_key_too() -> None:
    body = body_of("call_ended", b'{"call_id":"c","name":"Zo\xc3\xab"}', at_ms=BORN_MS)
    call = '{"call_id":"c","name":"Zoë"}'
    wanted = f'{{"event":"call_ended","call":{call},"data":{call},"event_timestamp":{BORN_MS}}}'
    assert body == wanted.encode()


def test_an_event_that_is_younger_than_the_old_key_does_without() -> None:
    body = body_of("transcript_updated", b'{"call_id":"c"}', at_ms=1)
    assert body == b'{"event":"transcript_updated","call":{"call_id":"c"},"event_timestamp":1}'


def test_a_body_says_that_something_is_gone() -> None:
    body = orjson.loads(body_of("call_ended", b"{}", at_ms=1, is_available=False))
    assert body == {"event": "call_ended", "call": {}, "data": {}, "data_unavailable": True, "event_timestamp": 1}


def test_a_transfer_says_where_it_goes_and_how() -> None:
    option: dict[str, JsonValue] = {
        "type": "warm_transfer",
        "show_transferee_as_caller": True,
        "agent_detection_timeout_ms": 30_000,
        "on_hold_music": {"type": "ringtone"},
        "public_handoff_option": {"type": "static_message", "message": "one_two"},
    }
    body = orjson.loads(body_of("transfer_started", b"{}", at_ms=1, extra=transfer_extra("+14155550100", "22", option)))
    assert body == {
        "event": "transfer_started",
        "call": {},
        "transfer_destination": {"number": "+14155550100", "extension": "22"},
        "transfer_option": {
            "type": "warm_transfer",
            "showTransfereeAsCaller": True,
            "agentDetectionTimeoutMs": 30_000,
            "onHoldMusic": {"type": "ringtone"},
            "publicHandoffOption": {"type": "static_message", "message": "one_two"},
        },
        "event_timestamp": 1,
    }


def test_a_transfer_may_have_neither_extension_nor_option() -> None:
    assert transfer_extra("+14155550100", None, None) == '{"transfer_destination":{"number":"+14155550100"}}'
    assert body_of("transfer_ended", b"{}", at_ms=1, extra="{}") == (
        b'{"event":"transfer_ended","call":{},"event_timestamp":1}'
    )


# --- endpoints ---


@pytest.mark.parametrize("other", [f"{URL}?call=2", f"{URL}#there", f"{URL}?a#b"])
def test_an_endpoint_is_an_address_without_its_query(other: str) -> None:
    assert endpoint_of("org_a", other) == endpoint_of("org_a", URL)


@pytest.mark.parametrize(("org_id", "url"), [("org_b", URL), ("org_a", f"{URL}/2"), ("org_a", "http" + URL[5:])])
def test_others_are_endpoints_of_their_own(org_id: str, url: str) -> None:
    assert endpoint_of(org_id, url) != endpoint_of("org_a", URL)


def test_any_text_is_an_endpoint() -> None:
    assert len(endpoint_of("org_a", "\ud800 {{host}}")) == 64


def events_of(agent: Agent) -> frozenset[str]:
    target = target_of(agent, NO_WEBHOOK)
    assert target is not None
    return target.events


def made_at(moment: Moment, record: CallRecord, target: Target | None = None) -> tuple[Any, ...]:
    ids = (f"evt_{number}" for number in range(1, 9))
    target = target or Target(URL, ALL, DEFAULT_TIMEOUT_MS)
    return new_events(moment, record, target, url=target.url, at_ms=BORN_MS + 7, new_id=lambda: next(ids))
