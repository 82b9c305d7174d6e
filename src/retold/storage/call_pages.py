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

from collections.abc import Callable, Sequence
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
    union_all,
)

from retold.domain.call_query import CallPage, CallQuery, KeyIs, Place, Present, place_of
from retold.storage.call_blocks import Wanted, find_by_blocks
from retold.storage.call_json import CallJson, StoredCall, text_of
from retold.storage.call_search import (
    BY_START,
    Range,
    Source,
    count_with_key,
    is_of_start,
    predicate,
    source,
)
from retold.storage.call_tables import call_tombstone
from retold.storage.call_walk import Effort, Filter, Search, found_by, in_order, sampled, walked_on
from retold.storage.tables import call, call_body

_USUAL = Effort()
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


def _search(org_id: str, query: CallQuery, after: Place | None, effort: Effort) -> Search:
    filters = (
        # What is asked so is looked for in no index: PostgreSQL reads the one that is chosen here, as SQLite does.
        Filter(one, predicate(one).is_(true()), source(org_id, one))
        for one in query.conditions
    )
    return Search(org_id, query, tuple(filters), after, effort)


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


def _places(connection: Connection, search: Search) -> Sequence[tuple[int, int]]:
    ranges = _sorted_ranges(search)
    if ranges:
        return found_by(connection, _side_by_side(search, ranges))
    few = _few(connection, search)
    if few is not None:
        return found_by(connection, search.page(few))
    return _read_through(connection, search)


def _read_through(connection: Connection, search: Search) -> Sequence[tuple[int, int]]:
    """The page, where no condition has few calls: a short walk fills it, summaries tell where it is, or a long walk."""
    walk = sampled(connection, search)
    if walk.is_likely(_SHORT_WALK):
        walk = walked_on(connection, walk)
    if walk.page is not None:
        return walk.page
    wanted = Wanted(search.org_id, search.query, search.tests, search.after)
    rows = find_by_blocks(connection, wanted, search.effort.block_calls)
    if rows is not None:
        return rows
    few = None if walk.is_likely(_LONG_WALK) else _few_of_long(connection, search)
    if few is not None:
        return found_by(connection, search.page(few))
    walk = walked_on(connection, walk)
    return _looked_through(connection, search) if walk.page is None else walk.page


def _looked_through(connection: Connection, search: Search) -> Sequence[tuple[int, int]]:
    """The page, where all calls of a condition are to be looked at, or all there are."""
    if search.sources:
        return found_by(connection, search.page(_looked_up(search, _all_counts(connection, search))))
    if _has_every_call(connection, search):
        return []
    return found_by(connection, search.page(in_order(search, BY_START).where(*search.tests)))


def _few(connection: Connection, search: Search) -> Select[int, int] | None:
    """The calls of a condition that few fulfil; None when there is no such condition."""
    most = search.effort.few
    counts = _counts(connection, search, most)
    return _looked_up(search, counts, most) if counts and min(counts) < most else None


def _few_of_long(connection: Connection, search: Search) -> Select[int, int] | None:
    """The calls of a condition for which much is read to find few."""
    most = search.effort.few
    for _, found in search.sources:
        if found.is_long:
            row_ids = connection.scalars(_ids(found).limit(most)).all()
            if len(row_ids) < most:
                return _together([_with_ids(search, call.c.row_id.in_(row_ids)).where(*search.tests)])
    return None


def _has_every_call(connection: Connection, search: Search) -> bool:
    """Whether a key that must be absent is there in every call, as a key that is set by a program is."""
    all_calls = select(func.count()).select_from(in_order(replace(search, filters=()), BY_START).subquery())
    total = connection.scalar(all_calls)
    absent = (one for one in search.query.conditions if isinstance(one, KeyIs) and one.test == Present(False))
    return any(connection.scalar(count_with_key(search.org_id, one)) == total for one in absent)


# --- in order ---


def _whole(search: Search) -> Source | None:
    """What finds just the wanted calls by ranges alone, if there is anything; the start may narrow it."""
    others = [one.source for one in search.filters if not is_of_start(one.condition)]
    if not others:
        return Source((), (BY_START,), is_sorted=True)
    return others[0] if len(others) == 1 and others[0] and others[0].ranges else None


def _sorted_ranges(search: Search) -> tuple[Range, ...]:
    found = _whole(search)
    return found.ranges if found and found.is_sorted else ()


def _side_by_side(search: Search, ranges: Sequence[Range]) -> Select[int, int]:
    """The page of calls that are in one of the ranges: from each as much as a page may need."""
    query = search.query
    ahead = replace(search, query=replace(query, skip=0, limit=query.skip + query.limit))
    if len(ranges) == 1:
        ahead = search
    arms = [ahead.page(in_order(search, one).where(*search.tests)) for one in ranges]
    return arms[0] if len(arms) == 1 else search.page(_together(arms))


# --- looked up ---


def _looked_up(search: Search, counts: Sequence[int], most: int | None = None) -> Select[int, int]:
    """Of the condition that the fewest calls fulfil, fewer than `most`, those that fulfil all others; in no order."""
    narrowest, found = search.sources[counts.index(min(counts))]
    if found.ranges:
        return _together([in_order(search, one).where(*search.tests) for one in found.ranges])
    ids = _ids(found) if most is None else _ids(found).limit(_number(most))
    tests = [one.test for one in search.filters if one is not narrowest or not found.is_exact]
    return _together([_with_ids(search, call.c.row_id.in_(ids)).where(*tests)])


def _with_ids(search: Search, is_found: ColumnElement[bool]) -> Select[int, int]:
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


def _counts(connection: Connection, search: Search, most: int) -> list[int]:
    """How many calls each source has, counted up to `most`; one that is long to read counts as so many."""
    counted = [
        literal(most) if found.is_long else select(func.count()).select_from(limited).scalar_subquery()
        for found, limited in ((found, _ids(found).limit(_number(most)).subquery()) for _, found in search.sources)
    ]
    return list(connection.execute(select(*counted)).one()) if counted else []


def _all_counts(connection: Connection, search: Search) -> list[int]:
    """Counted further only as long as that tells no condition from the others."""
    counts = _counts(connection, search, search.effort.walk)
    is_told = counts and min(counts) < search.effort.walk
    return counts if is_told else _counts(connection, search, search.effort.many)


def _total(connection: Connection, search: Search) -> int:
    whole = _whole(search)
    if whole is not None:
        counted = _together([in_order(search, one).where(*search.tests) for one in whole.ranges])
    elif search.sources:
        counted = _looked_up(search, _all_counts(connection, search))
    else:
        counted = in_order(search, BY_START).where(*search.tests)
    return connection.scalar(select(func.count()).select_from(counted.subquery())) or 0


def _number(value: int) -> ColumnElement[int]:
    """A number that stands in the statement, where PostgreSQL's planner sees it."""
    return literal_column(str(value))
