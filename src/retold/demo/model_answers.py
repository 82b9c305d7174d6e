"""Writes answers as the vendors stream them, for the stand-in model server; if wanted, with the quirks of others."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol

from retold.domain.dialogue import StopReason

FRAGMENT_CHARS: Final = 7
"""Of a tool's arguments."""
_OPENAI_REASONS: Final = {
    StopReason.END: "stop",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.LENGTH: "length",
    StopReason.REFUSED: "content_filter",
}
_ANTHROPIC_REASONS: Final = {
    StopReason.END: "end_turn",
    StopReason.TOOL_USE: "tool_use",
    StopReason.LENGTH: "max_tokens",
    StopReason.REFUSED: "refusal",
}
_ANTHROPIC_ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class Quirk(StrEnum):
    """What other servers do differently."""

    NO_INDEX = "no-index"
    SAME_INDEX = "same-index"
    NO_ID = "no-id"
    WHOLE_ARGUMENTS = "whole-arguments"
    FINISH_STOP = "finish-stop"
    NULL_CHOICES = "null-choices"
    AZURE = "azure"
    NO_USAGE = "no-usage"
    NO_DONE = "no-done"
    KEEP_ALIVE = "keep-alive"
    NO_SPACE = "no-space"
    CRLF = "crlf"


class AnswerWriter(Protocol):
    """Gives each event of one answer as bytes."""

    def begin(self) -> Iterator[bytes]:
        """What comes before anything is said."""
        ...

    def text(self, piece: str) -> Iterator[bytes]:
        """A piece of text."""
        ...

    def tool_use(self, name: str, arguments: str) -> Iterator[bytes]:
        """A tool use, in fragments."""
        ...

    def end(self, reason: StopReason, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
        """The end of a whole answer."""
        ...

    def error(self, status: int, message: str) -> dict[str, Any]:
        """The body of a refusal, and of an error in mid-stream."""
        ...

    def event(self, data: Any, name: str = "") -> bytes:
        """One event."""
        ...


class _Events:
    def __init__(self, quirks: frozenset[Quirk]) -> None:
        self._quirks = quirks

    def event(self, data: Any, name: str = "") -> bytes:
        """One event; with the quirk, behind a sign of life."""
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        space = "" if Quirk.NO_SPACE in self._quirks else " "
        lines = ([f"event:{space}{name}"] if name else []) + [f"data:{space}{text}", "", ""]
        if Quirk.KEEP_ALIVE in self._quirks:
            lines = [": still here", "", *lines]
        return ("\r\n" if Quirk.CRLF in self._quirks else "\n").join(lines).encode()


class OpenAIWriter(_Events):
    """Chat completion chunks."""

    def __init__(self, model: str, quirks: frozenset[Quirk]) -> None:
        super().__init__(quirks)
        self._common = {"id": "chatcmpl-stand-in", "object": "chat.completion.chunk", "created": 0, "model": model}
        self._tool_uses = 0

    def begin(self) -> Iterator[bytes]:
        """The role, and before it Azure's verdict on the prompt."""
        if Quirk.AZURE in self._quirks:
            yield self.event(self._common | {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
        yield self._delta({"role": "assistant", "content": None if Quirk.NO_SPACE in self._quirks else ""})

    def text(self, piece: str) -> Iterator[bytes]:
        """One chunk."""
        yield self._delta({"content": piece})

    def tool_use(self, name: str, arguments: str) -> Iterator[bytes]:
        """The name and id first, then the arguments bit by bit."""
        number, self._tool_uses = self._tool_uses, self._tool_uses + 1
        named: dict[str, Any] = {} if Quirk.NO_INDEX in self._quirks else {"index": number}
        if Quirk.SAME_INDEX in self._quirks:
            named["index"] = 0
        first = named | {"type": "function"}
        if Quirk.NO_ID not in self._quirks:
            first["id"] = f"call_{number}"
        is_whole = Quirk.WHOLE_ARGUMENTS in self._quirks
        first["function"] = {"name": name, "arguments": arguments if is_whole else ""}
        yield self._delta({"content": None, "tool_calls": [first]})
        for fragment in () if is_whole else _fragments(arguments):
            yield self._delta({"tool_calls": [named | {"function": {"arguments": fragment}}]})

    def end(self, reason: StopReason, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
        """The reason, the usage, and the last line."""
        is_plain = Quirk.FINISH_STOP in self._quirks and reason is StopReason.TOOL_USE
        yield self._delta({}, _OPENAI_REASONS[StopReason.END if is_plain else reason])
        if Quirk.NO_USAGE not in self._quirks:
            usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
            choices: list[Any] | None = None if Quirk.NULL_CHOICES in self._quirks else []
            yield self.event(self._common | {"choices": choices, "usage": usage})
        if Quirk.NO_DONE not in self._quirks:
            yield self.event("[DONE]")

    def error(self, status: int, message: str) -> dict[str, Any]:
        """As OpenAI words it."""
        return {"error": {"message": message, "type": "server_error", "param": None, "code": status}}

    def _delta(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self.event(self._common | {"choices": [choice]})


class AnthropicWriter(_Events):
    """Events of the messages API."""

    def __init__(self, model: str, quirks: frozenset[Quirk], input_tokens: int) -> None:
        super().__init__(quirks)
        self._model = model
        self._input_tokens = input_tokens
        self._block = -1
        self._is_text_open = False
        self._tool_uses = 0

    def begin(self) -> Iterator[bytes]:
        """The message without content, and a ping, as the API sends it."""
        message = {
            "id": "msg_stand_in",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": self._input_tokens, "output_tokens": 1},
        }
        yield self._named({"type": "message_start", "message": message})
        yield self._named({"type": "ping"})

    def text(self, piece: str) -> Iterator[bytes]:
        """A delta of the block of text."""
        if not self._is_text_open:
            self._is_text_open = True
            yield self._opened({"type": "text", "text": ""})
        yield self._delta({"type": "text_delta", "text": piece})

    def tool_use(self, name: str, arguments: str) -> Iterator[bytes]:
        """A block of its own, the arguments bit by bit."""
        yield from self._closed_text()
        block = {"type": "tool_use", "id": f"toolu_{self._tool_uses}", "name": name, "input": {}}
        self._tool_uses += 1
        yield self._opened(block)
        for fragment in ["", *_fragments(arguments)]:
            yield self._delta({"type": "input_json_delta", "partial_json": fragment})
        yield self._named({"type": "content_block_stop", "index": self._block})

    def end(self, reason: StopReason, input_tokens: int, output_tokens: int) -> Iterator[bytes]:
        """The reason with the usage, and the last event."""
        yield from self._closed_text()
        usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        delta = {"stop_reason": _ANTHROPIC_REASONS[reason], "stop_sequence": None}
        yield self._named({"type": "message_delta", "delta": delta, "usage": usage})
        yield self._named({"type": "message_stop"})

    def error(self, status: int, message: str) -> dict[str, Any]:
        """As Anthropic words it."""
        kind = _ANTHROPIC_ERRORS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_stand_in"}

    def _closed_text(self) -> Iterator[bytes]:
        if self._is_text_open:
            self._is_text_open = False
            yield self._named({"type": "content_block_stop", "index": self._block})

    def _opened(self, block: dict[str, Any]) -> bytes:
        self._block += 1
        return self._named({"type": "content_block_start", "index": self._block, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._named({"type": "content_block_delta", "index": self._block, "delta": delta})

    def _named(self, data: dict[str, Any]) -> bytes:
        return self.event(data, data["type"])


def _fragments(arguments: str) -> Sequence[str]:
    return [arguments[start : start + FRAGMENT_CHARS] for start in range(0, len(arguments), FRAGMENT_CHARS)]
