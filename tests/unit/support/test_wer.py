"""The word error rate that the project judges recognition by."""

import pytest

from support.wer import WordErrors, normal_words, total, word_errors


@pytest.mark.parametrize(
    ("spoken", "heard"),
    [
        pytest.param("Hello, there!", "hello there", id="case and marks"),
        pytest.param("I'm sorry, that's not valid", "I am sorry that is not valid", id="contractions"),
        pytest.param("You can't", "you cannot", id="cannot"),
        pytest.param("Press 1 now", "press one now", id="digits"),
        pytest.param("in 42 days", "in forty-two days", id="tens"),
        pytest.param("dial 5550142", "dial five five five zero one four two", id="long numbers digit by digit"),
        pytest.param("your party's name", "your partys name", id="possessive"),
        pytest.param("Goodbye", "good bye", id="goodbye"),
    ],
)
def test_spelling_is_no_error(spoken: str, heard: str) -> None:
    assert normal_words(spoken) == normal_words(heard)


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        pytest.param("a b c d", 0, id="all right"),
        pytest.param("a x c d", 1, id="substituted"),
        pytest.param("a c d", 1, id="deleted"),
        pytest.param("a b b c d", 1, id="inserted"),
        pytest.param("", 4, id="nothing heard"),
    ],
)
def test_errors_are_counted(heard: str, errors: int) -> None:
    assert word_errors("a b c d", heard) == WordErrors(errors, 4)


def test_rates_add_up_by_words() -> None:
    assert total([WordErrors(1, 10), WordErrors(0, 30)]).rate == pytest.approx(1 / 40)
    assert total([]).rate == 0.0
