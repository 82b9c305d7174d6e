"""Reads the requests of both wire formats as strictly as the vendors do, for the stand-in model server.

What a vendor answers with 400 is refused here too, so that a dialogue that passes here passes there.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from retold.domain.dialogue import (
    AgentText,
    Message,
    ModelRequest,
    SystemText,
    ToolOutcome,
    ToolSpec,
    ToolUse,
    UserText,
)
from retold.domain.strict_schema import strict_form

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Refused(Exception):
    """The vendor would answer 400 with this message."""


class _Tool(BaseModel):
    name: ToolName
    description: str = ""
    parameters: dict[str, Any] = Field(default={}, validation_alias="input_schema")
    strict: bool = False


class _OpenAIFunction(_Tool):
    parameters: dict[str, Any] = {}


class _OpenAITool(BaseModel):
    type: Literal["function"]
    function: _OpenAIFunction


class _CalledFunction(BaseModel):
    name: ToolName
    arguments: str


class _Call(BaseModel):
    id: str
    type: Literal["function"]
    function: _CalledFunction


class _OpenAIMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: Annotated[list[_Call], Field(min_length=1)] | None = None
    tool_call_id: str | None = None


class _OpenAIBody(BaseModel):
    model: str
    messages: Annotated[list[_OpenAIMessage], Field(min_length=1)]
    stream: Literal[True]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    tools: Annotated[list[_OpenAITool], Field(min_length=1)] | None = None
    tool_choice: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class _TextBlock(BaseModel):
    type: Literal["text"]
    text: Annotated[str, Field(pattern=r"\S")]


class _UseBlock(BaseModel):
    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    name: ToolName
    input: dict[str, Any]


class _ResultBlock(BaseModel):
    type: Literal["tool_result"]
    tool_use_id: str
    content: str = ""


class _AnthropicMessage(BaseModel):
    role: Literal["user", "assistant"]
    content: Annotated[
        list[Annotated[_TextBlock | _UseBlock | _ResultBlock, Field(discriminator="type")]], Field(min_length=1)
    ]


class _AnthropicBody(BaseModel):
    model: str
    max_tokens: Annotated[int, Field(ge=1)]
    messages: Annotated[list[_AnthropicMessage], Field(min_length=1)]
    stream: Literal[True]
    system: str = ""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    tools: list[_Tool] = []
    tool_choice: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None


def openai_request(body: bytes) -> ModelRequest:
    """A chat completion. Raises Refused."""
    try:
        read = _OpenAIBody.model_validate_json(body)
    except ValidationError as error:
        raise Refused(_first(error)) from error
    tools = [_spec(tool.function) for tool in read.tools or ()]
    messages = [_of_openai(message) for message in read.messages]
    _check_outcomes(messages)
    chosen = (read.tool_choice or {}).get("function", {}).get("name")
    _check_choice(chosen, tools)
    return ModelRequest(
        read.model,
        messages,
        tools,
        temperature=read.temperature,
        must_use=chosen,
        schema=read.response_format,
        max_tokens=read.max_completion_tokens or read.max_tokens,
    )


def anthropic_request(body: bytes) -> ModelRequest:
    """A message. Raises Refused."""
    try:
        read = _AnthropicBody.model_validate_json(body)
    except ValidationError as error:
        raise Refused(_first(error)) from error
    if read.messages[0].role != "user":
        raise Refused('messages: first message must use the "user" role')
    if read.messages[-1].role != "user":
        raise Refused("this model does not support assistant message prefill: the conversation must end with a user")
    tools = [_spec(tool) for tool in read.tools]
    messages: list[Message] = [SystemText(read.system)] if read.system else []
    for message in read.messages:
        messages += _of_anthropic(message)
    _check_outcomes(messages)
    chosen = (read.tool_choice or {}).get("name")
    _check_choice(chosen, tools)
    return ModelRequest(
        read.model,
        messages,
        tools,
        temperature=read.temperature,
        must_use=chosen,
        schema=(read.output_config or {}).get("format"),
        max_tokens=read.max_tokens,
    )


def _of_openai(message: _OpenAIMessage) -> Message:
    text = message.content
    if message.role == "assistant":
        uses = [ToolUse(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
        if text is None and not uses:
            raise Refused("messages: an assistant message must have content or tool_calls")
        for use in uses:
            if use.parsed() is None:
                raise Refused(f"messages: the arguments of tool call {use.id} are not a JSON object")
        return AgentText(text or "", tuple(uses))
    if text is None:
        raise Refused(f"messages: a message with the role {message.role} must have content")
    if message.role == "tool":
        if message.tool_call_id is None:
            raise Refused("messages: a message with the role tool must have a tool_call_id")
        return ToolOutcome(message.tool_call_id, text)
    return UserText(text) if message.role == "user" else SystemText(text)


def _of_anthropic(message: _AnthropicMessage) -> list[Message]:
    if message.role == "assistant":
        text = " ".join(block.text for block in message.content if isinstance(block, _TextBlock))
        uses = [
            ToolUse(block.id, block.name, json.dumps(block.input))
            for block in message.content
            if isinstance(block, _UseBlock)
        ]
        return [AgentText(text, tuple(uses))]
    read: list[Message] = []
    for block in message.content:
        match block:
            case _TextBlock():
                read.append(UserText(block.text))
            case _ResultBlock():
                read.append(ToolOutcome(block.tool_use_id, block.content))
            case _UseBlock():
                raise Refused("messages: tool_use blocks can only be in assistant messages")
    return read


def _check_outcomes(messages: Sequence[Message]) -> None:
    """Each tool use has its outcome before any other message, and each outcome its use."""
    awaited: set[str] = set()
    for message in messages:
        if isinstance(message, ToolOutcome):
            if message.tool_use_id not in awaited:
                raise Refused(f"messages: {message.tool_use_id} answers no tool call before it")
            awaited.discard(message.tool_use_id)
        elif awaited:
            break
        elif isinstance(message, AgentText):
            awaited = {use.id for use in message.tool_uses}
    if awaited:
        raise Refused(f"messages: these tool calls have no answer directly after them: {', '.join(sorted(awaited))}")


def _check_choice(chosen: str | None, tools: Sequence[ToolSpec]) -> None:
    if chosen is not None and chosen not in {tool.name for tool in tools}:
        raise Refused(f"tool_choice: {chosen} is not among the tools")


def _spec(tool: _Tool) -> ToolSpec:
    if tool.strict and strict_form(tool.parameters) != tool.parameters:
        raise Refused(f"tools: in strict mode, every object of {tool.name} must be closed and have all of it required")
    return ToolSpec(tool.name, tool.description, tool.parameters, is_strict=tool.strict)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
