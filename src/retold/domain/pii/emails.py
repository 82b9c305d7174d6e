"""E-mail addresses, written and spoken: "john dot doe at gmail dot com"."""

import re
from collections.abc import Iterator
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.talk import Talk
from retold.domain.pii.word_sets import words

_WRITTEN: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_ENDINGS: Final = "|".join(
    sorted(
        words(
            "com net org edu gov io co uk de fr es it nl at ch eu us ca au info biz me ai app dev tv be ie mx br in se"
            " no dk pl online shop store xyz cloud email company world health law agency team"
        )
    )
)
_HOSTS: Final = "gmail|yahoo|hotmail|outlook|icloud|aol|gmx|proton|protonmail|googlemail|msn|live|web"
_DOT: Final = r"(?: (?:dot|punkt|punto|point) |\.)"
_AT: Final = r"(?:at(?: sign| symbol)?|ät|arroba|arobase)"
_HOST: Final = rf"(?:[\w-]+(?:{_DOT}| (?:dash |hyphen |minus )?)){{0,5}}?[\w-]+{_DOT}"
_SPOKEN_END: Final = re.compile(
    rf"\b{_AT} (?:{_HOST}(?:{_ENDINGS})(?:{_DOT}(?:{_ENDINGS}))*|(?:{_HOSTS})(?: (?:{_ENDINGS}))?)\b"
)
_ANNOUNCED_END: Final = re.compile(rf"\b{_AT} {_HOST}\w+\b")
"""With any top-level domain, where an address was announced."""
_ANNOUNCING: Final = words("email emails mail e-mail correo courriel")
_NOT_LOCAL: Final = words(
    "is it it's its that that's be my mine your the an email e-mail mail emailed address to at on under with"
    " use using send reach contact me you us him her ist lautet es meine mi mon est correo adresse would please"
    " yes yeah sure okay ok uh um er so well and or got have has all lowercase just then via through if with"
    " your"
)
"""What stands before an address without being part of it."""
_LOCAL_WORD: Final = re.compile(r"[\w'.+-]+")
_MOST_WORDS: Final = 12
_MOST_CHARS: Final = 200


def emails_in(talk: Talk) -> Iterator[Found]:
    """Every e-mail address."""
    for number, turn in enumerate(talk.turns):
        for match in _WRITTEN.finditer(turn.text):
            yield Found(number, match.start(), match.end(), ("email",))
        yield from _spoken(talk, number)


def _spoken(talk: Talk, number: int) -> Iterator[Found]:
    """From the words in front of "at" back to one that cannot be part of an address."""
    text, places = _flat(talk.turns[number].text)
    patterns = [_SPOKEN_END]
    if talk.tokens[number] and not _ANNOUNCING.isdisjoint(talk.words_before(talk.tokens[number][-1], 1)):
        patterns.append(_ANNOUNCED_END)
    for pattern in patterns:
        for match in pattern.finditer(text):
            start = _local_start(text, match.start())
            if start < match.start():
                yield Found(number, places[start], places[match.end() - 1] + 1, ("email",))


def _flat(text: str) -> tuple[str, list[int]]:
    """The text in lower case with single spaces for all that is between words, and where each character was."""
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text.lower() if len(text.lower()) == len(text) else text):
        is_inside = char in ".-'+" and text[place - 1 : place].isalnum() and text[place + 1 : place + 2].isalnum()
        shown = char if char.isalnum() or char == "_" or is_inside else " "
        if shown != " " or chars[-1:] != [" "]:
            chars.append(shown)
            places.append(place)
    return "".join(chars), places


def _local_start(text: str, end: int) -> int:
    """Where the part before "at" begins, which stands at `end`."""
    start = end
    for word in list(_LOCAL_WORD.finditer(text, max(0, end - _MOST_CHARS), end))[: -_MOST_WORDS - 1 : -1]:
        if word[0].removesuffix("'s") in _NOT_LOCAL:
            break
        start = word.start()
    return start
