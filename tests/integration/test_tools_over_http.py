"""Tools against web servers on the wire: a calendar, a provider of text messages, a custom service."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from retold.domain.webhook_signature import is_signed
from support.cal_com import EVENT_TYPE, KEY, CalCom
from support.tool_calls import NOW_MS, TOOL_CALL_ID, WEBHOOK_KEY, tool_context, tool_of, tool_services, use_tool
from support.web_server import WebRequest, WebServer, answer, loopback_outbound, web_server

pytestmark = pytest.mark.anyio

BOOKING = {"time": "2026-03-28T09:00-07:00", "name": "Ada King", "email": "ada@example.com"}


class Calendar:
    """The stand-in and its server, and a tool used on it."""

    def __init__(self, cal: CalCom, server: WebServer) -> None:
        self.cal = cal
        self.server = server

    async def use(self, kind: str, arguments: object, **fields: Any) -> tuple[str, bool]:
        given = {"cal_api_key": KEY, "event_type_id": EVENT_TYPE, "timezone": "America/Los_Angeles"} | fields
        tool = tool_of(type=kind, name="calendar", **given)
        services = tool_services(loopback_outbound(), cal_base_url=self.server.url)
        variables = {"cal_key": KEY, "event": str(EVENT_TYPE), "zone": "America/Los_Angeles"}
        result = await use_tool(tool, tool_context(services, variables=variables), arguments)
        return result.content, result.successful


@pytest.fixture
async def calendar() -> AsyncGenerator[Calendar]:
    cal = CalCom()
    async with web_server(cal.respond) as server:
        yield Calendar(cal, server)


async def test_free_times_are_told_with_their_offset(calendar: Calendar) -> None:
    asked = {"start_date": "2026-03-28", "end_date": "2026-03-29"}
    content, successful = await calendar.use("check_availability_cal", asked)
    assert (content, successful) == ("These times are free: 2026-03-28T09:00-07:00, 2026-03-28T09:30-07:00.", True)
    [request] = calendar.server.requests
    assert request.query == {
        "eventTypeId": "123", "start": "2026-03-28", "end": "2026-03-29", "timeZone": "America/Los_Angeles"
    }  # fmt: skip


async def test_key_event_type_and_zone_may_be_variables(calendar: Calendar) -> None:
    asked = {"start_date": "2026-03-30", "end_date": "2026-03-30"}
    content, successful = await calendar.use(
        "check_availability_cal", asked, cal_api_key="{{cal_key}}", event_type_id="{{event}}", timezone="{{zone}}"
    )
    assert (content, successful) == ("These times are free: 2026-03-30T14:00-07:00.", True)


async def test_days_without_a_free_time_are_no_failure(calendar: Calendar) -> None:
    asked = {"start_date": "2026-04-01", "end_date": "2026-04-02"}
    content, successful = await calendar.use("check_availability_cal", asked)
    assert (content, successful) == ("No time is free from 2026-04-01 to 2026-04-02. Look at other days.", True)


@pytest.mark.parametrize("time", ["2026-03-28T09:00-07:00", "2026-03-28T09:00", "2026-03-28T16:00:00Z"])
async def test_a_time_is_booked_as_the_zone_means_it(calendar: Calendar, time: str) -> None:
    content, successful = await calendar.use("book_appointment_cal", BOOKING | {"time": time, "phone": "+14157774444"})
    assert (content, successful) == (
        "The appointment is booked for 2026-03-28T09:00-07:00. Its number is aBcD1234.",
        True,
    )
    assert calendar.cal.booked == {
        "2026-03-28T16:00:00Z": {
            "eventTypeId": 123,
            "start": "2026-03-28T16:00:00Z",
            "attendee": {
                "name": "Ada King",
                "email": "ada@example.com",
                "timeZone": "America/Los_Angeles",
                "phoneNumber": "+14157774444",
            },
        }
    }
    assert calendar.server.requests[0].headers["idempotency-key"] == TOOL_CALL_ID


async def test_a_booking_that_the_host_confirms_is_only_requested(calendar: Calendar) -> None:
    calendar.cal.needs_confirmation = True
    content, successful = await calendar.use("book_appointment_cal", BOOKING)
    assert successful
    assert content.startswith("The appointment is requested for 2026-03-28T09:00-07:00; the host has yet to confirm")


async def test_a_time_that_is_taken_is_refused_in_the_calendars_words(calendar: Calendar) -> None:
    await calendar.use("book_appointment_cal", BOOKING)
    content, successful = await calendar.use("book_appointment_cal", BOOKING)
    assert not successful
    assert content == "The calendar refused: User either already has booking at this time or is not available"


async def test_a_wrong_key_is_refused(calendar: Calendar) -> None:
    content, successful = await calendar.use("book_appointment_cal", BOOKING, cal_api_key="cal_live_other")
    assert (content, successful) == ("The calendar refused: Invalid API Key", False)


@pytest.mark.parametrize(
    ("kind", "arguments", "fields", "said"),
    [
        ("check_availability_cal", {"start_date": "2026-03-28"}, {}, "end_date is missing"),
        ("check_availability_cal", {"start_date": "soon", "end_date": "2026-03-28"}, {}, "'soon' is no date"),
        ("check_availability_cal", {"start_date": "2026-03-29", "end_date": "2026-03-28"}, {}, "before start_date"),
        ("book_appointment_cal", BOOKING | {"time": "at nine"}, {}, "'at nine' is no time"),
        ("book_appointment_cal", BOOKING | {"time": "0001-01-01T00:00+14:00"}, {}, "is no time"),
        ("book_appointment_cal", {"time": "2026-03-28T09:00"}, {}, "name is missing"),
        ("book_appointment_cal", BOOKING, {"timezone": "Mars/Base"}, "'Mars/Base'"),
        ("book_appointment_cal", BOOKING, {"event_type_id": "{{unknown}}"}, "is no number"),
        ("book_appointment_cal", "no JSON", {}, "no JSON object"),
    ],
)
async def test_what_cannot_be_asked_is_not_asked(
    calendar: Calendar, kind: str, arguments: object, fields: dict[str, Any], said: str
) -> None:
    content, successful = await calendar.use(kind, arguments, **fields)
    assert not successful
    assert said in content
    assert calendar.server.requests == []


@pytest.mark.parametrize("said", [answer("<html>busy</html>", 502), answer("[]", 200), answer({"data": 7})])
async def test_an_answer_that_is_none_of_the_calendars_breaks_nothing(said: bytes) -> None:
    async with web_server(lambda _: said) as server:
        calendar = Calendar(CalCom(), server)
        for kind, arguments in (
            ("check_availability_cal", {"start_date": "2026-03-28", "end_date": "2026-03-28"}),
            ("book_appointment_cal", BOOKING),
        ):
            content, successful = await calendar.use(kind, arguments)
            assert content
            assert successful == (b"502" not in said)


async def test_a_text_message_is_handed_in_on_the_wire() -> None:
    tool = tool_of(type="send_sms", name="text", sms_content={"type": "predefined", "text": "See you, {{name}}!"})
    async with web_server(lambda _: answer({"id": "sms_1"}, 202)) as server:
        services = tool_services(loopback_outbound(), sms_url=f"{server.url}/messages", sms_api_key="secret")
        numbers = {"from_number": "+14157774444", "to_number": "+14155550100"}
        call = {"call_type": "phone_call", "direction": "inbound", **numbers}
        result = await use_tool(tool, tool_context(services, variables={"name": "Zoë"}, call=call))
    assert result.successful
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/messages")
    assert request.headers["authorization"] == "Bearer secret"
    assert request.json == {
        "from": "+14155550100",
        "to": "+14157774444",
        "text": "See you, Zoë!",
        "call_id": "call_1",
        "agent_id": "agent_1",
        "tool_call_id": TOOL_CALL_ID,
    }


async def test_a_custom_tool_is_signed_on_the_wire_and_its_redirect_not_followed() -> None:
    def respond(request: WebRequest) -> bytes:
        return answer("there", 307, Location="/other") if request.path == "/moved" else answer({"table": 4})

    async with web_server(respond) as server:
        services = tool_services(loopback_outbound())
        tool = tool_of(type="custom", name="t", url=f"{server.url}/order", response_variables={"table": "$.table"})
        result = await use_tool(tool, tool_context(services), {"guests": 2})
        moved = await use_tool(tool_of(type="custom", name="t", url=f"{server.url}/moved"), tool_context(services))
    assert (result.content, result.successful, result.variables) == ('{"table":4}', True, {"table": 4})
    request = server.requests[0]
    assert is_signed(request.body, WEBHOOK_KEY, request.headers["x-retell-signature"], NOW_MS)
    assert not moved.successful
    assert [request.path for request in server.requests] == ["/order", "/moved"]


async def test_a_tool_that_hangs_or_never_ends_costs_its_time_limit_and_no_more() -> None:
    async with web_server(lambda _: None) as server:
        tool = tool_of(type="custom", name="t", url=server.url, timeout_ms=1_000)
        result = await use_tool(tool, tool_context(tool_services(loopback_outbound())))
    assert (result.successful, "within 1 s" in result.content) == (False, True)
    async with web_server(lambda _: answer(b"x" * 10_000_000)) as server:
        tool = tool_of(type="custom", name="t", url=server.url)
        result = await use_tool(tool, tool_context(tool_services(loopback_outbound())))
    assert (result.successful, len(result.shown)) == (True, 15_000)
