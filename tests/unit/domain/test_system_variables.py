"""System variables read as Retell documents them, in any time zone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.clock import find_zone
from retold.domain.system_variables import (
    CALENDAR_DAYS,
    NAMES,
    SessionFacts,
    duration_text,
    system_variable,
)

NOW = datetime(2024, 3, 29, 6, 46, 12, tzinfo=UTC)
FACTS = SessionFacts(
    now=NOW,
    duration_ms=1_230_000,
    call_id="call_1",
    call_type="phone_call",
    direction="inbound",
    from_number="+14155550100",
    to_number="+14155550199",
    current_agent_state="booking",
    previous_agent_state="greeting",
    current_node="Ask date",
    previous_node="Welcome",
)


def value(name: str, facts: SessionFacts = FACTS) -> str | None:
    return system_variable(name, facts, find_zone)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("current_time", "Thursday, March 28, 2024 at 11:46 PM PDT"),
        ("current_time_Europe/Berlin", "Friday, March 29, 2024 at 7:46 AM CET"),
        ("current_time_Asia/Kolkata", "Friday, March 29, 2024 at 12:16 PM IST"),
        ("current_time_UTC", "Friday, March 29, 2024 at 6:46 AM UTC"),
        ("current_hour", "23.77"),
        ("current_hour_Europe/Berlin", "7.77"),
        ("current_hour_Asia/Kolkata", "12.27"),
        ("session_type", "voice"),
        ("session_duration", "20 minutes 30 seconds"),
        ("session_duration_ms", "1230000"),
        ("direction", "inbound"),
        ("user_number", "+14155550100"),
        ("agent_number", "+14155550199"),
        ("call_id", "call_1"),
        ("call_type", "phone_call"),
        ("chat_id", None),
        ("current_agent_state", "booking"),
        ("previous_agent_state", "greeting"),
        ("current_node", "Ask date"),
        ("previous_node", "Welcome"),
        ("current_time_", None),
        ("current_time_Mars/Base", None),
        ("current_time_../../etc/passwd", None),
        ("current_time_/etc/localtime", None),
        ("current_timeUTC", None),
        ("name", None),
    ],
)
def test_each_system_variable(name: str, text: str | None) -> None:
    assert value(name) == text


def test_of_an_outbound_call_the_user_is_whom_it_goes_to() -> None:
    outbound = replace(FACTS, direction="outbound")
    assert (value("user_number", outbound), value("agent_number", outbound)) == ("+14155550199", "+14155550100")


@pytest.mark.parametrize(
    ("at", "hour"),
    [((0, 0), "0"), ((3, 30), "3.5"), ((12, 15), "12.25"), ((23, 59), "23.98"), ((10, 0), "10"), ((20, 0), "20")],
)
def test_the_hour_is_a_fraction(at: tuple[int, int], hour: str) -> None:
    facts = SessionFacts(now=datetime(2024, 1, 1, *at, tzinfo=UTC))
    assert value("current_hour_UTC", facts) == hour


def test_midnight_and_noon_are_twelve_o_clock() -> None:
    midnight = SessionFacts(now=datetime(2024, 1, 1, 0, 5, tzinfo=UTC), zone="UTC")
    noon = SessionFacts(now=datetime(2024, 1, 1, 12, 5, tzinfo=UTC), zone="UTC")
    assert value("current_time", midnight) == "Monday, January 1, 2024 at 12:05 AM UTC"
    assert value("current_time", noon) == "Monday, January 1, 2024 at 12:05 PM UTC"


def test_the_calendar_has_fourteen_days_over_a_change_of_clocks() -> None:
    facts = SessionFacts(now=datetime(2024, 3, 28, 23, 30, tzinfo=UTC), zone="Europe/London")
    lines = (value("current_calendar", facts) or "").splitlines()
    assert len(lines) == CALENDAR_DAYS
    assert lines[0] == "Thursday, March 28, 2024 GMT (Today)"
    assert lines[2:4] == ["Saturday, March 30, 2024 GMT", "Sunday, March 31, 2024 BST"]
    assert lines[-1] == "Wednesday, April 10, 2024 BST"


def test_the_zone_of_the_agent_is_the_default_one_and_an_unknown_one_does_no_harm() -> None:
    assert value("current_hour", replace(FACTS, zone="Asia/Kolkata")) == "12.27"
    assert value("current_hour", replace(FACTS, zone="Mars/Base")) == "23.77"
    assert system_variable("current_time", FACTS, lambda _: None) == "Friday, March 29, 2024 at 6:46 AM UTC"


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0 seconds"),
        (-5, "0 seconds"),
        (999, "0 seconds"),
        (1_000, "1 second"),
        (61_000, "1 minute 1 second"),
        (120_000, "2 minutes"),
        (3_600_000, "1 hour"),
        (7_384_000, "2 hours 3 minutes 4 seconds"),
    ],
)
def test_durations_are_told_in_words(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


def test_what_does_not_apply_is_not_set() -> None:
    bare = SessionFacts(now=NOW)
    unset = {name for name in NAMES if value(name, bare) is None}
    assert unset == set(NAMES) - {
        "current_time",
        "current_hour",
        "current_calendar",
        "session_type",
        "session_duration",
        "session_duration_ms",
    }


ZONES = st.sampled_from(["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "UTC", "Asia/Tokyo"])
MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(MOMENTS, ZONES)
def test_calendar_days_follow_each_other_in_every_zone(now: datetime, zone: str) -> None:
    text = value("current_calendar_" + zone, SessionFacts(now=now))
    assert text is not None
    days = [line.rsplit(" ", 2 if "(Today)" in line else 1)[0] for line in text.splitlines()]
    parsed = [datetime.strptime(day, "%A, %B %d, %Y").replace(tzinfo=UTC) for day in days]
    assert parsed == [parsed[0] + timedelta(days=number) for number in range(CALENDAR_DAYS)]


@given(st.text(max_size=40), st.none() | st.just(UTC))
def test_any_name_is_harmless(name: str, zone: tzinfo | None) -> None:
    found = system_variable("current_time_" + name, FACTS, lambda _: zone)
    assert (found is None) == (zone is None)
    assert find_zone(name) is None or name
