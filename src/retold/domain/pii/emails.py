"""E-mail addresses, written and spoken: "john dot doe at gmail dot com"."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.cues import goes_on
from retold.domain.pii.talk import Talk, Token, found_in
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
_HOST: Final = rf"(?:(?!at )[\w-]+(?:{_DOT}| (?:dash |hyphen |minus )?)){{0,5}}?[\w-]+{_DOT}"
_SPOKEN_END: Final = re.compile(
    rf"\b{_AT} (?:{_HOST}(?:{_ENDINGS})(?:{_DOT}(?:{_ENDINGS}))*|(?:{_HOSTS})(?: (?:{_ENDINGS}))?)\b"
)
_ANNOUNCED_END: Final = re.compile(rf"\b{_AT} {_HOST}\w+\b")
"""With any top-level domain, where an address was announced."""
_ANNOUNCING: Final = words("email emails mail e-mail correo courriel")
_NOT_LOCAL: Final = words(
    "is it it's its that that's be my mine your the an email e-mail mail emailed address to at on under with"
    " use using send reach contact me you us him her ist lautet es meine mi mon est correo adresse would please"
    " yes yeah sure okay ok so well and or got have has all lowercase just then via through if with your"
)
"""What stands before an address without being part of it."""
_HESITATIONS: Final = words("uh um er hmm")
_JOINTS: Final = frozenset(".-_+")
_LOCAL_WORD: Final = re.compile(r"[\w'.+-]+")
_MOST_WORDS: Final = 12
_MOST_CHARS: Final = 200


def emails_in(talk: Talk) -> Iterator[Found]:
    """Every e-mail address."""
    for number, turn in enumerate(talk.turns):
        for match in _WRITTEN.finditer(turn.text):
            yield Found(number, match.start(), match.end(), ("email",))
    for stream in talk.streams:
        yield from _spoken(talk, stream)


def _spoken(talk: Talk, stream: Sequence[Token]) -> Iterator[Found]:
    """From the words in front of "at" back to one that cannot be part of an address."""
    text, places = _flat(talk, stream)
    for pattern in (_SPOKEN_END, _ANNOUNCED_END):
        for match in pattern.finditer(text):
            start, end = _local_start(text, match.start()), match.end()
            if start < match.start() and (pattern is _SPOKEN_END or _is_announced(talk, stream[places[start]])):
                yield from found_in(stream, places[start], places[end - 1], "email")


def _is_announced(talk: Talk, token: Token) -> bool:
    return not _ANNOUNCING.isdisjoint(talk.words_before(token, 1))


def _flat(talk: Talk, stream: Sequence[Token]) -> tuple[str, list[int]]:
    """What a party said as one text, with single characters between words, and the word of each character.

    A character that joins two words of an address stays; where the other party came between for long, a line ends.
    """
    chars: list[str] = []
    places: list[int] = []
    for index, token in enumerate(stream):
        if index:
            is_joined = token.turn == stream[index - 1].turn and token.gap in _JOINTS
            apart = " " if goes_on(talk, stream[index - 1], token) else "\n"
            chars.append(token.gap if is_joined else apart)
        chars.append(token.word)
        places += [index] * (len(token.word) + (index > 0))
    return "".join(chars), places


def _local_start(text: str, end: int) -> int:
    """Where the part before "at" begins, which stands at `end`."""
    start = end
    line = text.rfind("\n", max(0, end - _MOST_CHARS), end) + 1
    for word in list(_LOCAL_WORD.finditer(text, max(line, end - _MOST_CHARS), end))[: -_MOST_WORDS - 1 : -1]:
        if word[0] in _NOT_LOCAL:
            break
        if word[0] not in _HESITATIONS:
            start = word.start()
    return start
