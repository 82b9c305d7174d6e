"""One page of list-calls: which index to read, decided by counting a little in each first.

```
nothing but what indexes order by    --> read these in order, side by side, until the page is full
a condition that few calls fulfil    --> look those up and sort them (what is read whole to find them, is read once)
many calls fulfil each condition     --> read in order, testing each call, until the page is full;
                                         if a stretch has not many, ask the summaries of blocks (call_blocks.py);
                                         after Effort.walk calls give up, look up the calls of the narrowest condition
```
No way reads more of the table than the calls that fulfil one of the conditions, or Effort.walk.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)

from retold.domain.call_query import CallPage, CallQuery, Condition, KeyIs, Place, Present, place_of
from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_blocks import Wanted, find_by_blocks
from retold.storage.call_json import CallJson, StoredCall, text_of
from retold.storage.call_search import (
    BY_START,
    Range,
    Source,
    count_with_key,
    is_of_start,
    place_range,
    predicate,
    source,
)
from retold.storage.call_tables import call_tombstone
from retold.storage.tables import call, call_body


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

    def stretches(self, skip: int) -> Iterator[int]:
        """How many calls are walked at a time; what is skipped is not counted over several stretches."""
        size = skip + self.walk if skip else self.stretch or self.walk
        left = skip + self.walk
        while left > 0:
            yield min(size, left)
            left -= size
            size *= 4


_USUAL = Effort()
_SAMPLE = 4
"""This part of a stretch tells what a walk would find."""
_LONG_WALK, _SHORT_WALK = 2, 8
"""A walk is likely to end after a half of what it may be, or an eighth; beyond that summaries take less time."""


@dataclass(frozen=True, slots=True)
class CallShape:
    """What a list shows of each call."""

    has_transcripts: bool = True
    text_of: Callable[[CallJson], bytes] = text_of


WHOLE = CallShape()


@dataclass(frozen=True, slots=True)
class CallPageJson:
    """A page and the JSON array of its calls, in blocks."""

    page: CallPage
    blocks: list[bytes]


@dataclass(frozen=True, slots=True)
class _Filter:
    """A condition, and what it is as SQL (call_search.py)."""

    condition: Condition
    test: ColumnElement[bool]
    source: Source | None


@dataclass(frozen=True, slots=True)
class _Search:
    """A query, prepared: all statements are made of it."""

    org_id: str
    query: CallQuery
    filters: tuple[_Filter, ...]
    after: Place | None
    effort: Effort

    @property
    def wanted(self) -> int:
        """One more than the page holds, to see whether calls follow."""
        return self.query.limit + 1

    @property
    def sources(self) -> list[tuple[_Filter, Source]]:
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


def find_page(connection: Connection, org_id: str, query: CallQuery, effort: Effort = _USUAL) -> CallPage:
    """The page that is asked for; an unknown `after` has nothing after it."""
    after = None if query.after is None else _place(connection, org_id, query.after)
    search = _search(org_id, query, after, effort)
    total = _total(connection, search) if query.has_total else None
    if query.after is not None and after is None:
        return CallPage(total=total)
    places = [Place(sort_ms, row_id) for sort_ms, row_id in _places(connection, search)]
    shown = places[: query.limit]
    has_more = len(places) > query.limit
    return CallPage(tuple(one.row_id for one in shown), has_more, shown[-1].cursor() if has_more else None, total)


def stored_calls(connection: Connection, page: CallPage, *, has_transcripts: bool = True) -> list[StoredCall]:
    """The calls of a page in its order."""
    transcripts = call_body.c.transcripts if has_transcripts else null()
    wanted = select(call_body.c.row_id, call_body.c.body, transcripts).where(call_body.c.row_id.in_(page.row_ids))
    found = {row[0]: StoredCall(row[1], row[2]) for row in connection.execute(wanted)}
    # A call that is deleted in between is left out.
    return [found[row_id] for row_id in page.row_ids if row_id in found]


def _search(org_id: str, query: CallQuery, after: Place | None, effort: Effort) -> _Search:
    filters = (
        # What is asked so is looked for in no index: PostgreSQL reads the one that is chosen here, as SQLite does.
        _Filter(one, predicate(one).is_(true()), source(org_id, one))
        for one in query.conditions
    )
    return _Search(org_id, query, tuple(filters), after, effort)


def _place(connection: Connection, org_id: str, after: str) -> Place | None:
    """The place of a cursor or of a call, which may be deleted by now."""
    place = place_of(after)
    if place is not None:
        return place
    for table in (call, call_tombstone):
        wanted = select(table.c.sort_ms, table.c.row_id).where(table.c.call_id == after, table.c.org_id == org_id)
        row = connection.execute(wanted).first()
        if row is not None and row[0] is not None:
            return Place(row[0], row[1])
    return None


def _places(connection: Connection, search: _Search) -> Sequence[tuple[int, int]]:
    ranges = _sorted_ranges(search)
    if ranges:
        return _rows(connection, _side_by_side(search, ranges))
    few = _few(connection, search)
    if few is not None:
        return _rows(connection, search.page(few))
    rows = _summed_up(connection, search)
    return _read_through(connection, search) if rows is None else rows


def _read_through(connection: Connection, search: _Search) -> Sequence[tuple[int, int]]:
    """The page, where neither few calls nor summaries tell where it is."""
    few = _few_of_long(connection, search)
    if few is not None:
        return _rows(connection, search.page(few))
    rows = _walked(connection, search)
    if rows is not None:
        return rows
    if search.sources:
        return _rows(connection, search.page(_looked_up(search, _all_counts(connection, search))))
    if _has_every_call(connection, search):
        return []
    return _rows(connection, search.page(_in_order(search, BY_START).where(*search.tests)))


def _few(connection: Connection, search: _Search) -> Select[int, int] | None:
    """The calls of a condition that few fulfil; None when there is no such condition."""
    most = search.effort.few
    counts = _counts(connection, search, most)
    return _looked_up(search, counts, most) if counts and min(counts) < most else None


def _summed_up(connection: Connection, search: _Search) -> list[tuple[int, int]] | None:
    """The page, when a short walk fills it, summaries tell where its calls are, or a long walk fills it."""
    rows = _walked(connection, search) if _is_frequent(connection, search, _SHORT_WALK) else None
    if rows is None:
        wanted = Wanted(search.org_id, search.query, search.tests, search.after)
        rows = find_by_blocks(connection, wanted, search.effort.block_calls)
    if rows is None and _is_frequent(connection, search, _LONG_WALK):
        rows = _walked(connection, search)
    return rows


def _is_frequent(connection: Connection, search: _Search, enough: int) -> bool:
    """Whether the first calls have so many of these that this part of a whole walk is likely to fill the page."""
    effort, first = search.effort, search.effort.stretch // _SAMPLE
    query = replace(search.query, limit=enough * search.wanted * first // effort.walk, skip=0)
    brief = replace(search, query=query, effort=replace(effort, stretch=first, walk=first))
    return _walked(connection, brief) is not None


def _few_of_long(connection: Connection, search: _Search) -> Select[int, int] | None:
    """The calls of a condition for which much is read to find few."""
    most = search.effort.few
    for _, found in search.sources:
        if found.is_long:
            row_ids = connection.scalars(_ids(found).limit(most)).all()
            if len(row_ids) < most:
                return _together([_with_ids(search, call.c.row_id.in_(row_ids)).where(*search.tests)])
    return None


def _has_every_call(connection: Connection, search: _Search) -> bool:
    """Whether a key that must be absent is there in every call, as a key that is set by a program is."""
    all_calls = select(func.count()).select_from(_in_order(replace(search, filters=()), BY_START).subquery())
    total = connection.scalar(all_calls)
    absent = (one for one in search.query.conditions if isinstance(one, KeyIs) and one.test == Present(False))
    return any(connection.scalar(count_with_key(search.org_id, one)) == total for one in absent)


# --- in order ---


def _whole(search: _Search) -> Source | None:
    """What finds just the wanted calls by ranges alone, if there is anything; the start may narrow it."""
    others = [one.source for one in search.filters if not is_of_start(one.condition)]
    if not others:
        return Source((), (BY_START,), is_sorted=True)
    return others[0] if len(others) == 1 and others[0] and others[0].ranges else None


def _sorted_ranges(search: _Search) -> tuple[Range, ...]:
    found = _whole(search)
    return found.ranges if found and found.is_sorted else ()


def _ways(search: _Search) -> list[Range]:
    """The calls that can be walked along: those of each condition of which they are in order."""
    ways = [found.ranges[0] for _, found in search.sources if found.is_sorted and len(found.ranges) == 1]
    return ways or [BY_START]


def _in_order(search: _Search, way: Range) -> Select[int, int]:
    places = (place_range(one.condition) for one in search.filters)
    return (
        select(call.c.sort_ms, call.c.row_id)
        .with_hint(call, f"INDEXED BY {way.index}", "sqlite")
        .where(call.c.org_id == search.org_id, *way.tests, *(one for one in places if one is not None))
    )


def _side_by_side(search: _Search, ranges: Sequence[Range]) -> Select[int, int]:
    """The page of calls that are in one of the ranges: from each as much as a page may need."""
    query = search.query
    ahead = replace(search, query=replace(query, skip=0, limit=query.skip + query.limit))
    if len(ranges) == 1:
        ahead = search
    arms = [ahead.page(_in_order(search, one).where(*search.tests)) for one in ranges]
    return arms[0] if len(arms) == 1 else search.page(_together(arms))


def _walked(connection: Connection, search: _Search) -> list[tuple[int, int]] | None:
    """What is found among the next calls, as many as the effort allows; None when that fills no page."""
    rest, ways, found = search, _ways(search), list[tuple[int, int]]()
    for size in search.effort.stretches(search.query.skip):
        way, end = _furthest(connection, rest, ways, size)
        stretch = _in_order(rest, way).where(*rest.tests)
        if end is not None:
            where, last = tuple_(call.c.sort_ms, call.c.row_id), tuple_(*(literal(one) for one in end))
            stretch = stretch.where(where <= last if search.query.is_ascending else where >= last)
        found += _rows(connection, rest.page(stretch))
        if end is None or len(found) >= search.wanted:
            return found[: search.wanted]
        rest, ways = replace(rest, after=Place(*end)), [way]
    return None


def _furthest(
    connection: Connection, search: _Search, ways: Sequence[Range], size: int
) -> tuple[Range, tuple[int, int] | None]:
    """The way on which so many calls lead furthest, and the last of them; None for that when there are fewer."""
    ends: list[tuple[tuple[int, int], Range]] = []
    for way in ways:
        rows = _rows(connection, search.page(_in_order(search, way)).limit(1).offset(size))
        if not rows:
            return way, None
        ends.append((rows[0], way))
    furthest = max if search.query.is_ascending else min
    end, way = furthest(ends, key=lambda one: one[0])
    return way, end


# --- looked up ---


def _looked_up(search: _Search, counts: Sequence[int], most: int | None = None) -> Select[int, int]:
    """Of the condition that the fewest calls fulfil, fewer than `most`, those that fulfil all others; in no order."""
    narrowest, found = search.sources[counts.index(min(counts))]
    if found.ranges:
        return _together([_in_order(search, one).where(*search.tests) for one in found.ranges])
    ids = _ids(found) if most is None else _ids(found).limit(_number(most))
    tests = [one.test for one in search.filters if one is not narrowest or not found.is_exact]
    return _together([_with_ids(search, call.c.row_id.in_(ids)).where(*tests)])


def _with_ids(search: _Search, is_found: ColumnElement[bool]) -> Select[int, int]:
    found = select(call.c.sort_ms, call.c.row_id).with_hint(call, "NOT INDEXED", "sqlite")
    return found.where(is_found, call.c.org_id == search.org_id)


def _together(arms: Sequence[Select[int, int]]) -> Select[int, int]:
    """All calls of these queries, to be sorted as they are.

    A query with an offset is planned by itself: else PostgreSQL, to sort nothing, would read all calls in order.
    """
    apart = [one.offset(_number(0)).subquery() for one in arms]
    found = apart[0] if len(apart) == 1 else union_all(*(select(one) for one in apart)).subquery()
    return select(found.c.sort_ms, found.c.row_id)


def _ids(found: Source) -> Select[int]:
    [first, *others] = found.arms
    return select(first.union_all(*others).subquery().c.row_id) if others else first


def _counts(connection: Connection, search: _Search, most: int) -> list[int]:
    """How many calls each source has, counted up to `most`; one that is long to read counts as so many."""
    counted = [
        literal(most) if found.is_long else select(func.count()).select_from(limited).scalar_subquery()
        for found, limited in ((found, _ids(found).limit(_number(most)).subquery()) for _, found in search.sources)
    ]
    return list(connection.execute(select(*counted)).one()) if counted else []


def _all_counts(connection: Connection, search: _Search) -> list[int]:
    """Counted further only as long as that tells no condition from the others."""
    counts = _counts(connection, search, search.effort.walk)
    is_told = counts and min(counts) < search.effort.walk
    return counts if is_told else _counts(connection, search, search.effort.many)


def _total(connection: Connection, search: _Search) -> int:
    whole = _whole(search)
    if whole is not None:
        counted = _together([_in_order(search, one).where(*search.tests) for one in whole.ranges])
    elif search.sources:
        counted = _looked_up(search, _all_counts(connection, search))
    else:
        counted = _in_order(search, BY_START).where(*search.tests)
    return connection.scalar(select(func.count()).select_from(counted.subquery())) or 0


def _number(value: int) -> ColumnElement[int]:
    """A number that stands in the statement, where PostgreSQL's planner sees it."""
    return literal_column(str(value))


def _rows(connection: Connection, wanted: Select[int, int]) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in connection.execute(wanted).all()]
