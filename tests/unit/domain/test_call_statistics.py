"""What is told of many calls: counts, percentiles, agent versions, intervals of a time zone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retold.domain.call_figures import NONE, gathered, together
from retold.domain.call_query import CHOICES, NUMBERS
from retold.domain.call_statistics import (
    COUNTED,
    MAX_AGENT_VERSIONS,
    MAX_INTERVALS,
    MEASURED,
    TooManyIntervals,
    statistics,
)
from retold.domain.latency import percentile
from retold.domain.statistics_request import StatisticsRequest
from retold.storage.call_figures import packed, unpacked

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BERLIN = ZoneInfo("Europe/Berlin")
Row = dict[str, Any]


def row(sort_ms: int = 0, **fields: Any) -> Row:
    """A call as the database gives it."""
    usual: Row = dict.fromkeys((*CHOICES, *NUMBERS)) | {"agent_id": "agent_a", "agent_version": 0}
    return {"row_id": sort_ms, "sort_ms": sort_ms, **usual, **fields}


def told(rows: Sequence[Row], **request: Any) -> dict[str, Any]:
    return statistics(together([NONE, gathered(rows)]), StatisticsRequest.model_validate(request))


def ms(*moment: int, zone: ZoneInfo = BERLIN) -> int:
    year, month, day, *rest = moment
    return int(datetime(year, month, day, *rest, tzinfo=zone).timestamp() * 1000)


calls = st.lists(
    st.builds(
        row,
        sort_ms=st.integers(0, 5 * DAY_MS),
        agent_id=st.sampled_from(("agent_a", "agent_b")),
        agent_version=st.integers(0, 2),
        call_status=st.sampled_from(("ended", "error")),
        call_successful=st.none() | st.booleans(),
        user_sentiment=st.none() | st.sampled_from(("Positive", "Negative")),
        duration_ms=st.none() | st.integers(0, 10_000),
        combined_cost=st.none() | st.integers(0, 80).map(lambda cents: cents / 8),
    ),
    max_size=40,
)


def is_told_of(part: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Whether a part says of these calls what the plainest reading says."""
    assert part["total_calls"] == len(rows)
    for name in COUNTED:
        shown = (str(one[name]).lower() if isinstance(one[name], bool) else one[name] for one in rows)
        assert part[name] == Counter(value for value in shown if value is not None)
    for name in MEASURED:
        ordered = sorted(one[name] for one in rows if one[name] is not None)
        assert part[name]["num"] == len(ordered)
        if ordered:
            measured = [part[name][which] for which in ("p50", "p99", "min", "max", "sum")]
            shares = [percentile(ordered, 0.5), percentile(ordered, 0.99)]
            assert measured == [*shares, ordered[0], ordered[-1], sum(ordered)]


@given(calls)
def test_every_part_says_what_its_calls_say(rows: list[Row]) -> None:
    whole = told(rows, interval="day")
    is_told_of(whole, rows)
    for part in whole["agent_versions"]:
        its = (part["agent_id"], part["agent_version"])
        is_told_of(part, [one for one in rows if (one["agent_id"], one["agent_version"]) == its])
    for part in whole["intervals"]:
        first_ms, end_ms = part["start_timestamp"], part["end_timestamp"]
        is_told_of(part, [one for one in rows if first_ms <= one["sort_ms"] < end_ms])
    assert sum(part["total_calls"] for part in whole["agent_versions"]) == len(rows)
    assert sum(part["total_calls"] for part in whole["intervals"]) == len(rows)


@given(calls, calls)
def test_what_is_stored_tells_the_same(some: list[Row], others: list[Row]) -> None:
    apart = [unpacked(packed(gathered(rows))) for rows in (some, others)]
    request = StatisticsRequest()
    assert statistics(together(apart), request) == told([*some, *others])


def test_without_calls_nothing_is_counted() -> None:
    nothing = told([], interval="month")
    assert (nothing["total_calls"], nothing["agent_versions"], nothing["intervals"]) == (0, [], [])
    assert (nothing["call_status"], nothing["duration_ms"]) == ({}, {"num": 0})


def test_days_begin_at_midnight_in_the_zone_also_when_clocks_change() -> None:
    # On the 25th of October 2026 Berlin's day had 25 hours.
    rows = [row(ms(2026, 10, 24, 23, 59)), row(ms(2026, 10, 25, 12)), row(ms(2026, 10, 26))]
    days = told(rows, interval="day", timezone="Europe/Berlin")["intervals"]
    assert [day["total_calls"] for day in days] == [1, 1, 1]
    assert [(day["end_timestamp"] - day["start_timestamp"]) // HOUR_MS for day in days] == [24, 25, 24]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first_ms = ms(2026, 10, 25, 1)
    hours = told([row(first_ms), row(first_ms + 4 * HOUR_MS)], interval="hour", timezone="Europe/Berlin")["intervals"]
    assert [hour["start_timestamp"] for hour in hours] == [first_ms + number * HOUR_MS for number in range(5)]


@pytest.mark.parametrize(
    ("interval", "begins"),
    [("week", [(2026, 12, 28), (2027, 1, 4)]), ("month", [(2026, 12, 1), (2027, 1, 1)])],
)
def test_weeks_begin_on_monday_and_months_on_the_first(interval: str, begins: list[tuple[int, ...]]) -> None:
    parts = told([row(ms(2026, 12, 31)), row(ms(2027, 1, 5))], interval=interval, timezone="Europe/Berlin")
    assert [part["start_timestamp"] for part in parts["intervals"]] == [ms(*begin) for begin in begins]


def test_intervals_without_calls_are_told_too() -> None:
    parts = told([row(0), row(3 * DAY_MS)], interval="day")["intervals"]
    assert [part["total_calls"] for part in parts] == [1, 0, 0, 1]


def test_too_many_intervals_are_refused_with_a_remedy() -> None:
    told([row(0), row((MAX_INTERVALS - 1) * HOUR_MS)], interval="hour")
    with pytest.raises(TooManyIntervals, match=r"choose a longer interval, or fewer calls by start_timestamp"):
        told([row(0), row(MAX_INTERVALS * HOUR_MS)], interval="hour")


def test_of_many_agent_versions_those_with_the_most_calls_are_told() -> None:
    rows = [row(agent_version=number) for number in range(MAX_AGENT_VERSIONS + 1)] + [row(agent_version=5)]
    versions = told(rows)["agent_versions"]
    assert len(versions) == MAX_AGENT_VERSIONS
    assert (versions[0]["agent_version"], versions[0]["total_calls"]) == (5, 2)


@pytest.mark.parametrize("wrong", [{"timezone": "Europe/Atlantis"}, {"timezone": "../etc"}, {"interval": "year"}])
def test_unknown_zones_and_intervals_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        StatisticsRequest.model_validate(wrong)
