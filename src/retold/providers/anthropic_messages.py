"""Language models behind the messages API of Anthropic. Source: Claude API reference, "Messages" and "Streaming"."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from retold.domain.dialogue import AgentText, Message, ModelPart, ModelRequest, SystemText, ToolOutcome, UserText
from retold.providers.anthropic_answer import AnthropicAnswer
from retold.providers.model_fields import RefusedFields, arguments_shown, parameters_of, with_extra
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_stream import answered

MAX_TOKENS: Final = 4_096
"""The API wants a limit; a spoken answer is far below this one."""
_NOTHING_SAID: Final = "(nothing was said)"
"""Stands where the API wants a user's turn and there was none."""
_CAN_DO_WITHOUT: Final = ("temperature", "strict", "output_config")


class AnthropicMessages:
    """A ports.LanguageModel: one model of one server, whatever the request calls it."""

    def __init__(self, endpoint: ModelEndpoint, model: str | None, extra: Mapping[str, Any]) -> None:
        self._endpoint = endpoint
        self._model = model
        self._extra = extra
        self._refused = RefusedFields(_CAN_DO_WITHOUT)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        """See ports.LanguageModel."""
        model = self._model or request.model
        return answered(
            self._endpoint,
            lambda: self._body(request, model),
            lambda: AnthropicAnswer(request),
            lambda failure: self._refused.has_learnt(model, failure),
        )

    def _body(self, request: ModelRequest, model: str) -> dict[str, Any]:
        prompt, rest = _split(request.messages)
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": request.max_tokens or MAX_TOKENS,
            "messages": _turns(rest),
            "stream": True,
        }
        if prompt:
            body["system"] = prompt
        if request.temperature is not None and self._refused.takes(model, "temperature"):
            body["temperature"] = request.temperature
        if request.tools:
            body["tools"] = self._tools(request, model)
        if request.must_use is not None:
            body["tool_choice"] = {"type": "tool", "name": request.must_use}
        if request.schema is not None and self._refused.takes(model, "output_config"):
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        return with_extra(body, self._extra)

    def _tools(self, request: ModelRequest, model: str) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        for tool in request.tools:
            parameters, is_strict = parameters_of(tool, may_be_strict=self._refused.takes(model, "strict"))
            described = {"name": tool.name, "description": tool.description, "input_schema": parameters}
            tools.append(described | ({"strict": True} if is_strict else {}))
        return tools


def _split(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The prompt, and what comes after it."""
    count = next((n for n, message in enumerate(messages) if not isinstance(message, SystemText)), len(messages))
    texts = [message.text for message in messages[:count] if isinstance(message, SystemText)]
    return "\n\n".join(text for text in texts if text.strip()), messages[count:]


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns of user and assistant by turns, the first and the last the user's, none of them empty: the API insists."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if isinstance(message, AgentText) else "user"
        if blocks := _blocks(message):
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": role, "content": blocks})
    nothing = {"role": "user", "content": [{"type": "text", "text": _NOTHING_SAID}]}
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, nothing)
    return turns if turns[-1]["role"] == "user" else [*turns, nothing]


def _blocks(message: Message) -> list[dict[str, Any]]:
    match message:
        case ToolOutcome(tool_use_id, content):
            return [{"type": "tool_result", "tool_use_id": tool_use_id, "content": content}]
        case SystemText(text):
            return _text_block(f"<system>\n{text}\n</system>")
        case UserText(text):
            return _text_block(text)
        case AgentText(text, tool_uses):
            uses = [
                {"type": "tool_use", "id": use.id, "name": use.name, "input": arguments_shown(use)} for use in tool_uses
            ]
            return _text_block(text.rstrip()) + uses


def _text_block(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []
