from retold.domain.pii.categories import CATEGORIES
from retold.domain.pii.transcript import Muted, muted_in, scrub_call
from retold.domain.transcript import (
    UNINTELLIGIBLE,
    Injected,
    NodeTransition,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
)


def said(role: str, text: str, at_ms: float) -> Utterance:
    """One word each 300 ms, 250 ms long."""
    words = tuple(Word(word, at_ms + place * 300, at_ms + place * 300 + 250) for place, word in enumerate(text.split()))
    return Utterance(role="agent" if role == "agent" else "user", words=words, content=text)


def contents(items: tuple[TranscriptItem, ...]) -> list[str]:
    return [item.content for item in items if isinstance(item, Utterance | ToolCallResult | Injected)]


def test_a_number_over_two_utterances_is_one_word_in_each() -> None:
    items = [said("user", "My card is 4242 4242, uh,", 0), said("agent", "mm-hmm", 3000)]
    items += [said("user", "four two four two 4242 please.", 5000)]
    found = scrub_call(items, CATEGORIES)
    assert contents(found.items) == ["My card is [CREDIT_CARD],", "mm-hmm", "[CREDIT_CARD] please."]
    wire = [item.wire() for item in found.items]
    assert wire[2]["words"][0] == {"word": "[CREDIT_CARD]", "start": 5.0, "end": 6.45}
    assert muted_in(wire) == {"agent": (), "user": (Muted(860.0, 1790.0), Muted(4960.0, 6490.0))}


def test_words_with_two_finds_between_them_stay_one_word() -> None:
    [utterance] = scrub_call([said("user", "I'm Anna/Michael here", 0)], CATEGORIES).items
    assert isinstance(utterance, Utterance)
    assert [word.text for word in utterance.words] == ["I'm", "[PERSON_NAME]/[PERSON_NAME]", "here"]


def test_stretches_that_touch_are_muted_as_one() -> None:
    items = [said("user", "my pin is 4711", 0), said("user", "4711 is my pin", 1160)]
    wire = [item.wire() for item in scrub_call(items, CATEGORIES).items]
    assert muted_in(wire)["user"] == (Muted(860.0, 1450.0),)


def test_nothing_is_muted_before_the_call() -> None:
    wire = [item.wire() for item in scrub_call([said("user", "Michael speaking", 10)], CATEGORIES).items]
    assert muted_in(wire)["user"] == (Muted(0.0, 300.0),)


def test_what_is_not_speech_is_scrubbed_too_and_nodes_are_left() -> None:
    node = NodeTransition("a", "A", "b", "B", "normal", 1.0)
    unheard = Utterance(role="user", words=(), content=UNINTELLIGIBLE)
    typed = Utterance(role="user", words=(), content="my pin is 4711")
    items = [ToolCallInvocation("1", "pay", '{"pin":4711}'), ToolCallResult("1", "Michael"), node, unheard, typed]
    found = scrub_call([*items, Injected("I'm Michael", 5.0)], CATEGORIES, ["Michael came", '{"count":1}'])
    assert found.items[0] == ToolCallInvocation("1", "pay", '{"pin":"[PIN]"}')
    assert contents(found.items) == ["[PERSON_NAME]", UNINTELLIGIBLE, "my pin is [PIN]", "I'm [PERSON_NAME]"]
    assert found.items[2] is node
    assert found.texts == ("[PERSON_NAME] came", '{"count":1}')
