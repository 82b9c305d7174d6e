"""Puts one streamed chat completion together, as OpenAI sends it and as others do.

What differs, and where it is publicly told of: tool calls without index or id, or with arguments in one piece (Ollama,
ollama/ollama#7881), the same index for all (Gemini's OpenAI endpoint), `finish_reason` "stop" after tool calls,
`choices` null or empty around the usage (vLLM) or the prompt's filter (Azure), `content` null or a list of blocks
(Mistral), an `error` in mid-stream (vLLM, OpenRouter), no usage at all, and Groq's usage in a field of its own.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

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

DONE: Final = b"[DONE]"
_REASONS: Final = {"length": StopReason.LENGTH, "content_filter": StopReason.REFUSED}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Groq(msgspec.Struct):
    usage: _Usage | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    x_groq: _Groq | None = None
    error: Any = None


@dataclass(slots=True)
class _Growing:
    index: int | None
    id: str
    name: str
    arguments: str


_decode = msgspec.json.Decoder(_Chunk).decode


class OpenAIAnswer:
    """One answer, chunk by chunk; a model_stream.Answer."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._growing: list[_Growing] = []
        self._given: set[str] = set()
        self._finish_reason: str | None = None
        self._usage: _Usage | None = None
        self._is_done = False

    def has_stopped(self) -> bool:
        """See model_stream.Answer."""
        return self._finish_reason is not None

    def is_last(self, event: ServerSentEvent) -> bool:
        """See model_stream.Answer."""
        return event.data == DONE

    def take(self, event: ServerSentEvent) -> list[ModelPart]:
        """See model_stream.Answer."""
        if event.data == DONE:
            self._is_done = True
            return []
        try:
            chunk = _decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelFailed(f"the model's server sent a broken chunk: {error}", is_retryable=True) from error
        if chunk.error:
            raise _failure(chunk.error)
        self._usage = chunk.usage or (chunk.x_groq and chunk.x_groq.usage) or self._usage
        parts: list[ModelPart] = []
        for choice in chunk.choices or ():
            delta = choice.delta or _Delta()
            if text := _text(delta.content):
                parts.append(TextPart(text))
            for call in delta.tool_calls or ():
                self._grow(call)
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
                parts += self._tool_uses()
        return parts

    def end(self) -> list[ModelPart]:
        """See model_stream.Answer."""
        if not self.has_stopped() and not self._is_done:
            raise ModelFailed("the answer was cut off: the stream ended in the middle", is_retryable=True)
        parts = self._tool_uses()
        usage = self._usage
        if usage and usage.prompt_tokens is not None:
            parts.append(UsagePart(usage.prompt_tokens, usage.completion_tokens or 0))
        reason = _REASONS.get(self._finish_reason or "", StopReason.TOOL_USE if self._given else StopReason.END)
        return [*parts, StopPart(reason)]

    def _grow(self, call: _ToolCall) -> None:
        """Add a fragment to its tool use; a new id or, without ids, a new name begins another one."""
        function = call.function or _Function()
        arguments = function.arguments or ""
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        grown = self._grown(call, function)
        if grown is None:
            self._growing.append(_Growing(call.index, call.id or "", function.name or "", text))
        else:
            grown.name = grown.name or function.name or ""
            grown.arguments += text

    def _grown(self, call: _ToolCall, function: _Function) -> _Growing | None:
        same = [one for one in self._growing if call.index is None or one.index == call.index]
        if not same or (call.id and same[-1].id and call.id != same[-1].id):
            return None
        if call.index is None and not call.id and function.name:
            return None
        return same[-1]

    def _tool_uses(self) -> list[ModelPart]:
        """All tool uses so far; one that the end of the answer cut off is none."""
        parts: list[ModelPart] = []
        for one in self._growing:
            use = finished_tool_use(self._request, self._given, ToolUse(one.id, one.name, one.arguments))
            if self._finish_reason == "length" and use.parsed() is None:
                continue
            self._given.add(use.id)
            parts.append(ToolUsePart(use))
        self._growing = []
        return parts


def _text(content: str | list[Any] | None) -> str:
    if not isinstance(content, list):
        return content or ""
    blocks = [cast("dict[str, Any]", block) for block in content if isinstance(block, dict)]
    return "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")


def _failure(error: Any) -> ModelFailed:
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    code = str(fields.get("code"))
    status = int(code) if code.isdecimal() else None
    said = fields.get("message") or error
    return ModelFailed(
        f"the model's server broke off: {str(said)[:1_000]}",
        is_retryable=status is None or is_passing(status),
        status=status,
    )
