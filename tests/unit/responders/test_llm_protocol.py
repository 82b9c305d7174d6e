"""The LLM websocket's messages: each type both ways, strictness, and that no input is an exception."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.transcript import NodeTransition, ToolCallInvocation, Utterance, Word
from retold.ports import (
    ChangeRules,
    ForwardMetadata,
    ReplyKind,
    ReplyWanted,
    Say,
    ToolInvoked,
    ToolReturned,
    TranscriptChanged,
    Turn,
)
from retold.responders.llm_protocol import (
    Config,
    PingPong,
    Unreadable,
    Writer,
    call_details,
    logged,
    logged_call_details,
    logged_text,
    parse,
    ping_pong,
)

HELLO = Utterance(role="agent", content="Hello.", words=(Word("Hello.", 120, 480.5),), response_id=0)
QUESTION = Utterance(role="user", content="When?", words=(Word("When?", 1000, 1300),))
ANSWER = Utterance(role="agent", content="Now.", words=(), response_id=1)
TOOL = ToolCallInvocation(tool_call_id="t1", name="look", arguments="{}")


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"response_type": "config", "config": {}}, Config()),
        (
            {"response_type": "config", "config": {"auto_reconnect": True, "call_details": True, "other": 1}},
            Config(auto_reconnect=True, call_details=True),
        ),
        ({"response_type": "config", "config": {"transcript_with_tool_calls": True}}, Config(False, False, True)),
        ({"response_type": "ping_pong", "timestamp": 1_703_302_407_333}, PingPong(1_703_302_407_333)),
        (
            {"response_type": "response", "response_id": 3, "content": "Hi", "content_complete": False},
            Say(3, "Hi", is_complete=False),
        ),
        (
            {
                "response_type": "response", "response_id": 3, "content": "Bye", "content_complete": True,
                "no_interruption_allowed": True, "end_call": True, "transfer_number": "+15551234567",
                "show_transferee_as_caller": False, "digit_to_press": "12#",
            },
            Say(3, "Bye", is_complete=True, no_interruption_allowed=True, end_call=True,
                transfer_number="+15551234567", digit_to_press="12#"),
        ),
        (
            {
                "response_type": "response", "response_id": 0, "content": "", "content_complete": True,
                "end_call": None, "transfer_number": None, "digit_to_press": "",
            },
            Say(0, "", is_complete=True),
        ),
        (
            {"response_type": "agent_interrupt", "interrupt_id": 9, "content": "Wait", "content_complete": True},
            Say(0, "Wait", is_complete=True, interrupt_id=9),
        ),
        (
            {"response_type": "tool_call_invocation", "tool_call_id": "t", "name": "n", "arguments": "{}"},
            ToolInvoked("t", "n", "{}"),
        ),
        ({"response_type": "tool_call_result", "tool_call_id": "t", "content": "ok"}, ToolReturned("t", "ok")),
        (
            {"response_type": "tool_call_result", "tool_call_id": "t", "content": "no", "successful": False},
            ToolReturned("t", "no", successful=False),
        ),
        ({"response_type": "metadata", "metadata": {"a": [1, None]}}, ForwardMetadata({"a": [1, None]})),
        ({"response_type": "metadata", "metadata": None}, ForwardMetadata(None)),
        (
            {"response_type": "update_agent", "agent_config": {"responsiveness": 0, "reminder_trigger_ms": 1500.4}},
            ChangeRules(responsiveness=0, reminder_trigger_ms=1500),
        ),
        (
            {"response_type": "update_agent", "agent_config": {"interruption_sensitivity": 1, "reminder_max_count": 0}},
            ChangeRules(interruption_sensitivity=1, reminder_max_count=0),
        ),
    ],
)  # fmt: skip
def test_a_server_message_means(message: dict[str, Any], meaning: object) -> None:
    assert parse(json.dumps(message)) == meaning


RESPONSE = {"response_type": "response", "response_id": 1, "content": "Hi", "content_complete": True}


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "[]", "null", "1", '"x"', "{}", "\x00", '{"response_type":"config","config":{}} trailing',
        '{"response_type":"response","response_id":1,"content":"\\ud800","content_complete":true}',
        '{"response_type":"metadata","metadata":NaN}', '{"response_type":"metadata","metadata":1e999}',
        '{"response_type":"metadata","metadata":123456789012345678901234567890}',
        '{"response_type":"metadata","metadata":' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"response_type":"metadata"}', '{"response_type":"dance"}', '{"response_type":1}', '{"response_type":null}',
        '{"response_type":"config"}', '{"response_type":"config","config":{"auto_reconnect":"yes"}}',
        '{"response_type":"ping_pong"}', '{"response_type":"ping_pong","timestamp":"now"}',
        '{"response_type":"tool_call_result","tool_call_id":"t","content":{}}',
        '{"response_type":"tool_call_invocation","tool_call_id":"t","name":"n","arguments":{}}',
        '{"response_type":"update_agent","agent_config":{"responsiveness":1.1}}',
        '{"response_type":"update_agent","agent_config":{"reminder_trigger_ms":0}}',
        '{"response_type":"update_agent","agent_config":{"reminder_max_count":-1}}',
        *(json.dumps(RESPONSE | wrong) for wrong in (
            {"content_complete": "true"}, {"content_complete": 1}, {"content_complete": None}, {"content": None},
            {"content": 3}, {"response_id": "1"}, {"response_id": 1.5}, {"response_id": None}, {"response_id": True},
            {"end_call": "yes"}, {"transfer_number": 5}, {"response_type": "agent_interrupt"},
        )),
    ],
    ids=lambda text: text[:70],
)  # fmt: skip
def test_a_message_that_breaks_the_protocol_is_unreadable(text: str) -> None:
    parsed = parse(text)
    assert isinstance(parsed, Unreadable)
    assert parsed.problem


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = ["config", "ping_pong", "response", "agent_interrupt", "tool_call_invocation", "tool_call_result", "metadata",
         "update_agent"]  # fmt: skip
FIELDS = ["config", "timestamp", "response_id", "interrupt_id", "content", "content_complete", "end_call", "metadata",
          "tool_call_id", "name", "arguments", "successful", "agent_config", "transfer_number"]  # fmt: skip


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES))
def test_any_fields_are_read_or_refused(response_type: str, fields: dict[str, Any]) -> None:
    parse(json.dumps({"response_type": response_type, **fields}))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    parse(text)
    logged_text(text)


def test_requests_carry_the_whole_transcript_with_word_times_in_seconds() -> None:
    event = ReplyWanted(2, ReplyKind.RESPONSE, [HELLO, QUESTION], [HELLO, TOOL, QUESTION])
    text = Writer().write(event, with_tool_calls=False)
    assert json.loads(text) == {
        "interaction_type": "response_required",
        "response_id": 2,
        "transcript": [
            {
                "role": "agent",
                "content": "Hello.",
                "words": [{"word": "Hello.", "start": 0.12, "end": 0.48}],
                "metadata": {"response_id": 0},
            },
            {"role": "user", "content": "When?", "words": [{"word": "When?", "start": 1.0, "end": 1.3}]},
        ],
    }
    assert b'": ' not in text


def test_tool_calls_are_woven_in_when_configured() -> None:
    event = ReplyWanted(2, ReplyKind.REMINDER, [HELLO], [HELLO, TOOL])
    sent = json.loads(Writer().write(event, with_tool_calls=True))
    assert sent["interaction_type"] == "reminder_required"
    assert sent["transcript_with_tool_calls"] == [HELLO.wire(), TOOL.wire()]


def test_transitions_of_a_flow_that_went_before_are_not_told() -> None:
    moved = NodeTransition("a", "A", "b", "B", "normal", at_ms=500.0)
    event = TranscriptChanged([HELLO], [moved, HELLO, TOOL])
    sent = json.loads(Writer().write(event, with_tool_calls=True))
    assert sent["transcript_with_tool_calls"] == [HELLO.wire(), TOOL.wire()]


def test_an_update_names_the_turn_only_when_one_began() -> None:
    writer = Writer()
    assert json.loads(writer.write(TranscriptChanged([HELLO], [HELLO], Turn.USER), with_tool_calls=False)) == {
        "interaction_type": "update_only",
        "turntaking": "user_turn",
        "transcript": [HELLO.wire()],
    }
    assert "turntaking" not in json.loads(writer.write(TranscriptChanged([], []), with_tool_calls=False))


@given(st.lists(st.lists(st.sampled_from([HELLO, QUESTION, ANSWER]), max_size=5), max_size=6))
def test_kept_json_never_goes_stale(transcripts: list[list[Utterance]]) -> None:
    writer = Writer()
    for transcript in transcripts:
        sent = json.loads(writer.write(TranscriptChanged(transcript, transcript), with_tool_calls=True))
        assert sent["transcript"] == sent["transcript_with_tool_calls"] == [item.wire() for item in transcript]


def compact(value: object) -> str:
    """What JavaScript's JSON.stringify makes of it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


UTTERANCES = st.builds(
    Utterance,
    role=st.sampled_from(["agent", "user"]),
    words=st.lists(
        st.builds(Word, st.text(), st.floats(0, 1e8), st.floats(0, 1e8)),
        max_size=3,
    ).map(tuple),
    response_id=st.none() | st.integers(0, 1000),
    content=st.text(),
)


@given(st.lists(UTTERANCES, max_size=4), st.builds(ToolCallInvocation, st.text(), st.text(), st.text()))
def test_every_byte_is_that_of_compact_json(said: list[Utterance], tool: ToolCallInvocation) -> None:
    event = ReplyWanted(2, ReplyKind.RESPONSE, said, [tool, *said])
    head = {"interaction_type": "response_required", "response_id": 2}
    transcript = [item.wire() for item in said]
    sent = {**head, "transcript": transcript, "transcript_with_tool_calls": [tool.wire(), *transcript]}
    assert Writer().write(event, with_tool_calls=True).decode() == compact(sent)
    last = [{"role": item.role, "content": item.content} for item in said[-2:]]
    assert logged(event) == compact({**head, "transcript": last})


def test_the_log_shows_the_last_two_utterances() -> None:
    event = ReplyWanted(2, ReplyKind.RESPONSE, [HELLO, QUESTION, ANSWER], [])
    assert json.loads(logged(event)) == {
        "interaction_type": "response_required",
        "response_id": 2,
        "transcript": [{"role": "user", "content": "When?"}, {"role": "agent", "content": "Now."}],
    }


def test_a_long_message_is_cut_in_the_log() -> None:
    shown = logged_text("x" * 20_000)
    assert len(shown) < 17_000
    assert shown.endswith("(20000 characters)")
    assert logged_text("short") == "short"


def test_call_details_keeps_the_access_token_out_of_the_log() -> None:
    call = {"call_id": "call_1", "access_token": "secret"}
    assert json.loads(call_details(call)) == {"interaction_type": "call_details", "call": call}
    assert "secret" not in logged_call_details(call)


def test_a_ping_carries_its_time() -> None:
    assert json.loads(ping_pong(1_700_000_000_000)) == {
        "interaction_type": "ping_pong",
        "timestamp": 1_700_000_000_000,
    }
