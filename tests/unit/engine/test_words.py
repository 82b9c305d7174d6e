"""What words say about turns."""

import pytest

from retold.engine.rules import Rules
from retold.engine.words import BACK_CHANNELS, COMMANDS, TRAILING_WORDS, asks_for_floor, spoken_words, wait_ms

RULES = Rules(wait_complete_ms=1, wait_open_ms=2, wait_trailing_ms=3, wait_digits_ms=4)


def test_spoken_words_are_lower_case_without_punctuation() -> None:
    assert spoken_words("I'm fine -- it's 5 o'clock, Ada!") == ["i'm", "fine", "it's", "5", "o'clock", "ada"]


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        pytest.param("When do you open?", 1, id="question"),
        pytest.param("Book it.", 1, id="full stop"),
        pytest.param("Great! ", 1, id="white space after the end"),
        pytest.param("book it", 2, id="no end"),
        pytest.param("well,", 2, id="comma"),
        pytest.param("", 2, id="nothing"),
        pytest.param("Tuesday and", 3, id="trailing word"),
        pytest.param("Call my.", 3, id="trailing word with a full stop"),
        pytest.param("Where are you from?", 1, id="a question may end with a trailing word"),
        pytest.param("call 555 12", 4, id="number"),
        pytest.param("call 555 12.", 4, id="number with a full stop"),
        pytest.param("7", 2, id="a lone number is an answer"),
    ],
)
def test_silence_that_ends_a_turn(text: str, wait: float) -> None:
    assert wait_ms(text, RULES) == wait


@pytest.mark.parametrize(
    ("text", "needed", "asks"),
    [
        pytest.param("Okay, yeah.", 1, False, id="back-channels"),
        pytest.param("", 1, False, id="nothing"),
        pytest.param("Thursday", 1, True, id="one word"),
        pytest.param("yeah Thursday", 2, False, id="one word where two are needed"),
        pytest.param("Thursday please", 2, True, id="two words"),
        pytest.param("wait", 3, True, id="a command is enough"),
        pytest.param("yes but no", 3, True, id="a command among others"),
    ],
)
def test_words_that_ask_for_the_floor(text: str, needed: int, asks: bool) -> None:
    assert asks_for_floor(text, Rules(interrupt_words=needed)) is asks


def test_word_lists_do_not_contradict_each_other() -> None:
    assert not BACK_CHANNELS & COMMANDS
    assert all(spoken_words(word) == [word] for word in BACK_CHANNELS | COMMANDS | TRAILING_WORDS)
