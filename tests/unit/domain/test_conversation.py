"""Transcripts as those read them who analyse calls."""

from retold.domain.conversation import MAX_SHOWN_CHARS, Conversation, Done, Said, shown
from support.transcripts import items

CALL = items(
    "A: Hello, what can I do?",
    "U: A table for two.",
    'T: book {"guests": 2} -> true',
    "T: end_call/end_call not json",
    "U: (unintelligible audio)",
    "D: 5",
)


def test_what_was_said_and_done_is_told_apart() -> None:
    assert Conversation.of(CALL) == Conversation(
        (Said("agent", "Hello, what can I do?"), Said("user", "A table for two.")),
        (Done("book", {"guests": 2}, successful=True), Done("end_call", {}, successful=None, type="end_call")),
    )
    assert Conversation.of(CALL).by("user") == ["A table for two."]


def test_a_model_reads_a_line_for_each_thing_that_happened() -> None:
    moved = {"role": "node_transition", "new_node_name": "x"}
    assert shown([*CALL, moved]).splitlines() == [
        "Agent: Hello, what can I do?",
        "User: A table for two.",
        '[the agent uses book: {"guests": 2}]',
        "[result: done]",
        "[the agent uses end_call: not json]",
        "User: (unintelligible audio)",
        "[the user presses 5]",
    ]


def test_the_middle_of_an_endless_transcript_is_left_out() -> None:
    long = shown(items("U: first", *["U: again and again"] * 20_000, "U: last"))
    assert len(long) < MAX_SHOWN_CHARS + 100
    assert long.startswith("User: first")
    assert long.endswith("User: last")
    assert "characters left out" in long
