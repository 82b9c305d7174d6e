import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.providers.speech_text import MAX_SENTENCE_WORDS, MAX_SPOKEN_CHARACTERS, split_sentences, verbalise

READINGS = [
    (r"\b3:30 PM\b", "three thirty P.M."),
    (r"\b3:30\b", "three thirty"),
    (r"\b2:02\b", "two oh two"),
    (r"\bMar\. 3\b", "March third"),
    (r"\bMar\.", "March"),
    (r"\$5 million", "5 million dollars"),
    (r"\b(\d) kg\b", r"\1 kilograms"),
    (r"\b21 May\b", "the twenty-first of May"),
    (r"(\d) - (\d)", r"\1 to \2"),
    (r"&", "and"),
    (r"\+(?=\d)", "plus "),
    (r" +([.,!?])", r"\1"),
]


def normalise(text: str) -> str:
    """A small stand-in for the reading rules of a speech model."""
    for pattern, reading in READINGS:
        text = re.sub(pattern, reading, text)
    return " ".join(text.split())


def pairs(text: str) -> list[tuple[str, str]]:
    written = text.split()
    said = verbalise(written, normalise)
    words = said.spoken.split()
    assert len(words) == len(said.owners)
    return [
        (word, " ".join(spoken for spoken, owner in zip(words, said.owners, strict=True) if owner == index))
        for index, word in enumerate(written)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("just plain words.", ["just", "plain", "words."]),
        ("at 3:30 PM on Mar. 3, okay?", ["at", "three thirty", "P.M.", "on", "March", "third,", "okay?"]),
        ("2:02 two 2:02 two", ["two oh two", "two", "two oh two", "two"]),
        ("costs $5 million or 5 kg", ["costs", "5", "million dollars", "or", "5", "kilograms"]),
        ("it is 21 May now", ["it", "is", "the twenty-first of", "May", "now"]),
        ("10 - 12 of us & them", ["10", "to", "12", "of", "us", "and", "them"]),
        ("Well ... fine", ["Well...", "", "fine"]),
        ("wait 😀 — no", ["wait", "😀", "—", "no"]),
        ("call 555-123-4567 now", ["call", "5 5 5, 1 2 3, 4 5 6 7", "now"]),
        ("call (415) 555-2671 now", ["call", "4 1 5,", "5 5 5, 2 6 7 1", "now"]),
        ("or +1 415 555 2671.", ["or", "plus 1,", "4 1 5,", "5 5 5,", "2 6 7 1."]),
        ("or 1-415-555-2671.", ["or", "1, 4 1 5, 5 5 5, 2 6 7 1."]),
        ("code 83920174, please", ["code", "8 3 9 2 0 1 7 4,", "please"]),
        ("see [this page](there) now", ["see", "(this", "page)(there)", "now"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_written_word_keeps_the_words_it_is_spoken_as(text: str, expected: list[str]) -> None:
    assert [spoken for _, spoken in pairs(text)] == expected


def test_words_nobody_can_place_belong_to_the_last_one() -> None:
    said = verbalise(["a", "b"], lambda text: " ".join("unforeseen" for _ in range(30)) if " " in text else text)
    assert len(said.owners) == 30
    assert said.owners[-1] == 1


def test_an_endless_word_is_spoken_in_part() -> None:
    assert verbalise(["x" * 5000], normalise).spoken == "x" * MAX_SPOKEN_CHARACTERS


@given(st.text(max_size=80))
def test_every_spoken_word_has_an_owner_in_order(text: str) -> None:
    written = text.split()
    said = verbalise(written, normalise)
    assert len(said.owners) == len(said.spoken.split())
    assert list(said.owners) == sorted(said.owners)
    assert all(0 <= owner < len(written) for owner in said.owners)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        (
            "Dr. Smith lives at Baker St. 5. J. K. Rowling too.",
            ["Dr. Smith lives at Baker St. 5.", "J. K. Rowling too."],
        ),
        ("On Mar. 3 we open.", ["On Mar. 3 we open."]),
        ("e.g. this. etc. and so on.", ["e.g. this. etc. and so on."]),
        ("“Really?” He said. (Yes.) No", ["“Really?”", "He said.", "(Yes.)", "No"]),
        ("line one\nline two\n\nthree", ["line one", "line two", "three"]),
        ("Well. ... 😀 Fine.", ["Well. ...", "😀 Fine."]),
        ("Great! 😀", ["Great! 😀"]),
        ("", []),
    ],
    ids=repr,
)
def test_text_splits_into_sentences(text: str, sentences: list[str]) -> None:
    assert [" ".join(words) for words in split_sentences(text)] == sentences


@given(st.text(alphabet="aB.!? \n,—1", max_size=300))
def test_sentences_together_are_the_words_of_the_text(text: str) -> None:
    sentences = split_sentences(text)
    assert [word for sentence in sentences for word in sentence] == text.split()
    assert all(sentences)


def test_text_without_an_end_is_cut_after_a_comma() -> None:
    words = ["word"] * 200
    words[40] = "word,"
    lengths = [len(sentence) for sentence in split_sentences(" ".join(words))]
    assert lengths[0] == 41
    assert max(lengths) <= MAX_SENTENCE_WORDS
    assert sum(lengths) == 200
