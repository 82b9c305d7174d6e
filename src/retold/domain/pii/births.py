"""Dates of birth: a date in any form, beside words about being born."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.cues import cue_after, cue_before, goes_on
from retold.domain.pii.numerals import ORDINALS, is_number
from retold.domain.pii.talk import Talk, Token, found_in
from retold.domain.pii.word_sets import words

_MONTHS: Final = words(
    "january february march april may june july august september october november december jan feb mar apr jun"
    " jul aug sep sept oct nov dec januar jänner februar märz mai juni juli oktober dezember enero febrero marzo"
    " abril mayo junio julio agosto septiembre octubre noviembre diciembre janvier février mars avril juin"
    " juillet août septembre octobre novembre décembre"
)
_JOINING: Final = words("the of on in and uh um er de del le der den am a hundred thousand")
"""What stands between the parts of a date, and never at its ends."""
_NUMBERED: Final = re.compile(r"\d{1,4}(?:st|nd|rd|th|er)?")
_LEAST_DIGITS: Final = 4


def births_in(talk: Talk) -> Iterator[Found]:
    """Every date of birth."""
    for stream in talk.streams:
        for first, last in _dates(talk, stream):
            cue = cue_before(talk, stream[first]) or cue_after(talk, stream[last])
            if cue == "birth":
                yield from found_in(stream, first, last, "date_of_birth")


def _dates(talk: Talk, stream: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """The first and the last word of each date, also one over several turns."""
    parts: list[int] = []
    for index, token in enumerate(stream):
        if parts and not goes_on(talk, stream[index - 1], token):
            yield from _whole(stream, parts)
            parts = []
        if _is_part(token):
            parts.append(index)
        elif token.word not in _JOINING:
            yield from _whole(stream, parts)
            parts = []
    yield from _whole(stream, parts)


def _is_part(token: Token) -> bool:
    return (
        token.word in _MONTHS
        or token.word in ORDINALS
        or is_number(token.word)
        or _NUMBERED.fullmatch(token.word) is not None
    )


def _whole(stream: Sequence[Token], parts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """A month and something beside it, or enough digits; a number alone is no date."""
    words = [stream[index].word for index in parts]
    digits = sum(len(word) if word.isdecimal() else 2 * is_number(word) for word in words)
    has_month = any(word in _MONTHS for word in words)
    if (has_month and len(words) > 1) or digits >= _LEAST_DIGITS:
        yield parts[0], parts[-1]
