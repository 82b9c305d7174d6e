"""Cal.com's API as the two calendar tools use it: what is asked, and what its answers say. Pure.

Sources: Cal.com API v2, "Get available time slots" (2024-09-04) and "Create a booking" (2026-02-25).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final, cast
from urllib.parse import urlencode

SLOTS_VERSION: Final = "2024-09-04"
BOOKINGS_VERSION: Final = "2026-02-25"
VERSION_HEADER: Final = "cal-api-version"
MAX_SHOWN: Final = 100
"""Free times that a model is told; with more it has too much to choose from."""


class Unusable(ValueError):
    """What was asked for cannot be asked of Cal.com; the message says why."""


def event_type(given: str) -> int:
    """The number of an event type. Raises Unusable."""
    try:
        return int(float(given))
    except (ValueError, OverflowError):
        raise Unusable(f"the event type {given!r} of this tool is no number") from None


def zone_of(name: str, find_zone: Callable[[str], tzinfo | None]) -> tzinfo:
    """The tool's time zone: another one in its place would book the wrong hour. Raises Unusable."""
    zone = find_zone(name)
    if zone is None:
        raise Unusable(f"the time zone {name!r} of this tool is not known")
    return zone


def slots_url(base_url: str, event_type_id: int, arguments: Mapping[str, Any], zone: str) -> str:
    """Where the free times of `start_date` to `end_date` stand. Raises Unusable."""
    first, last = (_day(arguments[name]) for name in ("start_date", "end_date"))
    if last < first:
        raise Unusable("end_date is before start_date")
    query = {"eventTypeId": event_type_id, "start": first.isoformat(), "end": last.isoformat(), "timeZone": zone}
    return f"{base_url.rstrip('/')}/v2/slots?{urlencode(query)}"


def bookings_url(base_url: str) -> str:
    """Where bookings are made."""
    return f"{base_url.rstrip('/')}/v2/bookings"


def booking(event_type_id: int, arguments: Mapping[str, Any], zone_name: str, zone: tzinfo) -> dict[str, Any]:
    """The request for a booking; a time without an offset is one of the zone. Raises Unusable."""
    begins = _moment(arguments["time"])
    if begins.tzinfo is None:
        begins = begins.replace(tzinfo=zone)
    attendee = {"name": arguments["name"], "email": arguments["email"], "timeZone": zone_name}
    if phone := arguments.get("phone"):
        attendee["phoneNumber"] = phone
    start = begins.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"eventTypeId": event_type_id, "start": start, "attendee": attendee}


def free_times(answer: Any, zone: tzinfo) -> list[str]:
    """When the free times of an answer begin, in order, with the offset of the zone; what is no time is left out."""
    days = _field(answer, "data")
    starts = (_field(slot, "start") for day in _values(days) for slot in _items(day))
    moments = {moment for start in starts if (moment := _known_moment(start)) is not None}
    return [moment.astimezone(zone).isoformat(timespec="minutes") for moment in sorted(moments)]


def booked(answer: Any, zone: tzinfo) -> str:
    """What came of a booking, in words."""
    made = _field(answer, "data")
    begins = _known_moment(_field(made, "start"))
    when = f" for {begins.astimezone(zone).isoformat(timespec='minutes')}" if begins else ""
    uid = _field(made, "uid")
    number = f" Its number is {uid}." if isinstance(uid, str) else ""
    if _field(made, "status") == "pending":
        return f"The appointment is requested{when}; the host has yet to confirm it.{number}"
    return f"The appointment is booked{when}.{number}"


def refusal(answer: Any) -> str:
    """Why Cal.com refused, in its own words; empty when it gave none."""
    error = _field(answer, "error")
    message = _field(error, "message") or _field(answer, "message") or (error if isinstance(error, str) else "")
    return message if isinstance(message, str) else ""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Unusable(f"{text!r} is no date such as 2026-03-28") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unusable(f"{text!r} is no time such as 2026-03-28T09:00-07:00") from None
    return moment


def _known_moment(text: Any) -> datetime | None:
    """A moment that names its offset."""
    try:
        moment = _moment(text) if isinstance(text, str) else None
    except Unusable:
        return None
    return moment if moment and moment.tzinfo else None


def _field(value: Any, name: str) -> Any:
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None


def _values(value: Any) -> Iterator[Any]:
    return iter(cast("dict[str, Any]", value).values() if isinstance(value, dict) else ())


def _items(value: Any) -> Iterator[Any]:
    return iter(cast("list[Any]", value) if isinstance(value, list) else ())
