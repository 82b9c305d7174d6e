"""The LLM websocket's messages: strict reading of what the server sends, writing of what it is sent.

Source: Retell's "LLM WebSocket" page (2026) and the custom LLM demo servers. Pure: no socket, no clock.
A message that is not as the protocol says becomes `Unreadable`: it is dropped and noted, and the call goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, assert_never

import msgspec
import orjson

from retold.domain.transcript import Forms, NodeTransition, TranscriptItem
from retold.ports import (
    ChangeRules,
    ForwardMetadata,
    ReplyWanted,
    Say,
    ToolInvoked,
    ToolReturned,
    TranscriptChanged,
)

LOGGED_UTTERANCES: Final = 2
_MAX_LOGGED_CHARS: Final = 16_000

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Message(msgspec.Struct, frozen=True, tag_field="response_type"):
    """A message of the server; unknown fields are ignored."""


class Config(msgspec.Struct, frozen=True):
    """What the server asks of the connection; absent means no."""

    auto_reconnect: bool = False
    call_details: bool = False
    transcript_with_tool_calls: bool = False


class _ConfigMessage(_Message, frozen=True, tag="config"):
    config: Config


class PingPong(_Message, frozen=True, tag="ping_pong"):
    """A sign of life; an answer to ours repeats our `timestamp` (milliseconds since the epoch)."""

    timestamp: int | float


class _Response(_Message, frozen=True, tag="response"):
    response_id: int
    content: str
    content_complete: bool
    no_interruption_allowed: bool | None = None
    end_call: bool | None = None
    transfer_number: str | None = None
    digit_to_press: str | None = None


class _AgentInterrupt(_Message, frozen=True, tag="agent_interrupt"):
    interrupt_id: int
    content: str
    content_complete: bool
    no_interruption_allowed: bool | None = None
    end_call: bool | None = None
    transfer_number: str | None = None
    digit_to_press: str | None = None


class _ToolCallInvocation(_Message, frozen=True, tag="tool_call_invocation"):
    tool_call_id: str
    name: str
    arguments: str


class _ToolCallResult(_Message, frozen=True, tag="tool_call_result"):
    tool_call_id: str
    content: str
    successful: bool | None = None


class _Metadata(_Message, frozen=True, tag="metadata"):
    metadata: Any


class _AgentConfig(msgspec.Struct, frozen=True):
    responsiveness: Share | None = None
    interruption_sensitivity: Share | None = None
    reminder_trigger_ms: Annotated[float, msgspec.Meta(gt=0)] | None = None
    reminder_max_count: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _UpdateAgent(_Message, frozen=True, tag="update_agent"):
    agent_config: _AgentConfig


_AnyMessage = (
    _ConfigMessage
    | PingPong
    | _Response
    | _AgentInterrupt
    | _ToolCallInvocation
    | _ToolCallResult
    | _Metadata
    | _UpdateAgent
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that breaks the protocol, and how."""

    problem: str


Parsed = Config | PingPong | Say | ToolInvoked | ToolReturned | ForwardMetadata | ChangeRules | Unreadable

_decoder = msgspec.json.Decoder(_AnyMessage)


def parse(text: str) -> Parsed:
    """Read one message of the server; never raises."""
    try:
        return _meaning(_decoder.decode(text))
    except msgspec.ValidationError as error:
        return Unreadable(f"wrong type or value: {error}")
    except (msgspec.DecodeError, UnicodeError) as error:
        return Unreadable(f"not JSON: {error}")
    except RecursionError:
        return Unreadable("nested too deeply")


def _meaning(message: _AnyMessage) -> Parsed:
    meaning: Parsed
    match message:
        case _ConfigMessage(config=config):
            meaning = config
        case PingPong():
            meaning = message
        case _Response() | _AgentInterrupt():
            meaning = _say(message)
        case _ToolCallInvocation(tool_call_id=tool_call_id, name=name, arguments=arguments):
            meaning = ToolInvoked(tool_call_id=tool_call_id, name=name, arguments=arguments)
        case _ToolCallResult(tool_call_id=tool_call_id, content=content, successful=successful):
            meaning = ToolReturned(tool_call_id=tool_call_id, content=content, successful=successful)
        case _Metadata(metadata=metadata):
            meaning = _forwardable(metadata)
        case _UpdateAgent(agent_config=change):
            meaning = _changed_rules(change)
        case _:
            assert_never(message)
    return meaning


def _changed_rules(change: _AgentConfig) -> ChangeRules:
    trigger_ms = change.reminder_trigger_ms
    return ChangeRules(
        responsiveness=change.responsiveness,
        interruption_sensitivity=change.interruption_sensitivity,
        reminder_trigger_ms=None if trigger_ms is None else max(1, round(trigger_ms)),
        reminder_max_count=change.reminder_max_count,
    )


def _say(message: _Response | _AgentInterrupt) -> Say:
    return Say(
        response_id=message.response_id if isinstance(message, _Response) else 0,
        text=message.content,
        is_complete=message.content_complete,
        interrupt_id=message.interrupt_id if isinstance(message, _AgentInterrupt) else None,
        no_interruption_allowed=message.no_interruption_allowed,
        end_call=bool(message.end_call),
        transfer_number=message.transfer_number or None,
        digit_to_press=message.digit_to_press or None,
    )


def _forwardable(metadata: Any) -> ForwardMetadata | Unreadable:
    # It is sent on to the caller's client: orjson is the strictest encoder it may meet (64 bits, 254 levels).
    try:
        orjson.dumps(metadata)
    except orjson.JSONEncodeError as error:
        return Unreadable(f"metadata cannot be forwarded: {error}")
    return ForwardMetadata(metadata)


def ping_pong(timestamp_ms: int) -> bytes:
    """Our sign of life."""
    return orjson.dumps({"interaction_type": "ping_pong", "timestamp": timestamp_ms})


def call_details(call: Mapping[str, Any]) -> bytes:
    """The call object, sent once per connection when the server asked for it."""
    return orjson.dumps({"interaction_type": "call_details", "call": call})


def logged_call_details(call: Mapping[str, Any]) -> str:
    """`call_details` for the public log: whoever reads that may not join the call."""
    return call_details({key: value for key, value in call.items() if key != "access_token"}).decode()


class Writer:
    """Writes transcript events of one call; an utterance that has not changed is not encoded again."""

    def __init__(self) -> None:
        self._transcript = Forms(_fragment)
        self._with_tool_calls = Forms(_fragment)

    def write(self, event: ReplyWanted | TranscriptChanged, *, with_tool_calls: bool) -> bytes:
        """`response_required`, `reminder_required` or `update_only` as compact JSON."""
        message = {**_head(event), "transcript": self._transcript.of(event.transcript)}
        if with_tool_calls:
            # The protocol has no transitions: they may stand there when a flow has handed over to this server.
            told = [item for item in event.with_tool_calls if not isinstance(item, NodeTransition)]
            message["transcript_with_tool_calls"] = self._with_tool_calls.of(told)
        return orjson.dumps(message)


def logged(event: ReplyWanted | TranscriptChanged) -> str:
    """The same event for the public log: the last two utterances, without word times."""
    texts = [{"role": item.role, "content": item.content} for item in event.transcript[-LOGGED_UTTERANCES:]]
    return orjson.dumps({**_head(event), "transcript": texts}).decode()


def logged_text(text: str) -> str:
    """A received message for the public log; a very long one is cut."""
    if len(text) <= _MAX_LOGGED_CHARS:
        return text
    return f"{text[:_MAX_LOGGED_CHARS]}... ({len(text)} characters)"


def _head(event: ReplyWanted | TranscriptChanged) -> dict[str, Any]:
    if isinstance(event, ReplyWanted):
        return {"interaction_type": event.kind.value, "response_id": event.response_id}
    if event.turntaking is not None:
        return {"interaction_type": "update_only", "turntaking": event.turntaking.value}
    return {"interaction_type": "update_only"}


def _fragment(item: TranscriptItem) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(item.wire()))
