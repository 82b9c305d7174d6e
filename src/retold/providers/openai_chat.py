"""Language models behind the chat completions API of OpenAI, which Azure, Groq, vLLM, Ollama and llama.cpp speak too.

Source: OpenAI API reference, "Chat" (2024-10). What other servers do differently is in openai_answer.py.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import orjson

from retold.domain.dialogue import AgentText, Message, ModelPart, ModelRequest, SystemText, ToolOutcome, UserText
from retold.providers.model_fields import RefusedFields, arguments_shown, parameters_of, with_extra
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_stream import answered
from retold.providers.openai_answer import OpenAIAnswer

_CAN_DO_WITHOUT: Final = ("stream_options", "max_completion_tokens", "temperature", "strict", "response_format")


class OpenAIChat:
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
            lambda: OpenAIAnswer(request),
            lambda failure: self._refused.has_learnt(model, failure),
        )

    def _body(self, request: ModelRequest, model: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [_shown(message) for message in request.messages],
            "stream": True,
        }
        if self._refused.takes(model, "stream_options"):
            body["stream_options"] = {"include_usage": True}
        if request.temperature is not None and self._refused.takes(model, "temperature"):
            body["temperature"] = request.temperature
        if request.max_tokens is not None:
            # Servers of others know the older name only, and OpenAI's newer models name the newer one when they refuse.
            is_newer = not self._refused.takes(model, "max_completion_tokens")
            body["max_completion_tokens" if is_newer else "max_tokens"] = request.max_tokens
        if request.tools:
            body["tools"] = self._tools(request, model)
        if request.must_use is not None:
            body["tool_choice"] = {"type": "function", "function": {"name": request.must_use}}
        if request.schema is not None:
            body["response_format"] = self._response_format(request.schema, model)
        return with_extra(body, self._extra)

    def _tools(self, request: ModelRequest, model: str) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        for tool in request.tools:
            parameters, is_strict = parameters_of(tool, may_be_strict=self._refused.takes(model, "strict"))
            function = {"name": tool.name, "description": tool.description, "parameters": parameters}
            tools.append({"type": "function", "function": function | ({"strict": True} if is_strict else {})})
        return tools

    def _response_format(self, schema: Mapping[str, Any], model: str) -> dict[str, Any]:
        if not self._refused.takes(model, "response_format"):
            return {"type": "json_object"}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _shown(message: Message) -> dict[str, Any]:
    match message:
        case SystemText(text):
            return {"role": "system", "content": text}
        case UserText(text):
            return {"role": "user", "content": text}
        case ToolOutcome(tool_use_id, content):
            return {"role": "tool", "tool_call_id": tool_use_id, "content": content}
        case AgentText(text, tool_uses):
            if not tool_uses:
                return {"role": "assistant", "content": text}
            calls = [
                {
                    "id": use.id,
                    "type": "function",
                    "function": {"name": use.name, "arguments": orjson.dumps(arguments_shown(use)).decode()},
                }
                for use in tool_uses
            ]
            return {"role": "assistant", "content": text or None, "tool_calls": calls}
