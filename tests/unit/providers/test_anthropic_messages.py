"""What is sent to Anthropic's messages API, and what is made of its events."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import httpx2
import pytest

from retold.domain.dialogue import (
    AgentText,
    Message,
    ModelPart,
    ModelRequest,
    StopPart,
    StopReason,
    SystemText,
    TextPart,
    ToolOutcome,
    ToolSpec,
    ToolUse,
    ToolUsePart,
    UsagePart,
    UserText,
)
from retold.errors import ModelFailed
from retold.providers.anthropic_messages import AnthropicMessages
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_limits import Deadlines
from support.model_wire import Wire, WireAnswer, event, named

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

START = named("message_start", message={"usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}})
TEXT = named("content_block_start", index=0, content_block={"type": "text", "text": ""})
YES = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Yes"})
CLOSED = named("content_block_stop", index=0)
END = named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 12})
LAST = named("message_stop")
ASK = ModelRequest("claude", (SystemText("Prompt"), UserText("Hi")))
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
USE = ToolUse("toolu_1", "book", '{"a": "b"}')


async def told(wire: Wire, request: ModelRequest, extra: Mapping[str, Any] | None = None) -> list[ModelPart]:
    async with httpx2.AsyncClient(transport=wire) as http:
        asked = AnthropicMessages(ModelEndpoint(http, "http://model.test/", {}, Deadlines(5, 5)), None, extra or {})
        async with aclosing(asked.stream(request)) as stream:
            return [part async for part in stream]


async def heard(*pieces: bytes, request: ModelRequest = ASK) -> list[ModelPart]:
    return await told(Wire([WireAnswer(pieces)]), request)


async def sent(request: ModelRequest, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    wire = Wire([WireAnswer([START, END, LAST])])
    await told(wire, request, extra)
    return wire.bodies[0]


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


async def test_a_plain_request() -> None:
    assert await sent(ASK) == {
        "model": "claude",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("Hi")]}],
        "stream": True,
        "system": "Prompt",
    }


NOTHING = {"role": "user", "content": [text("(nothing was said)")]}


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([], [NOTHING]),
        ([AgentText("Hello ")], [NOTHING, {"role": "assistant", "content": [text("Hello")]}, NOTHING]),
        ([UserText("One"), UserText("Two")], [{"role": "user", "content": [text("One"), text("Two")]}]),
        ([UserText("One"), UserText("  ")], [{"role": "user", "content": [text("One")]}]),
        (
            [UserText("One"), SystemText("The line is bad.")],
            [{"role": "user", "content": [text("One"), text("<system>\nThe line is bad.\n</system>")]}],
        ),
        (
            [UserText("One"), AgentText("", (USE,)), ToolOutcome("toolu_1", "done"), UserText("And?")],
            [
                {"role": "user", "content": [text("One")]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "toolu_1", "name": "book", "input": {"a": "b"}}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}, text("And?")],
                },
            ],
        ),
    ],
    ids=["none", "agent first and last", "merged", "empty", "notice", "tool"],
)
async def test_turns_are_as_the_api_insists(messages: list[Message], turns: list[Any]) -> None:
    body = await sent(ModelRequest("claude", (SystemText("Prompt"), SystemText("More"), *messages)))
    assert body["system"] == "Prompt\n\nMore"
    assert body["messages"] == turns


async def test_without_a_prompt_there_is_none() -> None:
    assert "system" not in await sent(ModelRequest("claude", (UserText("Hi"),)))


async def test_tools_schema_temperature_and_extra_have_their_fields() -> None:
    tools = [ToolSpec("book", "Book it", PARAMETERS, is_strict=True)]
    request = ModelRequest(
        "claude", ASK.messages, tools, temperature=0.5, must_use="book", schema=PARAMETERS, max_tokens=9
    )
    body = await sent(request, {"temperature": None, "service_tier": "auto"})
    closed = PARAMETERS | {"additionalProperties": False}
    assert body["tools"] == [{"name": "book", "description": "Book it", "input_schema": closed, "strict": True}]
    assert body["tool_choice"] == {"type": "tool", "name": "book"}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": PARAMETERS}}
    assert (body["max_tokens"], body["service_tier"]) == (9, "auto")
    assert "temperature" not in body


@pytest.mark.parametrize("field", ["temperature", "output_config"])
async def test_a_field_that_is_refused_is_left_out(field: str) -> None:
    said = named("error", error={"type": "invalid_request_error", "message": f"{field}: not supported"})
    for refusal in (WireAnswer([said], status=400, content_type="application/json"), WireAnswer([said])):
        wire = Wire([refusal, WireAnswer([START, END, LAST])])
        await told(wire, ModelRequest("claude", ASK.messages, temperature=0.0, schema=PARAMETERS))
        assert [field in body for body in wire.bodies] == [True, False]


async def test_text_tool_use_usage_and_stop() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {}}
    parts = await heard(
        START,
        named("ping"),
        TEXT,
        YES,
        CLOSED,
        named("content_block_start", index=1, content_block=tool),
        named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ""}),
        named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a": '}),
        named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '"b"}'}),
        named("content_block_stop", index=1),
        named("message_delta", delta={"stop_reason": "tool_use"}, usage={"input_tokens": 9, "output_tokens": 12}),
        LAST,
    )
    assert parts == [TextPart("Yes"), ToolUsePart(USE), UsagePart(9, 12), StopPart(StopReason.TOOL_USE)]


@pytest.mark.parametrize(
    "pieces",
    [
        [START, TEXT, YES, CLOSED, END, LAST],
        [START, TEXT, YES, CLOSED, END],
        [START, TEXT, YES, CLOSED, END, b"event: message_stop\ndata: {broken\n\n"],
        [
            START,
            named("content_block_start", index=0, content_block={"type": "text", "text": "Yes"}),
            CLOSED,
            END,
            LAST,
        ],
        [
            START,
            named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
            named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
            CLOSED,
            TEXT,
            YES,
            CLOSED,
            named("brand_new_event", shiny=True),
            END,
            LAST,
        ],
    ],
    ids=["as told", "no farewell", "broken farewell", "text at the start", "thinking and news"],
)
async def test_a_whole_answer_is_understood_in_many_forms(pieces: list[bytes]) -> None:
    assert await heard(*pieces) == [TextPart("Yes"), UsagePart(10, 12), StopPart(StopReason.END)]


async def test_arguments_may_come_with_the_block_and_ids_are_made_up_when_missing() -> None:
    block = {"type": "tool_use", "name": "book", "input": {"a": "b"}}
    opened = named("content_block_start", index=0, content_block=block)
    parts = await heard(opened, CLOSED, END, LAST)
    assert isinstance(parts[0], ToolUsePart)
    assert parts[0].tool_use.parsed() == {"a": "b"}
    assert parts[0].tool_use.id.startswith("call_")
    assert parts[1:] == [StopPart(StopReason.END)]


@pytest.mark.parametrize(
    ("piece", "is_retryable", "status"),
    [
        (named("error", error={"type": "overloaded_error", "message": "Overloaded"}), True, 529),
        (named("error", error={"type": "authentication_error"}), False, 401),
        (named("error", error={"type": "some_new_error"}), True, None),
        (named("error"), True, None),
        (event("{broken"), True, None),
        (b"", True, None),
    ],
    ids=["overloaded", "key", "unknown", "empty", "no json", "end"],
)
async def test_what_breaks_an_answer_fails_it(piece: bytes, is_retryable: bool, status: int | None) -> None:
    with pytest.raises(ModelFailed) as failed:
        await heard(START, TEXT, YES, piece)
    assert (failed.value.is_retryable, failed.value.status) == (is_retryable, status)


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSED),
        ("stop_sequence", StopReason.END),
    ],
)
async def test_the_reason_is_told(reason: str, meaning: StopReason) -> None:
    stopped = named("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 1})
    assert (await heard(START, TEXT, YES, CLOSED, stopped, LAST))[-1] == StopPart(meaning)
