import pytest

from retold.domain.webhook_schedule import (
    AT_ONCE,
    ATTEMPTS,
    DELAYS_MS,
    FAILURES_TO_OPEN,
    LONGEST_WAIT_MS,
    NO_TROUBLE,
    PROBES_MS,
    Trouble,
    Verdict,
    next_delay_ms,
    retry_after_ms,
    verdict_on,
)

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
"""Fri, 15 Jan 2027 08:00:00 GMT."""


def test_twelve_attempts_span_more_than_three_days() -> None:
    assert ATTEMPTS == 12
    assert DELAYS_MS[:3] == (1_000, 5_000, 30_000)
    assert 75 * HOUR_MS < sum(DELAYS_MS) < 76 * HOUR_MS


@pytest.mark.parametrize("attempts", range(1, ATTEMPTS))
def test_a_delay_is_a_little_longer_by_chance_and_never_shorter(attempts: int) -> None:
    least, most = next_delay_ms(attempts, 0.0), next_delay_ms(attempts, 1.0)
    assert least == DELAYS_MS[attempts - 1]
    assert most == round(DELAYS_MS[attempts - 1] * 1.2)


def test_after_the_last_attempt_there_is_none() -> None:
    assert next_delay_ms(ATTEMPTS, 0.5) is None
    assert next_delay_ms(ATTEMPTS, 0.5, retry_after_ms=1_000) is None


def test_a_receiver_may_ask_for_more_time_but_not_for_less() -> None:
    assert next_delay_ms(1, 0.0, retry_after_ms=7_000) == 7_000
    assert next_delay_ms(3, 0.0, retry_after_ms=7_000) == 30_000
    assert next_delay_ms(1, 0.0, retry_after_ms=10**12) == LONGEST_WAIT_MS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("120", 120_000),
        (" 0 ", 0),
        ("9" * 400, 999_999_999_000),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("Fri, 15 Jan 2027 08:00:30", 30_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("soon", None),
        ("-1", None),
        ("१२", None),
        ("Fri, 99 Jan 2027 08:00:30 GMT", None),
        ("", None),
    ],
)
def test_what_a_receiver_asks_for_is_understood(value: str | None, expected: int | None) -> None:
    assert retry_after_ms(value, NOW_MS) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (301, Verdict.FAILED),
        (304, Verdict.FAILED),
        (400, Verdict.FAILED),
        (410, Verdict.GONE),
        (429, Verdict.FAILED),
        (500, Verdict.FAILED),
        (199, Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
)
def test_only_2xx_is_success(status: int | None, expected: Verdict) -> None:
    assert verdict_on(status) is expected


def test_an_endpoint_has_four_attempts_at_once() -> None:
    assert [NO_TROUBLE.room(in_flight, NOW_MS) for in_flight in range(AT_ONCE + 2)] == [4, 3, 2, 1, 0, 0]


def test_ten_failures_in_a_row_leave_an_endpoint_in_peace() -> None:
    trouble = failed(FAILURES_TO_OPEN - 1)
    assert trouble == Trouble(FAILURES_TO_OPEN - 1)
    assert trouble.room(0, NOW_MS) == AT_ONCE
    trouble = trouble.after_failure(NOW_MS)
    assert trouble == Trouble(FAILURES_TO_OPEN, NOW_MS + PROBES_MS[0])
    assert trouble.room(0, NOW_MS) == 0
    assert trouble.room(0, NOW_MS + PROBES_MS[0] - 1) == 0


def test_then_there_is_one_probe_at_growing_distances() -> None:
    trouble, now_ms = failed(FAILURES_TO_OPEN), NOW_MS
    for rest_ms in (*PROBES_MS, PROBES_MS[-1], PROBES_MS[-1]):
        assert trouble.open_until_ms == now_ms + rest_ms
        now_ms += rest_ms
        assert [trouble.room(in_flight, now_ms) for in_flight in range(3)] == [1, 0, 0]
        trouble = trouble.after_failure(now_ms)


def test_attempts_under_way_when_the_rest_begins_make_it_no_longer() -> None:
    trouble = failed(FAILURES_TO_OPEN)
    assert trouble.after_failure(NOW_MS + 5) == trouble


def failed(times: int) -> Trouble:
    trouble = NO_TROUBLE
    for _ in range(times):
        trouble = trouble.after_failure(NOW_MS)
    return trouble
