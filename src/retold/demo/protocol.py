"""Ada's side of the LLM websocket: what to send for what is received. Pure; wrong messages are ignored."""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from retold.demo import rules
from retold.demo.state import Line, Lookup, Reply
from retold.demo.understanding import Meaning, understand

_ROLES: Final[dict[str, Literal["agent", "user"]]] = {"agent": "agent", "user": "user"}
_CONFIG: Final = {"auto_reconnect": True, "call_details": True, "transcript_with_tool_calls": True}
MAX_MESSAGE_CHARS: Final = 256 * 1024
"""An hour of talk is a quarter of it; a longer message is not even parsed."""
MAX_LINES: Final = 100
"""Of a longer transcript, Ada looks at the newest lines."""
MAX_LINE_CHARS: Final = 400
MAX_UNREAD_LINES: Final = 20
MAX_UNREAD_CHARS: Final = 1_200
"""What the caller said that Ada has not read before: so much of the newest for one answer, about 4 ms of work."""
_REMEMBERED: Final = 512


class _Utterance(msgspec.Struct, frozen=True):
    role: str
    content: str = ""


class _Received(msgspec.Struct, frozen=True, tag_field="interaction_type"):
    """A message of the platform."""


class _PingPong(_Received, frozen=True, tag="ping_pong"):
    timestamp: int | float = 0


class _CallDetails(_Received, frozen=True, tag="call_details"):
    pass


class _UpdateOnly(_Received, frozen=True, tag="update_only"):
    pass


class _ResponseRequired(_Received, frozen=True, tag="response_required"):
    response_id: int
    transcript: list[msgspec.Raw]


class _ReminderRequired(_Received, frozen=True, tag="reminder_required"):
    response_id: int
    transcript: list[msgspec.Raw]


_utterance = msgspec.json.Decoder(_Utterance)
_decoder = msgspec.json.Decoder(_PingPong | _CallDetails | _UpdateOnly | _ResponseRequired | _ReminderRequired)


class Ada:
    """Ada on one connection; she remembers how she read each utterance, and nothing else."""

    def __init__(self) -> None:
        self._meanings: dict[str, Meaning] = {}

    def opening(self) -> list[str]:
        """The first messages on a connection: what Ada wants to be sent, and her begin message."""
        return [_dumps({"response_type": "config", "config": _CONFIG}), *_spoken(rules.begin(), 0)]

    def answers(self, text: str) -> list[str]:
        """The messages that answer one of the platform's; none for an update or for nonsense. Never raises."""
        if len(text) > MAX_MESSAGE_CHARS:
            return []
        try:
            message = _decoder.decode(text)
            match message:
                case _PingPong(timestamp=timestamp_ms):
                    return [_dumps({"response_type": "ping_pong", "timestamp": timestamp_ms})]
                case _ResponseRequired(response_id=response_id, transcript=transcript):
                    return _spoken(rules.reply_to(self._newest(transcript), self._read), response_id)
                case _ReminderRequired(response_id=response_id, transcript=transcript):
                    return _spoken(rules.remind(self._newest(transcript), self._read), response_id)
                case _:
                    return []
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return []

    def _newest(self, transcript: Sequence[msgspec.Raw]) -> list[Line]:
        """The end of the conversation, as far back as one answer has time for."""
        lines: list[Line] = []
        unread: set[str] = set()
        for raw in reversed(transcript[-MAX_LINES:]):
            utterance = _utterance.decode(raw)
            role, content = _ROLES.get(utterance.role), utterance.content[-MAX_LINE_CHARS:]
            if role is None:
                continue
            if role == "user" and content not in self._meanings:
                unread.add(content)
                if len(unread) > MAX_UNREAD_LINES or sum(map(len, unread)) > MAX_UNREAD_CHARS:
                    break
            lines.append(Line(role, content))
        return lines[::-1]

    def _read(self, text: str) -> Meaning:
        meaning = self._meanings.get(text)
        if meaning is None:
            if len(self._meanings) >= _REMEMBERED:
                self._meanings.clear()
            meaning = self._meanings[text] = understand(text)
        return meaning


def _spoken(reply: Reply, response_id: int) -> list[str]:
    """One message per sentence, so that the first can be spoken at once, and tool calls where they happen."""
    messages: list[str] = []
    for number, part in enumerate(reply.parts):
        if isinstance(part, Lookup):
            messages += _looked_up(part, f"{part.name}_{response_id}_{number}")
        else:
            messages.append(_response(response_id, f"{part} ", is_complete=False))
    messages.append(_response(response_id, "", is_complete=True, ends_call=reply.ends_call))
    return messages


def _response(response_id: int, content: str, *, is_complete: bool, ends_call: bool = False) -> str:
    message: dict[str, Any] = {
        "response_type": "response",
        "response_id": response_id,
        "content": content,
        "content_complete": is_complete,
    }
    if ends_call:
        message["end_call"] = True
    return _dumps(message)


def _looked_up(lookup: Lookup, tool_call_id: str) -> list[str]:
    invocation = {
        "response_type": "tool_call_invocation",
        "tool_call_id": tool_call_id,
        "name": lookup.name,
        "arguments": _dumps(lookup.arguments),
    }
    result = {
        "response_type": "tool_call_result",
        "tool_call_id": tool_call_id,
        "content": _dumps(lookup.result),
        "successful": True,
    }
    return [_dumps(invocation), _dumps(result)]


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
