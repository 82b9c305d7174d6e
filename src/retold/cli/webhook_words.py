"""Webhook events and endpoints in words, from what the API tells of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from retold.cli.delivered import shown

_TIMES: Final = (
    "never",
    "once",
    "twice",
    *(f"{number} times" for number in ("three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")),
    "twelve times",
)
_MAX_CHARS: Final = 300


def event_line(event: Mapping[str, Any], now_ms: int, zone: tzinfo | None = None) -> str:
    """One event in a line: when, what, of which call, how far its delivery is, and its id."""
    at = moment(event["event_timestamp"], now_ms, zone)
    return f"{at}  {event['event']}  {event['call_id']}  {delivery(event, now_ms, zone)}  {event['event_id']}"


def delivery(event: Mapping[str, Any], now_ms: int, zone: tzinfo | None = None) -> str:
    """How far the delivery of an event is."""
    count, last = int(event["attempt_count"]), event.get("last_attempt")
    match event["state"]:
        case "delivered":
            return "delivered" if count <= 1 else f"delivered at attempt {count}"
        case "dropped":
            return "dropped: the webhook answered 410"
        case "dead":
            return f"given up after {count} attempts: {outcome(last)}"
        case _ if count == 0:
            return "waits for its first attempt" if last is None else "is sent again"
        case _:
            return f"{outcome(last)} {times(count)}; next try {moment(event['next_attempt_timestamp'], now_ms, zone)}"


def endpoint_words(endpoint: Mapping[str, Any], now_ms: int, zone: tzinfo | None = None) -> str:
    """How a receiver is doing, such as "Your webhook answered 500 four times; next try 14:05; 3 events wait"."""
    url, count = shown(endpoint["url"], _MAX_CHARS), int(endpoint["waiting_count"])
    waiting = "1 event waits" if count == 1 else f"{count} events wait"
    if endpoint["state"] == "disabled":
        since = moment(endpoint["disabled_timestamp"], now_ms, zone)
        return (
            f"Your webhook {url} answered 410 at {since}: nothing is sent there."
            f"\n  fix: retold webhooks enable {endpoint['endpoint_id']}"
        )
    if endpoint["state"] == "well":
        return f"Your webhook {url} is well; {waiting}."
    failures, last = int(endpoint["failure_count"]), endpoint.get("last_attempt")
    failed = f"{outcome(last) if last else 'failed'} {times(failures)}"
    next_ms = endpoint.get("next_attempt_timestamp")
    then = f"next try {moment(next_ms, now_ms, zone)}; {waiting}" if next_ms is not None else "nothing waits for it"
    return f"Your webhook {url} {failed}; {then}."


def attempt_line(attempt: Mapping[str, Any], now_ms: int, zone: tzinfo | None = None) -> str:
    """One attempt in a line, with how its answer begins."""
    at = moment(attempt["attempt_timestamp"], now_ms, zone)
    line = f"attempt {attempt['number']}  {at}  {outcome(attempt)} after {attempt['took_ms']} ms"
    reply = attempt.get("reply")
    return f"{line}: {shown(reply, _MAX_CHARS)}" if reply else line


def outcome(attempt: Mapping[str, Any] | None) -> str:
    """What came of an attempt."""
    if attempt is None:
        return "never tried"
    if attempt.get("status") is not None:
        return f"answered {attempt['status']}"
    return f"failed ({shown(attempt.get('error') or 'no answer', _MAX_CHARS)})"


def times(count: int) -> str:
    """How often."""
    return _TIMES[count] if count < len(_TIMES) else f"{count} times"


def moment(wall_ms: int, now_ms: int, zone: tzinfo | None = None) -> str:
    """A time of day where this machine is, or in a zone, with its date unless that is today's."""
    then, now = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone) for ms in (wall_ms, now_ms))
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def parse_moment(text: str, now_ms: int, zone: tzinfo | None = None) -> int:
    """What `2h` ago, or a date with or without a time, is in epoch milliseconds. Raises ValueError."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and len(number) < 7 and unit in units:
        return now_ms - round(timedelta(**{units[unit]: int(number)}).total_seconds() * 1000)
    then = datetime.fromisoformat(text)
    if then.tzinfo is None:
        then = then.replace(tzinfo=zone) if zone else then.astimezone()
    return round(then.timestamp() * 1000)
