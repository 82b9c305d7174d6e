"""Which events a moment of a call announces, to whom, and what a receiver is sent.

Source: Retell's "Webhook overview". The body is compact JSON in UTF-8, in the order of insertion: receivers that write
what they have read once more, and verify that, get the same bytes.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

import orjson
from pydantic import JsonValue

from retold.domain.agent_settings import AgentSettings
from retold.domain.call import Call, CallRecord
from retold.domain.consequences import NewEvent

DEFAULT_EVENTS: Final = ("call_started", "call_ended", "call_analyzed")
DEFAULT_TIMEOUT_MS: Final = 10_000
MAX_TIMEOUT_MS: Final = 300_000
_OF_2024: Final = frozenset(DEFAULT_EVENTS)
"""Events whose receivers may read the call under the key it had then, `data`."""
_QUERY: Final = re.compile(r"[?#]")
_SNAKE: Final = re.compile(r"_([a-z0-9])")


class Moment(StrEnum):
    """What happens to a call, and is announced."""

    STARTED = "started"
    TOLD = "told"
    """The turn changed, and the transcript is longer."""
    ENDED = "ended"
    ANALYZED = "analyzed"


@dataclass(frozen=True, slots=True)
class OrgWebhook:
    """What an organisation has set for agents without a webhook of their own; None leaves it to the agent."""

    url: str | None = None
    events: Sequence[str] | None = None
    timeout_ms: int | None = None


NO_WEBHOOK: Final = OrgWebhook()


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told of a call."""

    url: str
    """As it was set: its variables are not filled in."""
    events: frozenset[str]
    timeout_ms: int


def target_of(agent: AgentSettings | None, org: OrgWebhook) -> Target | None:
    """Who is told of the calls of an agent, None for nobody; an agent that is gone is told of by its organisation.

    An agent's address replaces that of its organisation, and then the agent's settings hold.
    """
    own_events = DEFAULT_EVENTS if agent is None or agent.webhook_events is None else agent.webhook_events
    own_timeout_ms = DEFAULT_TIMEOUT_MS if agent is None else agent.webhook_timeout_ms
    if agent is not None and agent.webhook_url:
        return Target(agent.webhook_url, frozenset(own_events), min(own_timeout_ms, MAX_TIMEOUT_MS))
    if not org.url:
        return None
    events = own_events if org.events is None else org.events
    return Target(org.url, frozenset(events), min(org.timeout_ms or own_timeout_ms, MAX_TIMEOUT_MS))


def events_at(moment: Moment, record: CallRecord) -> tuple[str, ...]:
    """The events that a moment announces, in order."""
    match moment:
        case Moment.STARTED:
            return ("call_started",)
        case Moment.TOLD:
            return ("transcript_updated",)
        case Moment.ENDED:
            # Who follows the transcript gets its last words before the end; a call that nobody joined has none.
            has_talked = record.call.start_timestamp is not None
            return ("transcript_updated", "call_ended") if has_talked else ("call_ended",)
        case Moment.ANALYZED:
            return ("call_analyzed",)
        case _:
            assert_never(moment)


def new_events(
    moment: Moment, record: CallRecord, target: Target, *, url: str, at_ms: int, new_id: Callable[[], str]
) -> tuple[NewEvent, ...]:
    """What this moment announces to this target; `url` is its address with the variables filled in.

    `record` is the call as it may be stored, at wall time `at_ms`.
    """
    return tuple(
        NewEvent(
            event_id=new_id(),
            event=event,
            endpoint=endpoint_of(record.org_id, url),
            url=url,
            timeout_ms=target.timeout_ms,
            at_ms=at_ms,
            call=call_of(event, record.call),
            files_token=record.files_token,
            link_lifetime_ms=record.signed_url_expiration_ms,
            is_whole=moment is Moment.STARTED or _is_whole(record.call),
        )
        for event in events_at(moment, record)
        if event in target.events
    )


def endpoint_of(org_id: str, url: str) -> str:
    """What failures are counted for and limits hold for: an address without its query, of one organisation."""
    return hashlib.sha256(f"{org_id} {_QUERY.split(url, maxsplit=1)[0]}".encode(errors="replace")).hexdigest()


def call_of(event: str, call: Call) -> bytes:
    """The call object as this event shows it, as JSON."""
    without = {"call_analysis"} if event == "call_ended" else None
    return call.model_dump_json(exclude_none=True, exclude=without).encode()


def body_of(event: str, call: bytes, *, at_ms: int, extra: str | None = None, is_available: bool = True) -> bytes:
    """What is sent; `call` is the JSON of a call, and `extra` that of an object.

    Without `is_available`, something of the call may not be stored, and whoever had it in memory is gone.
    """
    parts = [b'{"event":', orjson.dumps(event), b',"call":', call]
    if event in _OF_2024:
        parts += (b',"data":', call)
    if extra is not None and extra != "{}":
        parts += (b",", extra.encode()[1:-1])
    if not is_available:
        parts.append(b',"data_unavailable":true')
    parts.append(b',"event_timestamp":%d}' % at_ms)
    return b"".join(parts)


def transfer_extra(number: str, extension: str | None, option: Mapping[str, JsonValue] | None) -> str:
    """What transfer_started, transfer_bridged and transfer_cancelled carry beside the call: where it goes, and how.

    `option` is the tool's transfer option; its names are written as Retell writes them here, in camel case.
    """
    destination = {"number": number} | ({} if extension is None else {"extension": extension})
    extra: dict[str, Any] = {"transfer_destination": destination}
    if option is not None:
        extra["transfer_option"] = _camel(option)
    return orjson.dumps(extra).decode()


def _is_whole(call: Call) -> bool:
    # Of a call that nobody has talked on, nothing is left out.
    return call.stores_sensitive_data or call.start_timestamp is None


def _camel(value: JsonValue | Mapping[str, JsonValue]) -> Any:
    if isinstance(value, Mapping):
        return {_SNAKE.sub(lambda found: found[1].upper(), name): _camel(one) for name, one in value.items()}
    return value
