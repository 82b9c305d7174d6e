"""Agreement of passes, repeats, joints and cuts, on words without any sound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.transcript import Word
from retold.providers.word_sequence import agreed, best_cut, joined, shifted, without_repeats


def spoken(text: str, *, each_ms: float = 200) -> list[Word]:
    """Words that follow each other without gaps."""
    return [Word(word, index * each_ms, (index + 1) * each_ms) for index, word in enumerate(text.split())]


def text_of(words: list[Word] | tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("I need a", "I need a cleaning", "I need a", id="the later one goes on"),
        pytest.param("I knead a cleaning", "I need a cleaning", "I", id="up to the first difference"),
        pytest.param("hello, there.", "Hello there", "Hello there", id="case and marks do not matter"),
        pytest.param("", "Hello", "", id="nothing before"),
        pytest.param("Hello there", "Hello", "Hello", id="the later one is shorter"),
    ],
)
def test_passes_agree_on_the_words_they_start_with(before: str, after: str, expected: str) -> None:
    assert text_of(agreed(spoken(before), spoken(after))) == expected


def test_a_tail_repeated_faster_than_speech_is_dropped() -> None:
    words = [*spoken("see you then"), Word("then", 600, 620), Word("then", 620, 640)]
    assert text_of(without_repeats(words)) == "see you then"


def test_a_repeated_phrase_faster_than_speech_is_dropped() -> None:
    words = [*spoken("thank you"), Word("thank", 400, 420), Word("you", 420, 460)]
    assert text_of(without_repeats(words)) == "thank you"


def test_digits_really_said_twice_are_kept() -> None:
    assert text_of(without_repeats(spoken("my number is 9 9 9"))) == "my number is 9 9 9"


def test_a_full_stop_made_by_a_cut_is_taken_back_when_the_sentence_goes_on() -> None:
    assert text_of(joined(spoken("enter your number."), spoken("followed by pound."))) == (
        "enter your number followed by pound."
    )


def test_a_sentence_that_really_ended_keeps_its_full_stop() -> None:
    assert text_of(joined(spoken("It ended."), spoken("Another one."))) == "It ended. Another one."


def test_a_capital_made_by_a_cut_is_taken_back() -> None:
    assert text_of(joined(spoken("the files"), spoken("That should help"), "that")) == "the files that should help"


def test_a_name_after_a_cut_keeps_its_capital() -> None:
    assert text_of(joined(spoken("on"), spoken("Thursday morning"), "Thursday")) == "on Thursday morning"


def test_the_cut_is_where_the_gap_is_widest() -> None:
    words = [Word("a", 0, 1000), Word("b", 1100, 2000), Word("c", 2500, 3000), Word("d", 3100, 4000)]
    assert best_cut(words, after_ms=500, before_ms=5000) == 2


def test_of_equal_gaps_the_latest_is_cut() -> None:
    assert best_cut(spoken("a b c d e"), after_ms=0, before_ms=800) == 3


def test_without_a_boundary_inside_the_limits_there_is_no_cut() -> None:
    assert best_cut(spoken("a b c"), after_ms=5000, before_ms=9000) is None
    assert best_cut([], after_ms=0, before_ms=9000) is None


def test_shifting_moves_both_edges() -> None:
    assert shifted(spoken("a"), 50) == (Word("a", 50, 250),)


@given(st.lists(st.sampled_from(["yes", "no", "nine"]), max_size=12), st.integers(1, 400))
def test_dropping_repeats_never_invents_or_reorders(texts: list[str], each_ms: int) -> None:
    words = spoken(" ".join(texts), each_ms=each_ms)
    kept = without_repeats(words)
    assert kept == words[: len(kept)]
    assert bool(kept) == bool(words)
