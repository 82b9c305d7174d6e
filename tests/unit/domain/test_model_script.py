"""Which rule of a script is followed, and what it makes of what it matched."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
from retold.domain.model_script import (
    ECHO,
    SayStep,
    Script,
    ScriptReader,
    UseStep,
    arguments_text,
    pieces_of,
    tokens_of,
)

PROMPT = SystemText("You are Ada. State: booking.")
BOOK = ToolSpec("book_table", "", {"type": "object"})
USE = AgentText("", (ToolUse("call_1", "book_table", "{}"),))


def asked(*messages: Message, **fields: Any) -> ModelRequest:
    return ModelRequest("gpt-4.1", (PROMPT, *messages), **fields)


@pytest.mark.parametrize(
    ("when", "is_fitting"),
    [
        ({}, True),
        ({"last": "TABLE for two"}, True),
        ({"last": "three"}, False),
        ({"role": "user"}, True),
        ({"role": "tool"}, False),
        ({"system": "State: booking"}, True),
        ({"system": "State: goodbye"}, False),
        ({"offered": "book_table"}, True),
        ({"offered": "end_call"}, False),
        ({"model": "gpt-4.1"}, True),
        ({"model": "other"}, False),
        ({"is_structured": False}, True),
        ({"is_structured": True}, False),
        ({"after_tool": "book_table"}, False),
    ],
    ids=str,
)
def test_a_condition_fits_when_all_of_it_does(when: dict[str, object], is_fitting: bool) -> None:
    script = Script.model_validate({"rules": [{"when": when, "steps": [{"say": "yes"}]}], "otherwise": "no"})
    request = asked(UserText("A table for two"), tools=[BOOK])
    (step,) = ScriptReader(script).steps_for(request)
    assert step == SayStep(say="yes" if is_fitting else "no")


@pytest.mark.parametrize(
    ("messages", "is_fitting"),
    [
        ([UserText("Hi"), USE, ToolOutcome("call_1", "booked")], True),
        ([UserText("Hi"), USE, ToolOutcome("call_2", "booked")], False),
        ([UserText("Hi")], False),
    ],
    ids=["its outcome", "another's", "none"],
)
def test_the_outcome_of_a_tool_is_known_by_its_name(messages: list[Message], is_fitting: bool) -> None:
    rule = {"when": {"after_tool": "book_table"}, "steps": [{"say": "yes"}]}
    (step,) = ScriptReader(Script.model_validate({"rules": [rule], "otherwise": "no"})).steps_for(asked(*messages))
    assert step == SayStep(say="yes" if is_fitting else "no")


def test_what_was_matched_is_filled_in_everywhere() -> None:
    steps = [
        {"say": r"For \g<guests>, \1!"},
        {"use": "book_table", "arguments": {"guests": r"\1", "list": [r"\1", 5], "deep": {"x": r"\1"}}},
        {"use": "book_table", "arguments": r'{"raw": "\1"'},
        {"wait_ms": 5},
    ]
    script = Script.model_validate({"rules": [{"when": {"last": r"for (?P<guests>\w+)"}, "steps": steps}]})
    said, used, raw, waited = ScriptReader(script).steps_for(asked(UserText("A table for two")))
    assert said == SayStep(say="For two, two!")
    assert isinstance(used, UseStep)
    assert used.arguments == {"guests": "two", "list": ["two", 5], "deep": {"x": "two"}}
    assert arguments_text(used) == '{"guests": "two", "list": ["two", 5], "deep": {"x": "two"}}'
    assert isinstance(raw, UseStep)
    assert arguments_text(raw) == r'{"raw": "\1"'
    assert waited == Script.model_validate({"rules": [{"steps": [{"wait_ms": 5}]}]}).rules[0].steps[0]


def test_a_rule_without_an_expression_is_taken_to_the_letter() -> None:
    script = Script.model_validate({"rules": [{"steps": [{"say": r"C:\1"}]}]})
    assert list(ScriptReader(script).steps_for(asked())) == [SayStep(say=r"C:\1")]


def test_a_rule_can_be_used_up() -> None:
    rules = [{"times": 2, "steps": [{"say": "first"}]}, {"steps": [{"say": "then"}]}]
    reader = ScriptReader(Script.model_validate({"rules": rules}))
    assert [list(reader.steps_for(asked())) for _ in range(3)] == [
        [SayStep(say="first")],
        [SayStep(say="first")],
        [SayStep(say="then")],
    ]


def test_the_echo_repeats_the_last_message_and_needs_none() -> None:
    assert list(ScriptReader(ECHO).steps_for(asked(UserText("Hello there.")))) == [
        SayStep(say="You said: Hello there.")
    ]
    assert list(ScriptReader(ECHO).steps_for(ModelRequest("gpt-4.1", ()))) == [SayStep(say="You said: ")]


@given(st.text())
def test_pieces_lose_nothing_and_are_never_empty(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_tokens_are_words() -> None:
    assert tokens_of(asked(UserText("one two"), USE, ToolOutcome("call_1", "three"))) == 5 + 2 + 1


@pytest.mark.parametrize(
    "rule",
    [
        {"steps": [{"sya": "typo"}]},
        {"when": {"last": "("}, "steps": []},
        {"when": {"lsat": "typo"}, "steps": []},
        {"steps": [{"fail": 200}]},
        {"times": 0, "steps": []},
    ],
    ids=str,
)
def test_a_script_with_a_mistake_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises((ValidationError, re.error)):
        Script.model_validate({"rules": [rule]})
