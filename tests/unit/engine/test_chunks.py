"""Token streams become speakable chunks."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retold.engine.chunks import MAX_CHUNK_CHARS, Chunker


def chunks_of(*tokens: str) -> list[str]:
    chunker = Chunker()
    return [*(chunk for token in tokens for chunk in chunker.feed(token)), *chunker.flush()]


def letters(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "chunks"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \n ", [], id="white space"),
        pytest.param("One moment\n\nHere it is", ["One moment", "Here it is"], id="the end of a paragraph"),
        pytest.param("Hello", ["Hello"], id="no end"),
        pytest.param("We are open. Come in!", ["We are open.", "Come in!"], id="sentences"),
        pytest.param('He said "go." Then left.', ['He said "go."', "Then left."], id="quotes"),
        pytest.param("Well… maybe?! Yes.", ["Well…", "maybe?!", "Yes."], id="several marks"),
        pytest.param("Sure, we open at nine, or", ["Sure, we open at nine,", "or"], id="first clause"),
        pytest.param("One two three, four, five", ["One two three,", "four, five"], id="later clauses stay whole"),
        pytest.param("One two three, four.", ["One two three, four."], id="a sentence that is there is not cut"),
        pytest.param(
            "Dr. Ada is in at 9 a.m. on weekdays.", ["Dr. Ada is in at 9 a.m. on weekdays."], id="short forms"
        ),
        pytest.param("It costs 3.5 dollars. Fine.", ["It costs 3.5 dollars.", "Fine."], id="decimal"),
        pytest.param("You get 3. Take them.", ["You get 3.", "Take them."], id="number at the end"),
        pytest.param("So do I. Bye.", ["So do I.", "Bye."], id="the word I"),
        pytest.param("J. Doe called.", ["J. Doe called."], id="initial"),
        pytest.param("?! Ok.", ["?!", "Ok."], id="marks alone"),
    ],
)
def test_text_is_cut_where_it_sounds_right(text: str, chunks: list[str]) -> None:
    assert chunks_of(text) == chunks


def test_a_chunk_is_given_as_soon_as_it_is_complete() -> None:
    chunker = Chunker()
    assert chunker.feed("Sure, we open") == []
    assert chunker.feed(" at nine, ") == ["Sure, we open at nine,"]
    assert chunker.feed("daily.") == ["daily."]
    assert chunker.flush() == []


@pytest.mark.parametrize("text", ["It costs 3.5 dollars", "That is i.e. this one", "At 9 a.m. sharp", "Ask Dr. Ada"])
def test_tokens_of_one_character_are_not_cut_inside_a_word(text: str) -> None:
    assert chunks_of(*text) == [text]


def test_text_without_punctuation_is_cut_at_white_space() -> None:
    chunks = chunks_of("word " * 200)
    assert len(chunks) == 3
    assert all(set(chunk.split()) == {"word"} for chunk in chunks)


def test_text_without_white_space_is_cut_anyway() -> None:
    assert [len(chunk) for chunk in chunks_of("a" * 1000)] == [400, 400, 200]


tokens = st.lists(st.text(st.sampled_from("ab1 .,!?\"'\n…:I"), max_size=12) | st.text(max_size=5), max_size=20)


@settings(max_examples=40)
@given(tokens)
def test_nothing_is_lost_or_added_but_white_space(parts: list[str]) -> None:
    assert letters("".join(chunks_of(*parts))) == letters("".join(parts))


@settings(max_examples=40)
@given(tokens)
def test_chunks_are_trimmed_and_not_empty(parts: list[str]) -> None:
    assert all(chunk and chunk == chunk.strip() for chunk in chunks_of(*parts))


@given(st.text(st.sampled_from("ab ,."), max_size=30).map(lambda text: text * 60), st.integers(1, 3000))
@example("word " * 199 + "end.", 1000)
@example("word " * 199 + "so, end.", 1000)
def test_no_chunk_is_longer_than_the_limit(text: str, size: int) -> None:
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    assert all(len(chunk) <= MAX_CHUNK_CHARS for chunk in chunks_of(*parts))


@settings(max_examples=40)
@given(st.lists(st.decimals(0, 10_000, places=2).map(str), min_size=1, max_size=5), st.integers(1, 7))
def test_numbers_stay_whole(numbers: list[str], size: int) -> None:
    text = "It is " + " or ".join(numbers) + " euros."
    chunks = chunks_of(*(text[start : start + size] for start in range(0, len(text), size)))
    assert [word for chunk in chunks for word in chunk.split()] == text.split()
