"""An agent apologises in its own language where its voice speaks that, and in English where not."""

import dataclasses

import pytest

from retold.domain.agent_options import LOCALES
from retold.domain.apologies import ENGLISH, apologies_in

EVERY = frozenset(locale.partition("-")[0] for locale in LOCALES)


@pytest.mark.parametrize(
    ("language", "trouble"), [("de-DE", "Es tut mir leid"), ("es-419", "Lo siento"), ("PT-BR", "Lamento")]
)
def test_it_is_said_in_the_language_of_the_agent(language: str, trouble: str) -> None:
    assert apologies_in(language, EVERY).trouble.startswith(trouble)


@pytest.mark.parametrize("language", ["en-GB", "multi", "sw-KE", ""])
def test_it_is_said_in_english_where_there_is_no_other(language: str) -> None:
    assert apologies_in(language, EVERY) is ENGLISH


def test_a_voice_that_speaks_english_only_says_it_in_english() -> None:
    assert apologies_in("de-DE", {"en"}) is ENGLISH


@pytest.mark.parametrize("language", sorted(EVERY))
def test_each_language_has_a_sentence_for_each_case(language: str) -> None:
    texts = dataclasses.astuple(apologies_in(language, EVERY))
    assert len(set(texts)) == 3
    assert all(text == text.strip() and text for text in texts)
