"""Puts one streamed message of Anthropic's API together.

Tool uses are whole at the end of their block; token counts are in the first and the last event, the last being the sum.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from retold.domain.dialogue import (
    ModelPart,
    ModelRequest,
    StopPart,
    StopReason,
    TextPart,
    ToolUse,
    ToolUsePart,
    UsagePart,
)
from retold.errors import ModelFailed
from retold.providers.model_fields import finished_tool_use
from retold.providers.model_limits import is_passing
from retold.providers.server_sent_events import ServerSentEvent

LAST: Final = "message_stop"
_REASONS: Final = {
    "tool_use": StopReason.TOOL_USE,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "refusal": StopReason.REFUSED,
}
_STATUS_OF_ERROR: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""As the API's page "Errors" lists them."""


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Message(msgspec.Struct):
    usage: _Usage | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


@dataclass(slots=True)
class _Growing:
    id: str
    name: str
    arguments: str


_decode = msgspec.json.Decoder(_Event).decode


class AnthropicAnswer:
    """One answer, event by event; a model_stream.Answer."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._growing: dict[int, _Growing] = {}
        self._given: set[str] = set()
        self._input_tokens: int | None = None
        self._output_tokens = 0
        self._stop_reason: str | None = None

    def has_stopped(self) -> bool:
        """See model_stream.Answer."""
        return self._stop_reason is not None

    def is_last(self, event: ServerSentEvent) -> bool:
        """See model_stream.Answer."""
        return event.name == LAST

    def take(self, event: ServerSentEvent) -> list[ModelPart]:
        """See model_stream.Answer."""
        try:
            said = _decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelFailed(f"the model's server sent a broken event: {error}", is_retryable=True) from error
        match said.type:
            case "message_start" if said.message:
                self._count(said.message.usage)
            case "content_block_start" if said.content_block:
                return self._begin(said.index, said.content_block)
            case "content_block_delta" if said.delta:
                return self._grow(said.index, said.delta)
            case "content_block_stop":
                return self._tool_use(said.index)
            case "message_delta":
                self._count(said.usage)
                self._stop_reason = (said.delta and said.delta.stop_reason) or self._stop_reason
            case "error":
                raise _failure(said.error or _Error())
            case _:
                # The API's versioning policy lets new kinds come at any time.
                pass
        return []

    def end(self) -> list[ModelPart]:
        """See model_stream.Answer."""
        if self._stop_reason is None:
            raise ModelFailed("the answer was cut off: the stream ended in the middle", is_retryable=True)
        usage = [] if self._input_tokens is None else [UsagePart(self._input_tokens, self._output_tokens)]
        return [*usage, StopPart(_REASONS.get(self._stop_reason, StopReason.END))]

    def _begin(self, index: int, block: _Block) -> list[ModelPart]:
        if block.type == "tool_use":
            given = msgspec.json.encode(block.input).decode() if block.input else ""
            self._growing[index] = _Growing(block.id or "", block.name or "", given)
        return [TextPart(block.text)] if block.type == "text" and block.text else []

    def _grow(self, index: int, delta: _Delta) -> list[ModelPart]:
        if delta.partial_json and (grown := self._growing.get(index)):
            grown.arguments += delta.partial_json
        return [TextPart(delta.text)] if delta.type == "text_delta" and delta.text else []

    def _tool_use(self, index: int) -> list[ModelPart]:
        one = self._growing.pop(index, None)
        if one is None:
            return []
        use = finished_tool_use(self._request, self._given, ToolUse(one.id, one.name, one.arguments))
        self._given.add(use.id)
        return [ToolUsePart(use)]

    def _count(self, usage: _Usage | None) -> None:
        """Later counts hold the earlier ones; what came from the vendor's cache was shown to the model as well."""
        if usage is None:
            return
        if usage.input_tokens is not None:
            cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
            self._input_tokens = usage.input_tokens + cached
        self._output_tokens = usage.output_tokens or self._output_tokens


def _failure(error: _Error) -> ModelFailed:
    status = _STATUS_OF_ERROR.get(error.type)
    return ModelFailed(
        f"the model's server broke off: {error.type}: {(error.message or '')[:1_000]}",
        is_retryable=status is None or is_passing(status),
        status=status,
    )
