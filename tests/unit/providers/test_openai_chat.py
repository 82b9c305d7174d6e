"""What is sent to a chat completions server, and what is made of the answers of different servers."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

import anyio
import httpx2
import pytest

from retold.domain.dialogue import (
    AgentText,
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
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_limits import Deadlines
from retold.providers.openai_chat import OpenAIChat
from support.model_wire import Wire, WireAnswer, chunk, event

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DONE = event("[DONE]")
STOP = chunk({}, "stop")
ASK = ModelRequest("gpt-4.1", (UserText("Hi"),))
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


async def told(
    wire: Wire, *requests: ModelRequest, model: str | None = None, extra: Mapping[str, Any] | None = None
) -> list[ModelPart]:
    """The answers to these requests, one after the other."""
    async with httpx2.AsyncClient(transport=wire) as http:
        asked = OpenAIChat(ModelEndpoint(http, "http://model.test/", {}, Deadlines(5, 5)), model, extra or {})
        parts: list[ModelPart] = []
        for request in requests:
            async with aclosing(asked.stream(request)) as stream:
                parts += [part async for part in stream]
        return parts


async def heard(*pieces: bytes, request: ModelRequest = ASK) -> list[ModelPart]:
    return await told(Wire([WireAnswer(pieces)]), request)


async def sent(request: ModelRequest, **how: Any) -> dict[str, Any]:
    wire = Wire([WireAnswer([STOP, DONE])])
    await told(wire, request, **how)
    return wire.bodies[0]


def called(*calls: Mapping[str, Any]) -> bytes:
    return chunk({"content": None, "tool_calls": list(calls)})


def uses(parts: Sequence[ModelPart]) -> list[ToolUse]:
    return [part.tool_use for part in parts if isinstance(part, ToolUsePart)]


async def test_a_plain_request_asks_for_a_stream_and_its_usage() -> None:
    assert await sent(ASK) == {
        "model": "gpt-4.1",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_every_message_has_its_form() -> None:
    use = ToolUse("call_1", "book", '{"a": "b"}')
    broken = ToolUse("call_2", "book", '{"a": ')
    body = await sent(
        ModelRequest(
            "gpt-4.1",
            (
                SystemText("Prompt"),
                AgentText("Hello"),
                UserText("Hi"),
                AgentText("", (use,)),
                ToolOutcome("call_1", "done"),
                AgentText("And", (broken,)),
                ToolOutcome("call_2", "failed"),
            ),
        )
    )
    call: dict[str, Any] = {"id": "call_1", "type": "function", "function": {"name": "book", "arguments": '{"a":"b"}'}}
    unreadable = {"name": "book", "arguments": '{"unreadable_arguments":"{\\"a\\": "}'}
    assert body["messages"] == [
        {"role": "system", "content": "Prompt"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "assistant", "content": "And", "tool_calls": [call | {"id": "call_2", "function": unreadable}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "failed"},
    ]


async def test_tools_are_strict_where_their_schema_allows_it() -> None:
    tools = [
        ToolSpec("strict", "One", PARAMETERS, is_strict=True),
        ToolSpec("loose", "Two", {"type": "object", "properties": {"a": {}}}, is_strict=True),
        ToolSpec("plain", "Three", PARAMETERS),
    ]
    body = await sent(ModelRequest("gpt-4.1", ASK.messages, tools, must_use="strict", temperature=0.0, max_tokens=50))
    strict, loose, plain = (tool["function"] for tool in body["tools"])
    assert strict["strict"] is True
    assert strict["parameters"] == PARAMETERS | {"additionalProperties": False}
    assert loose == {"name": "loose", "description": "Two", "parameters": {"type": "object", "properties": {"a": {}}}}
    assert "strict" not in plain
    assert body["tool_choice"] == {"type": "function", "function": {"name": "strict"}}
    assert (body["temperature"], body["max_tokens"]) == (0.0, 50)


async def test_an_answer_by_a_schema_is_asked_for() -> None:
    body = await sent(ModelRequest("gpt-4.1", ASK.messages, schema=PARAMETERS))
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": PARAMETERS}}


async def test_the_operators_fields_win_and_null_takes_a_field_away() -> None:
    extra = {"temperature": None, "stream_options": None, "reasoning_effort": "none", "max_tokens": 9}
    body = await sent(ModelRequest("x", ASK.messages, temperature=0.5), model="qwen3:8b", extra=extra)
    assert body["model"] == "qwen3:8b"
    assert (body["reasoning_effort"], body["max_tokens"]) == ("none", 9)
    assert not {"temperature", "stream_options"} & body.keys()


@pytest.mark.parametrize(
    ("field", "said", "replaced"),
    [
        ("stream_options", "Extra inputs are not permitted: body.stream_options.include_usage", None),
        ("temperature", "Unsupported value: 'temperature' does not support 0 with this model.", None),
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
        ("response_format", "response_format json_schema is not supported", "response_format"),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
async def test_a_field_that_is_refused_is_left_out_from_then_on(
    field: str, said: str, replaced: str | None, status: int
) -> None:
    refusal = WireAnswer([said.encode()], status=status, content_type="text/plain")
    wire = Wire([refusal, WireAnswer([chunk({"content": "Yes"}, "stop"), DONE])])
    request = ModelRequest("x", ASK.messages, temperature=0.0, max_tokens=5, schema=PARAMETERS)
    parts = await told(wire, request, request)
    assert parts == [TextPart("Yes"), StopPart(StopReason.END)] * 2
    first, second, third = wire.bodies
    assert field in first
    assert second == third
    if replaced == "response_format":
        assert second[replaced] == {"type": "json_object"}
    else:
        assert field not in second
        assert replaced is None or second[replaced] == 5


async def test_strict_tools_that_are_refused_are_sent_as_plain_ones() -> None:
    refusal = WireAnswer([b"tools.0.function.strict: Extra inputs are not permitted"], status=422, content_type="x/y")
    wire = Wire([refusal, WireAnswer([STOP, DONE])])
    await told(wire, ModelRequest("x", ASK.messages, [ToolSpec("t", "", PARAMETERS, is_strict=True)]))
    assert [tool["function"].get("strict") for body in wire.bodies for tool in body["tools"]] == [True, None]


async def test_what_one_model_refuses_another_is_still_sent() -> None:
    refusal = WireAnswer([b"'temperature' is not supported"], status=400, content_type="text/plain")
    wire = Wire([refusal, WireAnswer([STOP, DONE])])
    await told(wire, *(ModelRequest(name, ASK.messages, temperature=0.0) for name in ("o3", "gpt-4.1", "o3")))
    assert [body.get("temperature") for body in wire.bodies] == [0.0, None, 0.0, None]


@pytest.mark.parametrize(("status", "said"), [(400, "bad prompt"), (401, "temperature"), (400, "stream_options")])
async def test_any_other_refusal_is_one(status: int, said: str) -> None:
    wire = Wire([WireAnswer([said.encode()], status=status, content_type="text/plain")])
    with pytest.raises(ModelFailed, match=said):
        await told(wire, ASK)
    assert len(wire.requests) == (2 if said == "stream_options" else 1)


ONE = ToolUse("call_1", "book", '{"a": "b"}')


@pytest.mark.parametrize(
    "pieces",
    [
        [
            called({"index": 0, "id": "call_1", "type": "function", "function": {"name": "book", "arguments": ""}}),
            called({"index": 0, "function": {"arguments": '{"a": '}}),
            called({"index": 0, "function": {"arguments": '"b"}'}}),
        ],
        [called({"id": "call_1", "function": {"name": "book", "arguments": '{"a": "b"}'}})],
        [
            called({"id": "call_1", "function": {"name": "book"}}),
            called({"id": "", "function": {"name": None, "arguments": '{"a": "b"}'}}),
        ],
        [
            called({"index": 0, "id": "call_1", "function": {"name": "book", "arguments": '{"a": '}}),
            called({"index": 0, "id": "call_1", "function": {"name": "book", "arguments": '"b"}'}}),
        ],
        [
            called({"index": 0, "id": "call_1"}),
            called({"index": 0, "function": {"name": "book", "arguments": '{"a": "b"}'}}),
        ],
    ],
    ids=["as OpenAI", "whole, no index", "no index, empty id", "id and name repeated", "name later"],
)
@pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call"])
async def test_a_tool_call_is_put_together_however_it_is_cut(pieces: list[bytes], reason: str) -> None:
    parts = await heard(*pieces, chunk({}, reason), DONE)
    assert parts == [ToolUsePart(ONE), StopPart(StopReason.TOOL_USE)]


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "id": "x", "function": {"name": "a"}}, {"index": 0, "id": "y", "function": {"name": "b"}}],
        [{"id": "x", "function": {"name": "a"}}, {"id": "y", "function": {"name": "b"}}],
        [{"function": {"name": "a"}}, {"function": {"name": "b"}}],
        [{"index": 0, "function": {"name": "a"}}, {"index": 1, "function": {"name": "b"}}],
    ],
    ids=["one index for all", "no index", "neither", "no id"],
)
async def test_two_tool_calls_stay_two(calls: list[dict[str, Any]]) -> None:
    for pieces in ([called(*calls)], [called(call) for call in calls]):
        found = uses(await heard(*pieces, STOP, DONE))
        assert [use.name for use in found] == ["a", "b"]
        assert [use.arguments for use in found] == ["{}", "{}"]
        assert len({use.id for use in found}) == 2
        assert all(use.id for use in found)


async def test_an_id_that_was_used_before_is_replaced() -> None:
    request = ModelRequest("x", (UserText("Hi"), AgentText("", (ONE,)), ToolOutcome("call_1", "done")))
    (use,) = uses(
        await heard(called({"index": 0, "id": "call_1", "function": {"name": "book"}}), STOP, request=request)
    )
    assert use.id.startswith("call_")
    assert use.id != "call_1"


async def test_arguments_may_be_an_object() -> None:
    (use,) = uses(await heard(called({"id": "c", "function": {"name": "book", "arguments": {"a": "b"}}}), STOP))
    assert use.parsed() == {"a": "b"}


async def test_a_tool_call_that_the_limit_cut_off_is_none() -> None:
    parts = await heard(
        called({"id": "c", "function": {"name": "book", "arguments": '{"a'}}), chunk({}, "length"), DONE
    )
    assert parts == [StopPart(StopReason.LENGTH)]


@pytest.mark.parametrize(
    "usage",
    [
        event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
        event({"choices": None, "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
        event({"usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}}),
        chunk({}, None, x_groq={"id": "req", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
    ],
    ids=["OpenAI", "vLLM", "no choices", "Groq"],
)
async def test_the_usage_is_found_wherever_it_stands(usage: bytes) -> None:
    parts = await heard(chunk({"content": "Yes"}, "stop"), usage, DONE)
    assert parts == [TextPart("Yes"), UsagePart(7, 2), StopPart(StopReason.END)]


@pytest.mark.parametrize(
    "pieces",
    [
        [chunk({"role": "assistant", "content": None}), chunk({"content": "Yes"}), STOP, DONE],
        [chunk({"content": "Yes"}), chunk({"content": "", "reasoning_content": "hm"}), STOP, DONE],
        [event({"choices": [], "prompt_filter_results": []}), chunk({"content": "Yes"}), STOP, DONE],
        [chunk({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Yes"}]}), STOP, DONE],
        [chunk({"content": "Yes"}), STOP],
        [chunk({"content": "Yes"}), DONE],
        [chunk({"content": "Yes"}), chunk(None, "stop"), DONE],
        [
            b": OPENROUTER PROCESSING\n\n",
            b'data:{"choices":[{"delta":{"content":"Yes"}}]}\n\n',
            STOP,
            b"data:[DONE]\n\n",
        ],
        [chunk({"content": "Yes"}, "", error=None), STOP, b"data: {half"],
        [chunk({"content": "Yes"}), STOP, b"data: {broken\n\n"],
    ],
    ids=["null", "reasoning", "Azure", "blocks", "no done", "no reason", "no delta", "tight", "cut after", "bad after"],
)
async def test_a_whole_answer_is_understood_in_many_forms(pieces: list[bytes]) -> None:
    assert await heard(*pieces) == [TextPart("Yes"), StopPart(StopReason.END)]


async def test_the_usage_is_not_waited_for_as_long_as_the_model() -> None:
    began = anyio.current_time()
    parts = await told(Wire([WireAnswer([chunk({"content": "Yes"}, "stop"), 600.0])]), ASK)
    assert parts == [TextPart("Yes"), StopPart(StopReason.END)]
    assert anyio.current_time() - began == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("piece", "is_retryable", "status"),
    [
        (event({"error": {"message": "overloaded", "code": 529}}), True, 529),
        (event({"error": {"message": "no credit", "code": "402"}}), False, 402),
        (event({"error": "something"}), True, None),
        (event("{broken"), True, None),
        (event({"choices": 5}), True, None),
        (b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n', True, None),
        (b"", True, None),
    ],
    ids=["status", "status as text", "text", "no json", "no chunk", "no utf-8", "end"],
)
async def test_what_breaks_an_answer_fails_it(piece: bytes, is_retryable: bool, status: int | None) -> None:
    with pytest.raises(ModelFailed) as failed:
        await heard(chunk({"content": "One"}), piece)
    assert (failed.value.is_retryable, failed.value.status) == (is_retryable, status)


@pytest.mark.parametrize(("reason", "meaning"), [("length", StopReason.LENGTH), ("content_filter", StopReason.REFUSED)])
async def test_the_reason_is_told(reason: str, meaning: StopReason) -> None:
    assert (await heard(chunk({"content": "One"}, reason), DONE))[-1] == StopPart(meaning)


async def test_an_error_that_names_a_field_after_a_part_is_not_answered_by_asking_again() -> None:
    wire = Wire([WireAnswer([chunk({"content": "One"}), event({"error": {"message": "temperature", "code": 400}})])])
    with pytest.raises(ModelFailed, match="temperature"):
        await told(wire, ASK)
    assert len(wire.requests) == 1
