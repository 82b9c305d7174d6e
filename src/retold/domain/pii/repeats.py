"""What was found once is found again: a name that comes back, a number that the agent reads back."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found, PiiCategory
from retold.domain.pii.runs import runs_in
from retold.domain.pii.talk import Talk, Token, found_in

_LEAST_CHARS: Final = 4
"""Shorter numbers come by chance."""
_LEAST_LETTERS: Final = 3
_NUMBERS: Final = frozenset({"address", "date_of_birth", "email", "person_name", "password"})
"""Categories whose finds are no numbers."""


def repeats_in(talk: Talk, found: Sequence[Found]) -> Iterator[Found]:
    """Further places of names and numbers that were found."""
    yield from _names_again(talk, found)
    yield from _numbers_again(talk, found)


def _names_again(talk: Talk, found: Sequence[Found]) -> Iterator[Found]:
    """Each word of a name, written with a capital where the turn has any."""
    known = {token.word for one in found if one.categories[0] == "person_name" for token in _tokens_of(talk, one)}
    for number, tokens in enumerate(talk.tokens):
        for token in tokens:
            is_named = token.word in known and len(token.word) >= _LEAST_LETTERS and token.raw.istitle()
            if is_named and not token.word.isdecimal():
                yield Found(number, token.start, token.end, ("person_name",))


def _numbers_again(talk: Talk, found: Sequence[Found]) -> Iterator[Found]:
    places = {
        (one.turn, token.start): one.categories
        for one in found
        if one.categories[0] not in _NUMBERS
        for token in _tokens_of(talk, one)
    }
    runs = [(stream, run) for stream in talk.streams for run in runs_in(talk, stream)]
    known: dict[str, tuple[PiiCategory, ...]] = {}
    for stream, run in runs:
        for part in [run, *run.digit_parts()]:
            categories = places.get((stream[part.first].turn, stream[part.first].start))
            if categories and part.digits >= _LEAST_CHARS:
                known[part.chars] = categories
    for stream, run in runs:
        for part in [run, *run.digit_parts()]:
            if part.chars in known:
                yield from found_in(stream, part.first, part.last, *known[part.chars])


def _tokens_of(talk: Talk, one: Found) -> list[Token]:
    tokens = talk.tokens[one.turn]
    first = bisect_left(tokens, one.start, key=lambda token: token.start)
    last = bisect_left(tokens, one.end, key=lambda token: token.start)
    return tokens[first:last]
