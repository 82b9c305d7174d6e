"""Walks along lists of calls: an index that has their order is read, and each call tested, until the page is full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Select, literal, select, tuple_

from retold.domain.call_query import CallQuery, Condition, Place
from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_blocks import Found
from retold.storage.call_search import BY_START, Range, Source, place_range
from retold.storage.tables import call


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is read before another way is tried."""

    few: int = 5_000
    """So many calls are looked up and sorted in a few milliseconds."""
    stretch: int = 1_000
    """So many calls are walked at first, which most often fills the page; each further stretch is four times longer."""
    walk: int = 20_000
    many: int = 200_000
    """Beyond it conditions are not told apart."""
    block_calls: int = BLOCK_CALLS

    @property
    def sample(self) -> int:
        """So many calls are walked to see what a walk would find."""
        return self.stretch // 4

    def stretches(self, skip: int) -> Iterator[int]:
        """How many calls are walked at a time; what is skipped is not counted over several stretches."""
        size = skip + self.walk if skip else self.stretch or self.walk
        left = skip + self.walk
        while left > 0:
            yield min(size, left)
            left -= size
            size *= 4


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition, and what it is as SQL (call_search.py)."""

    condition: Condition
    test: ColumnElement[bool]
    source: Source | None


@dataclass(frozen=True, slots=True)
class Search:
    """A query, prepared: all statements are made of it."""

    org_id: str
    query: CallQuery
    filters: tuple[Filter, ...]
    after: Place | None
    effort: Effort

    @property
    def wanted(self) -> int:
        """One more than the page holds, to see whether calls follow."""
        return self.query.limit + 1

    @property
    def sources(self) -> list[tuple[Filter, Source]]:
        """The conditions whose calls can be looked up."""
        return [(one, one.source) for one in self.filters if one.source is not None]

    @property
    def tests(self) -> list[ColumnElement[bool]]:
        """What must be true of each call."""
        return [one.test for one in self.filters]

    def page(self, found: Select[int, int]) -> Select[int, int]:
        """What was found after the place of the page before, in order."""
        columns, key = found.selected_columns, self.after
        if key is not None:
            where, there = tuple_(columns.sort_ms, columns.row_id), tuple_(literal(key.sort_ms), literal(key.row_id))
            found = found.where(where > there if self.query.is_ascending else where < there)
        order = columns.sort_ms, columns.row_id
        found = found.order_by(*(column.asc() if self.query.is_ascending else column.desc() for column in order))
        return found.limit(self.wanted).offset(self.query.skip)


def ways_of(search: Search) -> list[Range]:
    """The calls that can be walked along: those of each condition of which they are in order."""
    ways = [found.ranges[0] for _, found in search.sources if found.is_sorted and len(found.ranges) == 1]
    return ways or [BY_START]


def in_order(search: Search, way: Range) -> Select[int, int]:
    """The calls of a way, which an index has in the order of lists."""
    places = (place_range(one.condition) for one in search.filters)
    return (
        select(call.c.sort_ms, call.c.row_id)
        .with_hint(call, f"INDEXED BY {way.index}", "sqlite")
        .where(call.c.org_id == search.org_id, *way.tests, *(one for one in places if one is not None))
    )


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk along a list, as far as it has come."""

    rest: Search
    """What was asked, after the last call that was looked at."""
    ways: Sequence[Range]
    stretches: tuple[int, ...]
    """So many calls are to be looked at yet, one after the other."""
    found: tuple[Found, ...] = ()
    in_sample: int = 0
    """How many were found in the first calls."""
    is_over: bool = False
    """Whether the page is full, or the list has ended."""

    @property
    def page(self) -> Sequence[Found] | None:
        """The page's calls and one more, in order; None when it is not full yet."""
        return self.found[: self.rest.wanted] if self.is_over else None

    def is_likely(self, part: int) -> bool:
        """Whether the first calls have so many of these that this part of a whole walk is likely to fill the page."""
        effort = self.rest.effort
        return self.is_over or self.in_sample > part * self.rest.wanted * effort.sample // effort.walk


def sampled(connection: Connection, search: Search) -> Walk:
    """The first calls, which tell what a walk would find; the walk goes on from there unless something is skipped."""
    start = Walk(search, ways_of(search), tuple(search.effort.stretches(search.query.skip)))
    if not search.effort.sample:
        return start
    brief = replace(search, query=replace(search.query, skip=0))
    first = _walked(connection, replace(start, rest=brief), search.effort.sample)
    if search.query.skip:
        return replace(start, in_sample=len(first.found))
    return replace(first, in_sample=len(first.found))


def walked_on(connection: Connection, walk: Walk) -> Walk:
    """The walk until the page is full, or as long as the effort allows."""
    while walk.stretches and not walk.is_over:
        [size, *others] = walk.stretches
        walk = replace(_walked(connection, walk, size), stretches=tuple(others))
    return walk


def _walked(connection: Connection, walk: Walk, size: int) -> Walk:
    """The walk after so many calls more."""
    rest = walk.rest
    way, end = _furthest(connection, rest, walk.ways, size)
    stretch = in_order(rest, way).where(*rest.tests)
    if end is not None:
        where, last = tuple_(call.c.sort_ms, call.c.row_id), tuple_(*(literal(one) for one in end))
        stretch = stretch.where(where <= last if rest.query.is_ascending else where >= last)
    found = (*walk.found, *found_by(connection, rest.page(stretch)))
    is_over = end is None or len(found) >= rest.wanted
    after = rest.after if end is None else Place(*end)
    return replace(walk, rest=replace(rest, after=after), ways=[way], found=found, is_over=is_over)


def _furthest(
    connection: Connection, search: Search, ways: Sequence[Range], size: int
) -> tuple[Range, tuple[int, int] | None]:
    """The way on which so many calls lead furthest, and the last of them; None for that when there are fewer."""
    ends: list[tuple[tuple[int, int], Range]] = []
    for way in ways:
        rows = found_by(connection, search.page(in_order(search, way)).limit(1).offset(size))
        if not rows:
            return way, None
        ends.append((rows[0], way))
    furthest = max if search.query.is_ascending else min
    end, way = furthest(ends, key=lambda one: one[0])
    return way, end


def found_by(connection: Connection, wanted: Select[int, int]) -> list[Found]:
    """The places of the calls that a query gives."""
    return [(row[0], row[1]) for row in connection.execute(wanted).all()]
