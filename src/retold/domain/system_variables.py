"""The variables that every conversation has: time in any zone, how long it has lasted, who talks with whom.

Source: the table of Retell's "Dynamic variables" page. Nothing here reads a clock or a time zone database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

DEFAULT_ZONE: Final = "America/Los_Angeles"
CALENDAR_DAYS: Final = 14
_MS_PER_S: Final = 1_000
_S_PER_MINUTE: Final = 60
_S_PER_HOUR: Final = 3_600
_NOON: Final = 12
# Not by strftime: its names follow the locale of the process.
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of a conversation at one moment; None for what does not apply."""

    now: datetime
    """Aware of its zone, whichever it is."""
    duration_ms: int = 0
    zone: str = DEFAULT_ZONE
    """Of `current_time` and the like when they name none; the default zone, then UTC, stand in for an unknown one."""
    session_type: Literal["voice", "chat"] = "voice"
    call_id: str | None = None
    call_type: str | None = None
    chat_id: str | None = None
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    current_agent_state: str | None = None
    previous_agent_state: str | None = None
    current_node: str | None = None
    previous_node: str | None = None


def system_variable(name: str, facts: SessionFacts, find_zone: Callable[[str], tzinfo | None]) -> str | None:
    """The value of a system variable, None when there is none of this name.

    `find_zone` gives the zone of an IANA name, None for a name that is none.
    """
    for prefix, make in _BY_ZONE.items():
        if name == prefix:
            return make(facts.now.astimezone(find_zone(facts.zone) or find_zone(DEFAULT_ZONE) or UTC))
        if name.startswith(prefix + "_"):
            zone = find_zone(name.removeprefix(prefix + "_"))
            return None if zone is None else make(facts.now.astimezone(zone))
    make_fact = _OF_SESSION.get(name)
    return None if make_fact is None else make_fact(facts)


def duration_text(duration_ms: int) -> str:
    """Such as `20 minutes 30 seconds`; hours and minutes are named when there are any."""
    seconds = max(0, duration_ms) // _MS_PER_S
    parts = (
        (seconds // _S_PER_HOUR, "hour"),
        (seconds % _S_PER_HOUR // _S_PER_MINUTE, "minute"),
        (seconds % _S_PER_MINUTE, "second"),
    )
    named = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(named) or "0 seconds"


def _date(at: datetime) -> str:
    return f"{_WEEKDAYS[at.weekday()]}, {_MONTHS[at.month - 1]} {at.day}, {at.year}"


def _time(at: datetime) -> str:
    half = "AM" if at.hour < _NOON else "PM"
    return f"{_date(at)} at {at.hour % _NOON or _NOON}:{at.minute:02} {half} {at.tzname()}"


def _hour(at: datetime) -> str:
    return f"{at.hour + at.minute / 60:.2f}".rstrip("0").rstrip(".")


def _calendar(at: datetime) -> str:
    # At noon every day exists in every zone, and has the abbreviation that holds for most of it.
    noon = at.replace(hour=_NOON, minute=0, second=0, microsecond=0)
    days = [noon + timedelta(days=number) for number in range(CALENDAR_DAYS)]
    return "\n".join(f"{_date(day)} {day.tzname()}{' (Today)' if day is days[0] else ''}" for day in days)


def _user_number(facts: SessionFacts) -> str | None:
    return facts.to_number if facts.direction == "outbound" else facts.from_number


def _agent_number(facts: SessionFacts) -> str | None:
    return facts.from_number if facts.direction == "outbound" else facts.to_number


_BY_ZONE: Final[dict[str, Callable[[datetime], str]]] = {
    "current_time": _time,
    "current_hour": _hour,
    "current_calendar": _calendar,
}
_OF_SESSION: Final[dict[str, Callable[[SessionFacts], str | None]]] = {
    "session_type": lambda facts: facts.session_type,
    "session_duration": lambda facts: duration_text(facts.duration_ms),
    "session_duration_ms": lambda facts: str(max(0, facts.duration_ms)),
    "direction": lambda facts: facts.direction,
    "user_number": _user_number,
    "agent_number": _agent_number,
    "call_id": lambda facts: facts.call_id,
    "call_type": lambda facts: facts.call_type,
    "chat_id": lambda facts: facts.chat_id,
    "current_agent_state": lambda facts: facts.current_agent_state,
    "previous_agent_state": lambda facts: facts.previous_agent_state,
    "current_node": lambda facts: facts.current_node,
    "previous_node": lambda facts: facts.previous_node,
}
NAMES: Final = (*_BY_ZONE, *_OF_SESSION)
"""The names of all system variables; the first three may be followed by `_` and a zone."""
