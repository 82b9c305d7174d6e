"""What the stand-in model server refuses, because the vendors do."""

import json
from typing import Any

import pytest

from retold.demo.model_requests import Refused, anthropic_request, openai_request
from retold.domain.dialogue import AgentText, SystemText, ToolOutcome, ToolUse, UserText

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "book", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
OUTCOME = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
OPEN = {"type": "object", "properties": {"a": {}}}


def openai(*messages: Any, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "stream": True, "messages": messages, **fields}).encode()


def tool(name: str = "book", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": OPEN, **fields}}


def test_a_chat_is_understood() -> None:
    system = {"role": "system", "content": "Prompt"}
    read = openai_request(openai(system, USER, CALLS, OUTCOME, tools=[tool()], max_tokens=5, temperature=0))
    assert read.messages == [
        SystemText("Prompt"),
        UserText("Hi"),
        AgentText("", (ToolUse("call_1", "book", "{}"),)),
        ToolOutcome("call_1", "done"),
    ]
    assert ([spec.name for spec in read.tools], read.max_tokens, read.temperature) == (["book"], 5, 0)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"{broken", "JSON"),
        (openai(), "messages"),
        (openai(USER, stream=False), "stream"),
        (openai(USER, temperature=3), "temperature"),
        (openai({"role": "user"}), "must have content"),
        (openai({"role": "assistant"}), "content or tool_calls"),
        (openai({"role": "nobody", "content": "x"}), "role"),
        (openai(USER, CALLS), "call_1"),
        (openai(USER, CALLS, USER, OUTCOME), "call_1"),
        (openai(USER, OUTCOME), "no tool call"),
        (openai(USER, {"role": "tool", "content": "x"}), "tool_call_id"),
        (openai(USER, {"role": "assistant", "tool_calls": []}), "tool_calls"),
        (
            openai({"role": "assistant", "tool_calls": [CALL | {"function": {"name": "b", "arguments": "{"}}]}),
            "JSON object",
        ),
        (openai(USER, tools=[]), "tools"),
        (openai(USER, tools=[tool("has spaces")]), "name"),
        (openai(USER, tools=[tool("n" * 65)]), "name"),
        (openai(USER, tools=[tool(strict=True)]), "strict"),
        (openai(USER, tools=[tool()], tool_choice={"function": {"name": "other"}}), "other"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_a_chat_is_refused_as_openai_does(body: bytes, shown: str) -> None:
    with pytest.raises(Refused, match=shown):
        openai_request(body)


def anthropic(*messages: Any, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 9, "stream": True, "messages": messages, **fields}).encode()


def turn(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": blocks}


TEXT = {"type": "text", "text": "Hi"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}


def test_a_message_is_understood() -> None:
    turns = [turn("user", TEXT), turn("assistant", TEXT, USE), turn("user", RESULT, TEXT)]
    read = anthropic_request(anthropic(*turns, system="Prompt", tools=[{"name": "book", "input_schema": OPEN}]))
    assert read.messages == [
        SystemText("Prompt"),
        UserText("Hi"),
        AgentText("Hi", (ToolUse("toolu_1", "book", '{"a": 1}'),)),
        ToolOutcome("toolu_1", "done"),
        UserText("Hi"),
    ]
    assert [spec.parameters for spec in read.tools] == [OPEN]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (anthropic(), "messages"),
        (anthropic(turn("user", TEXT), max_tokens=0), "max_tokens"),
        (anthropic(turn("user", TEXT), temperature=1.5), "temperature"),
        (anthropic(turn("assistant", TEXT), turn("user", TEXT)), "first message"),
        (anthropic(turn("user", TEXT), turn("assistant", TEXT)), "prefill"),
        (anthropic(turn("user", {"type": "text", "text": " "})), "text"),
        (anthropic(turn("user")), "content"),
        (anthropic(turn("user", USE)), "assistant messages"),
        (anthropic(turn("user", TEXT), turn("assistant", USE), turn("user", TEXT)), "toolu_1"),
        (anthropic(turn("user", RESULT)), "no tool call"),
        (anthropic(turn("user", TEXT), tool_choice={"name": "other"}), "other"),
        (anthropic(turn("user", TEXT), tools=[{"name": "b", "input_schema": OPEN, "strict": True}]), "strict"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_a_message_is_refused_as_anthropic_does(body: bytes, shown: str) -> None:
    with pytest.raises(Refused, match=shown):
        anthropic_request(body)
