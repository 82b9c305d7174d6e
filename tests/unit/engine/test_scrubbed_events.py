"""The log of a careful agent, event by event."""

import pytest

from retold.domain.pii.categories import CATEGORIES
from retold.domain.pii.transcript import scrub_call
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.report import fold
from retold.engine.scrubbed_events import scrubbed_events, texts_of


def shown(events: list[t.AnyEvent]) -> list[t.AnyEvent]:
    items = fold(events).items
    return list(scrubbed_events(events, scrub_call(items, CATEGORIES, texts_of(events))))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            t.ToolCallStarted(at_ms=1, tool_call_id="1", name="pay", arguments='{"pin":4711}'),
            t.ToolCallStarted(at_ms=1, tool_call_id="1", name="pay", arguments='{"pin":"[PIN]"}'),
        ),
        (
            t.ToolCallEnded(at_ms=1, tool_call_id="1", content="I'm Michael"),
            t.ToolCallEnded(at_ms=1, tool_call_id="1", content="I'm [PERSON_NAME]"),
        ),
        (
            t.VariablesCollected(at_ms=1, values={"first_name": "zork"}),
            t.VariablesCollected(at_ms=1, values={"first_name": "[PERSON_NAME]"}),
        ),
        (t.ContextInjected(at_ms=1, text="I'm Michael"), t.ContextInjected(at_ms=1, text="I'm [PERSON_NAME]")),
        (t.Noted(at_ms=1, text="I'm Michael"), t.Noted(at_ms=1, text="I'm [PERSON_NAME]")),
        (
            t.EndIntended(at_ms=1, reason=DisconnectionReason.USER_HANGUP, detail="I'm Michael"),
            t.EndIntended(at_ms=1, reason=DisconnectionReason.USER_HANGUP, detail="I'm [PERSON_NAME]"),
        ),
        (
            t.ReplyEnded(at_ms=1, response_id=1, was_interrupted=True, unheard="4242"),
            t.ReplyEnded(at_ms=1, response_id=1, was_interrupted=True, unheard="[TEXT]"),
        ),
        (
            t.ReplyEnded(at_ms=1, response_id=1, was_interrupted=False),
            t.ReplyEnded(at_ms=1, response_id=1, was_interrupted=False),
        ),
        (
            t.ResponderTraffic(at_ms=1, direction="sent", text='{"interaction_type":"x","a":["y",1]}'),
            t.ResponderTraffic(at_ms=1, direction="sent", text='{"interaction_type":"x","a":["[TEXT]",1]}'),
        ),
        (
            t.ResponderTraffic(at_ms=1, direction="note", text="no JSON"),
            t.ResponderTraffic(at_ms=1, direction="note", text="[TEXT]"),
        ),
        (t.Heartbeat(at_ms=1), t.Heartbeat(at_ms=1)),
    ],
)
def test_each_event_shows_no_personal_data(event: t.AnyEvent, expected: t.AnyEvent) -> None:
    assert shown([event]) == [expected]


def test_words_of_one_number_are_missing_from_each_event() -> None:
    first = (Word("pin", 0, 100), Word("is", 110, 200), Word("47", 210, 300))
    second = (Word("11", 900, 1000), Word("thanks", 1010, 1100))
    events: list[t.AnyEvent] = [
        t.UserTranscribed(at_ms=350, utterance=0, words=first),
        t.UserTranscribed(at_ms=1150, utterance=1, words=second),
        t.UserTranscribed(at_ms=1200, utterance=2, words=()),
        t.WordsPlayed(at_ms=1500, response_id=1, words=(Word("Bye", 1400, 1500),)),
    ]
    said = [" ".join(word.text for word in event.words) for event in shown(events) if hasattr(event, "words")]  # pyright: ignore[reportAttributeAccessIssue]
    assert said == ["pin is [PIN]", "[PIN] thanks", "", "Bye"]
