"""All detectors over one conversation: what is personal in it, turn by turn."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from retold.domain.pii.addresses import addresses_in
from retold.domain.pii.births import births_in
from retold.domain.pii.categories import Found, PiiCategory, Span
from retold.domain.pii.emails import emails_in
from retold.domain.pii.name_list import NameList, name_list
from retold.domain.pii.names import names_in
from retold.domain.pii.numbers import numbers_in
from retold.domain.pii.repeats import repeats_in
from retold.domain.pii.secrets import secrets_in
from retold.domain.pii.talk import Talk, Turn

_SPEAKS_LAST: Final[PiiCategory] = "person_name"
_SPEAKS_FIRST: Final[tuple[PiiCategory, ...]] = ("email", "password", "date_of_birth", "address")
"""Where two overlap, the first of these gives its name to both, and a name of a person never does."""


def find(text: str, categories: Collection[PiiCategory], *, names: NameList | None = None) -> list[Span]:
    """The personal data of these categories in one text, in order, without overlaps."""
    return find_in_turns([Turn("", text)], categories, names=names)[0]


def find_in_turns(
    turns: Sequence[Turn], categories: Collection[PiiCategory], *, names: NameList | None = None
) -> list[list[Span]]:
    """The same for each turn of a conversation: a number may be split over turns, and a question says what follows."""
    talk = Talk(turns)
    found = list(_detected(talk, names or name_list()))
    found += repeats_in(talk, found)
    spans: list[list[Span]] = [[] for _ in turns]
    for one in found:
        category: PiiCategory | None = next((category for category in one.categories if category in categories), None)
        if category is not None:
            spans[one.turn].append(Span(one.start, one.end, category))
    return [_merged(of_turn) for of_turn in spans]


def _detected(talk: Talk, names: NameList) -> Iterator[Found]:
    yield from emails_in(talk)
    yield from secrets_in(talk)
    yield from births_in(talk)
    yield from addresses_in(talk)
    yield from numbers_in(talk)
    yield from names_in(talk, names)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Without overlaps: what overlaps becomes one."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            category = span.category if _rank(span.category) < _rank(last.category) else last.category
            merged.append(Span(last.start, max(last.end, span.end), category))
        else:
            merged.append(span)
    return merged


def _rank(category: PiiCategory) -> int:
    if category == _SPEAKS_LAST:
        return len(_SPEAKS_FIRST) + 1
    return _SPEAKS_FIRST.index(category) if category in _SPEAKS_FIRST else len(_SPEAKS_FIRST)
