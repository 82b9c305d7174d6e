"""Webhook events and endpoints in words, and times as people write them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from retold.cli.webhook_words import (
    attempt_line,
    delivery,
    endpoint_words,
    event_line,
    moment,
    outcome,
    parse_moment,
    times,
)

NOW_MS = round(datetime(2026, 11, 23, 14, 0, 0, tzinfo=UTC).timestamp() * 1000)
NEXT_MS = NOW_MS + 5 * 60_000
ANSWERED_500 = {"number": 4, "attempt_timestamp": NOW_MS, "took_ms": 12, "status": 500, "reply": "Traceback"}
TIMED_OUT = {"number": 4, "attempt_timestamp": NOW_MS, "took_ms": 10_000, "error": "no answer within 10 s"}


def event(state: str, attempts: int, last: Any = None) -> dict[str, Any]:
    return {
        "event_id": "evt_1",
        "event": "call_ended",
        "call_id": "call_1",
        "event_timestamp": NOW_MS,
        "next_attempt_timestamp": NEXT_MS,
        "state": state,
        "attempt_count": attempts,
        **({"last_attempt": last} if last else {}),
    }


def endpoint(state: str, **fields: Any) -> dict[str, Any]:
    known = {"endpoint_id": "ep_1", "url": "https://crm.example.com/hook", "failure_count": 0, "waiting_count": 0}
    return {**known, "state": state, **fields}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (event("delivered", 1), "delivered"),
        (event("delivered", 3), "delivered at attempt 3"),
        (event("dropped", 1), "dropped: the webhook answered 410"),
        (event("dead", 12, ANSWERED_500), "given up after 12 attempts: answered 500"),
        (event("dead", 0), "given up after 0 attempts: never tried"),
        (event("pending", 0), "waits for its first attempt"),
        (event("pending", 0, ANSWERED_500), "is sent again"),
        (event("pending", 4, ANSWERED_500), "answered 500 four times; next try 14:05:00"),
        (event("pending", 1, TIMED_OUT), "failed (no answer within 10 s) once; next try 14:05:00"),
    ],
)
def test_how_far_a_delivery_is(given: dict[str, Any], words: str) -> None:
    assert delivery(given, NOW_MS, UTC) == words


def test_an_event_is_one_line() -> None:
    line = event_line(event("delivered", 1), NOW_MS, UTC)
    assert line == "14:00:00  call_ended  call_1  delivered  evt_1"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            endpoint(
                "failing",
                failure_count=4,
                waiting_count=3,
                next_attempt_timestamp=NEXT_MS,
                last_attempt=ANSWERED_500,
            ),
            "Your webhook https://crm.example.com/hook answered 500 four times; next try 14:05:00; 3 events wait.",
        ),
        (
            endpoint("open", failure_count=17, waiting_count=1, next_attempt_timestamp=NEXT_MS),
            "Your webhook https://crm.example.com/hook failed 17 times; next try 14:05:00; 1 event waits.",
        ),
        (
            endpoint("failing", failure_count=1),
            "Your webhook https://crm.example.com/hook failed once; nothing waits for it.",
        ),
        (
            endpoint("well", waiting_count=2),
            "Your webhook https://crm.example.com/hook is well; 2 events wait.",
        ),
        (
            endpoint("disabled", failure_count=1, disabled_timestamp=NOW_MS),
            (
                "Your webhook https://crm.example.com/hook answered 410 at 14:00:00: nothing is sent there."
                "\n  fix: retold webhooks enable ep_1"
            ),
        ),
    ],
)
def test_how_an_endpoint_is_doing(given: dict[str, Any], words: str) -> None:
    assert endpoint_words(given, NOW_MS, UTC) == words


def test_an_attempt_shows_how_the_answer_begins() -> None:
    assert attempt_line(ANSWERED_500, NOW_MS, UTC) == "attempt 4  14:00:00  answered 500 after 12 ms: Traceback"
    assert attempt_line(TIMED_OUT, NOW_MS, UTC).endswith("failed (no answer within 10 s) after 10000 ms")
    hostile = attempt_line(ANSWERED_500 | {"reply": "\x1b[2J\r\n" + "x" * 5_000}, NOW_MS, UTC)
    assert hostile.isprintable()
    assert len(hostile) < 400


def test_an_attempt_without_a_reason_is_still_told() -> None:
    assert outcome({"took_ms": 1}) == "failed (no answer)"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "never"), (1, "once"), (2, "twice"), (12, "twelve times"), (13, "13 times")]
)
def test_counts_are_words_while_they_are_short(count: int, words: str) -> None:
    assert times(count) == words


def test_a_moment_of_another_day_has_its_date() -> None:
    assert moment(NOW_MS - 86_400_000, NOW_MS, UTC) == "2026-11-22 14:00"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("5m", NOW_MS - 300_000),
        ("2h", NOW_MS - 7_200_000),
        ("3d", NOW_MS - 3 * 86_400_000),
        ("2026-11-23T13:00", NOW_MS - 3_600_000),
        ("2026-11-23T14:00+01:00", NOW_MS - 3_600_000),
        ("2026-11-23", NOW_MS - 14 * 3_600_000),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, ms: int) -> None:
    assert parse_moment(text, NOW_MS, UTC) == ms


def test_a_time_without_a_zone_is_this_machines() -> None:
    assert isinstance(parse_moment("2026-11-23", NOW_MS), int)


@pytest.mark.parametrize("text", ["", "h", "yesterday", "-2h", "2w", "²h", "99999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isoformat"):
        parse_moment(text, NOW_MS, UTC)
