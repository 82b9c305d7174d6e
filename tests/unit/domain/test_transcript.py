"""Transcript shapes as the API shows them."""

from retold.domain.transcript import (
    Forms,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
    as_text,
)

HELLO = Utterance(role="agent", words=(Word("Hello.", 120.4, 480.6),), response_id=0, content="Hello.")
YES = Utterance(role="user", words=(Word("Yes.", 900, 1100),), content="Yes.")


def test_word_times_are_seconds_and_the_reply_is_named() -> None:
    assert HELLO.wire() == {
        "role": "agent",
        "content": "Hello.",
        "words": [{"word": "Hello.", "start": 0.12, "end": 0.481}],
        "metadata": {"response_id": 0},
    }


def test_a_user_utterance_has_no_metadata() -> None:
    assert "metadata" not in YES.wire()


def test_tool_calls_keep_their_json_text_and_an_unknown_outcome_is_left_out() -> None:
    assert ToolCallInvocation("t1", "lookup", '{"day": "Tuesday"}').wire() == {
        "role": "tool_call_invocation",
        "tool_call_id": "t1",
        "name": "lookup",
        "arguments": '{"day": "Tuesday"}',
    }
    assert ToolCallInvocation("t1", "bye", "{}", "end_call").wire()["type"] == "end_call"
    result = {"role": "tool_call_result", "tool_call_id": "t1", "content": "free at 10"}
    assert ToolCallResult("t1", "free at 10").wire() == result
    assert ToolCallResult("t1", "free at 10", successful=False).wire() == {**result, "successful": False}


def test_the_plain_transcript_is_a_line_per_utterance() -> None:
    assert as_text([HELLO, YES]) == "Agent: Hello.\nUser: Yes.\n"


def test_a_form_is_made_again_only_from_the_first_changed_item_on() -> None:
    made: list[str] = []

    def content_of(item: TranscriptItem) -> str:
        assert isinstance(item, Utterance)
        made.append(item.content)
        return item.content

    forms = Forms(content_of)
    said = [Utterance(role="user", words=(), content=content) for content in "abcd"]
    other = Utterance(role="user", words=(), content="x")
    assert forms.of(said[:3]) == ["a", "b", "c"]
    assert forms.of(said) == ["a", "b", "c", "d"]
    assert forms.of([*said[:2], other, said[3]]) == ["a", "b", "x", "d"]
    assert forms.of(said[:1]) == ["a"]
    assert forms.of([]) == []
    assert made == ["a", "b", "c", "d", "x", "d"]
