"""What Cal.com is asked and what its answers come to; the requests on the wire are in the integration tests."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.clock import find_zone
from retold.domain.cal_com import (
    Unusable,
    booked,
    booking,
    bookings_url,
    event_type,
    free_times,
    refusal,
    slots_url,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
WHO = {"name": "Ada", "email": "ada@example.com"}


@pytest.mark.parametrize(("given_text", "number"), [("123", 123), ("123.0", 123), (" 7 ", 7)])
def test_an_event_type_is_a_number(given_text: str, number: int) -> None:
    assert event_type(given_text) == number


@pytest.mark.parametrize("given_text", ["", "abc", "{{event}}", "nan", "inf", "1e999"])
def test_what_is_no_event_type_is_refused(given_text: str) -> None:
    with pytest.raises(Unusable):
        event_type(given_text)


def test_a_zone_must_be_known() -> None:
    assert zone_of("Europe/Berlin", find_zone) == BERLIN
    with pytest.raises(Unusable, match="Mars/Base"):
        zone_of("Mars/Base", find_zone)


def test_addresses_are_made_from_any_base() -> None:
    days = {"start_date": "2026-03-28T09:00", "end_date": "2026-03-29"}
    assert slots_url("https://cal.example/", 7, days, "Europe/Berlin") == (
        "https://cal.example/v2/slots?eventTypeId=7&start=2026-03-28&end=2026-03-29&timeZone=Europe%2FBerlin"
    )
    assert bookings_url("https://cal.example/api/") == "https://cal.example/api/v2/bookings"


@pytest.mark.parametrize(("start", "end"), [("soon", "2026-03-29"), ("2026-03-28", ""), ("2026-03-29", "2026-03-28")])
def test_days_that_are_none_are_refused(start: str, end: str) -> None:
    with pytest.raises(Unusable):
        slots_url("https://cal.example", 7, {"start_date": start, "end_date": end}, "UTC")


@pytest.mark.parametrize(
    ("time", "start"),
    [
        ("2026-03-28T09:00", "2026-03-28T08:00:00Z"),
        ("2026-03-29T09:00", "2026-03-29T07:00:00Z"),
        ("2026-03-28T09:00:00.000+01:00", "2026-03-28T08:00:00Z"),
        ("2026-03-28T09:00:00Z", "2026-03-28T09:00:00Z"),
    ],
)
def test_a_booking_is_in_utc(time: str, start: str) -> None:
    made = booking(7, WHO | {"time": time}, "Europe/Berlin", BERLIN)
    assert made == {"eventTypeId": 7, "start": start, "attendee": {**WHO, "timeZone": "Europe/Berlin"}}


def test_a_phone_number_is_passed_on_when_there_is_one() -> None:
    made = booking(7, WHO | {"time": "2026-03-28T09:00", "phone": "+4930123456"}, "Europe/Berlin", BERLIN)
    assert made["attendee"]["phoneNumber"] == "+4930123456"


@pytest.mark.parametrize("time", ["", "nine", "2026-03-28T25:00", "0001-01-01T00:00+14:00"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    with pytest.raises(Unusable):
        booking(7, WHO | {"time": time}, "Europe/Berlin", BERLIN)


def test_free_times_are_in_order_and_in_the_zone() -> None:
    answer = {"data": {"b": [{"start": "2026-03-28T12:00:00.000Z"}], "a": [{"start": "2026-03-28T09:00:00.000+00:00"}]}}
    assert free_times(answer, BERLIN) == ["2026-03-28T10:00+01:00", "2026-03-28T13:00+01:00"]


@pytest.mark.parametrize("day", [None, 7, [None], ["x"], [{"start": 7}], [{"start": "x"}], [{"start": "2026-03-28"}]])
def test_what_is_no_time_is_left_out(day: Any) -> None:
    assert free_times({"data": {"2026-03-28": day}}, BERLIN) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"uid": "u1", "start": "2026-03-28T08:00:00Z", "status": "accepted"},
            "for 2026-03-28T09:00+01:00. Its number",
        ),
        ({"uid": "u1", "status": "pending"}, "requested; the host has yet to confirm it. Its number is u1."),
        ({"start": "x"}, "The appointment is booked."),
        ([], "The appointment is booked."),
    ],
)
def test_a_booking_is_told_with_what_is_known_of_it(data: Any, words: str) -> None:
    assert words in booked({"status": "success", "data": data}, BERLIN)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"error": {"message": "taken"}}, "taken"),
        ({"message": "taken"}, "taken"),
        ({"error": "taken"}, "taken"),
        ({"error": {"message": ["a", "b"]}}, ""),
        ({}, ""),
        ("taken", ""),
        (None, ""),
    ],
)
def test_a_refusal_is_in_the_calendars_words(answer: Any, why: str) -> None:
    assert refusal(answer) == why


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.datetimes().map(str),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "start", "status", "error", "message", "uid"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_answer_is_harmless(answer: Any) -> None:
    free_times(answer, BERLIN)
    assert booked(answer, BERLIN)
    assert isinstance(refusal(answer), str)
