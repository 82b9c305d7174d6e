"""Passwords and words like them: whatever is said to be one."""

import re
from collections.abc import Iterator
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.talk import Talk
from retold.domain.pii.word_sets import words

_WORD: Final = (
    r"(?:pass ?word|pass ?phrase|passwort|kennwort|contraseña|mot de passe"
    r"|(?:security|secret|safe) (?:word|answer|phrase))"
)
_TOLD: Final = re.compile(
    rf"\b{_WORD}(?:['\u2019]s|:|,)?(?: (?:is|was|ist|es|est|has been|will be|would be|should be|used to be|to|reads))"
    rf"(?: (?:reset|set|changed|used|supposed))*(?: (?:to|be|now))*[:,]? +|\b{_WORD}(?:['\u2019]s|:) +",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    rf"\b(?:(?:with|use|using|enter|try|type|it['\u2019]s)(?: (?:the|my|your))? {_WORD}|{_WORD}) +", re.IGNORECASE
)
"""The secret right behind the word: only when it cannot be a word of the sentence."""
_ASKED: Final = re.compile(rf"\b{_WORD}\b[^.]*(?:\?|$)|\b(?:tell|say|give|read)\b.*\b{_WORD}", re.IGNORECASE)
_OPENING: Final = re.compile(
    r"(?:(?:it['\u2019]s|it is|sure|yes|okay|ok|uh|um|well|the|that['\u2019]s|my|answer is)[, ]+)*", re.IGNORECASE
)
_NO_SECRET: Final = words(
    "not no i don't i'm what why how can could wrong right correct incorrect expired broken too very really the"
    " a an my your lost forgotten reset changed required needed so it that this and or for please set up"
    " different new old protected being sorry sent we you he she they"
)
_END: Final = re.compile(
    r"[,;?!]\s|[.?!]$|\.\s|\s(?:please|thanks|thank you|I think|and|but|for|on|so|because)\b", re.IGNORECASE
)
_NEAR_CHARS: Final = 300
_MOST_WORDS: Final = 14
_MOST_ANSWER_WORDS: Final = 4


def secrets_in(talk: Talk) -> Iterator[Found]:
    """Every password that was told."""
    for number, turn in enumerate(talk.turns):
        for match in _TOLD.finditer(turn.text):
            yield from _up_to_end(number, turn.text, match.end())
        for match in _NAMED.finditer(turn.text):
            yield from _unlike_words(number, turn.text, match)
        question = talk.asked(number)
        if question is not None and _ASKED.search(talk.turns[question].text[-_NEAR_CHARS:]):
            start = _opening_end(turn.text)
            if len(turn.text[start:].split()) <= _MOST_ANSWER_WORDS:
                yield from _up_to_end(number, turn.text, start)


def _up_to_end(number: int, text: str, start: int) -> Iterator[Found]:
    """The secret from `start` to the end of its clause."""
    ending = _END.search(text, start)
    said = text[start : ending.start() if ending else len(text)].rstrip()
    words = said.split()
    if words and words[0].lower().strip(".,!?") not in _NO_SECRET and len(words) <= _MOST_WORDS:
        yield Found(number, start, start + len(said), ("password",))


def _unlike_words(number: int, text: str, match: re.Match[str]) -> Iterator[Found]:
    chunk = re.match(r"\S*\w", text[match.end() :])
    if chunk is None:
        return
    is_odd = any(not char.isalpha() for char in chunk[0])
    is_introduced = (
        re.match(r"it['\u2019]s", match[0], re.IGNORECASE) is not None and chunk[0].lower() not in _NO_SECRET
    )
    if (is_odd and chunk[0].isascii() and "'" not in chunk[0]) or is_introduced:
        yield Found(number, match.end(), match.end() + len(chunk[0]), ("password",))


def _opening_end(text: str) -> int:
    opening = _OPENING.match(text)
    return opening.end() if opening else 0
