"""One page of list-calls: which index to read, decided by counting a little in each first.

```
a condition that few calls fulfil    --> look those up and sort them (what is read whole to find them, is read once)
nothing but what an index orders by  --> read the index in order until the page is full
many calls fulfil each condition     --> read in order, testing each call, until the page is full;
                                         after Effort.walk calls give up, look up the calls of the narrowest condition
```
No way reads more of the table than the calls that fulfil one of the conditions, or Effort.walk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Select, func, literal, null, select, tuple_

from retold.domain.call_query import CallPage, CallQuery, Condition, KeyIs, Place, Present, place_of
from retold.storage.call_grams import has_grams
from retold.storage.call_json import CallJson, StoredCall, text_of
from retold.storage.call_search import BY_START, Order, Source, count_with_key, predicate, source, start_range
from retold.storage.call_tables import call_tombstone
from retold.storage.tables import call, call_body


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is read before another way is tried."""

    few: int = 5_000
    """So many calls are looked up and sorted in a few milliseconds."""
    walk: int = 20_000
    many: int = 200_000
    """Beyond it conditions are not told apart."""


_USUAL = Effort()


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
class _Search:
    """A query, prepared: all statements are made of it."""

    org_id: str
    query: CallQuery
    sources: tuple[tuple[Condition, Source], ...]
    tests: tuple[ColumnElement[bool], ...]
    after: Place | None
    effort: Effort

    @property
    def wanted(self) -> int:
        """One more than the page holds, to see whether calls follow."""
        return self.query.limit + 1

    def page(self, found: Select[int, int]) -> Select[int, int]:
        """What was found, tested, after the place of the page before, in order."""
        where, key = tuple_(call.c.sort_ms, call.c.row_id), self.after
        if key is not None:
            there = tuple_(literal(key.sort_ms), literal(key.row_id))
            found = found.where(where > there if self.query.is_ascending else where < there)
        order = call.c.sort_ms, call.c.row_id
        found = found.order_by(*(column.asc() if self.query.is_ascending else column.desc() for column in order))
        return found.where(*self.tests).limit(self.wanted).offset(self.query.skip)


def find_page(connection: Connection, org_id: str, query: CallQuery, effort: Effort = _USUAL) -> CallPage:
    """The page that is asked for; an unknown `after` has nothing after it."""
    after = None if query.after is None else _place(connection, org_id, query.after)
    search = _search(connection, org_id, query, after, effort)
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


def _search(connection: Connection, org_id: str, query: CallQuery, after: Place | None, effort: Effort) -> _Search:
    is_indexed = has_grams(connection)
    sources = ((one, source(org_id, one, has_grams=is_indexed)) for one in query.conditions)
    return _Search(
        org_id,
        query,
        tuple((condition, found) for condition, found in sources if found is not None),
        tuple(predicate(condition) for condition in query.conditions),
        after,
        effort,
    )


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
    order, effort = _order(search), search.effort
    if order is None:
        few = _few(connection, search)
        if few is not None:
            return _rows(connection, search.page(few))
        order = next((found.order for _, found in search.sources if found.order), BY_START)
        if search.sources:
            rows = _walked(connection, search, order)
            if rows is None:
                rows = _rows(connection, search.page(_looked_up(search, _counts(connection, search, effort.many))))
            return rows
        if search.tests:
            rows = _walked(connection, search, order)
            if rows is not None or _has_every_call(connection, search):
                return rows or []
    return _rows(connection, search.page(_in_order(search, order)))


def _few(connection: Connection, search: _Search) -> Select[int, int] | None:
    """The calls of a condition that few fulfil; None when there is no such condition."""
    most = search.effort.few
    counts = _counts(connection, search, most)
    if counts and min(counts) < most:
        return _looked_up(search, counts)
    for _, found in search.sources:
        if found.is_long:
            row_ids = connection.scalars(_ids(found).limit(most)).all()
            if len(row_ids) < most:
                return _found_by(search, call.c.row_id.in_(row_ids))
    return None


def _has_every_call(connection: Connection, search: _Search) -> bool:
    """Whether a key that must be absent is there in every call, as a key that is set by a program is."""
    all_calls = select(func.count()).select_from(_in_order(replace(search, query=CallQuery()), BY_START).subquery())
    total = connection.scalar(all_calls)
    absent = (one for one in search.query.conditions if isinstance(one, KeyIs) and one.test == Present(False))
    return any(connection.scalar(count_with_key(search.org_id, one)) == total for one in absent)


def _order(search: _Search) -> Order | None:
    """The index that gives just the wanted calls in order, if there is one."""
    others = [(one, found) for one, found in search.sources if start_range(one) is None]
    if len(search.sources) < len(search.query.conditions) or len(others) > 1:
        return None
    return others[0][1].order if others else BY_START


def _in_order(search: _Search, order: Order) -> Select[int, int]:
    starts = (start_range(one) for one in search.query.conditions)
    return (
        select(call.c.sort_ms, call.c.row_id)
        .with_hint(call, f"INDEXED BY {order.index}", "sqlite")
        .where(call.c.org_id == search.org_id, *order.fixed, *(one for one in starts if one is not None))
    )


def _walked(connection: Connection, search: _Search, order: Order) -> list[tuple[int, int]] | None:
    """What is found among the next calls, as many as the effort allows; None when that fills no page."""
    untested = replace(search, tests=())
    way = untested.page(_in_order(search, order)).limit(1).offset(search.effort.walk + search.query.skip)
    end = connection.execute(way).first()
    found = _in_order(search, order)
    if end is not None:
        where, last = tuple_(call.c.sort_ms, call.c.row_id), tuple_(literal(end[0]), literal(end[1]))
        found = found.where(where <= last if search.query.is_ascending else where >= last)
    rows = _rows(connection, search.page(found))
    return rows if end is None or len(rows) == search.wanted else None


def _looked_up(search: _Search, counts: Sequence[int]) -> Select[int, int]:
    """The calls of the narrowest condition."""
    _, narrowest = search.sources[counts.index(min(counts))]
    return _found_by(search, call.c.row_id.in_(_ids(narrowest)))


def _found_by(search: _Search, is_found: ColumnElement[bool]) -> Select[int, int]:
    found = select(call.c.sort_ms, call.c.row_id).with_hint(call, "NOT INDEXED", "sqlite")
    return found.where(is_found, call.c.org_id == search.org_id)


def _ids(found: Source) -> Select[int]:
    [first, *others] = found.arms
    return select(first.union_all(*others).subquery().c.row_id) if others else first


def _counts(connection: Connection, search: _Search, most: int) -> list[int]:
    """How many calls each source has, counted up to `most`; one that is long to read counts as so many."""
    counted = [
        literal(most) if found.is_long else select(func.count()).select_from(limited).scalar_subquery()
        for found, limited in ((found, _ids(found).limit(most).subquery()) for _, found in search.sources)
    ]
    return list(connection.execute(select(*counted)).one()) if counted else []


def _total(connection: Connection, search: _Search) -> int:
    order = _order(search)
    if order is not None:
        counted = _in_order(search, order)
    elif search.sources:
        counted = _looked_up(search, _counts(connection, search, search.effort.many))
    else:
        counted = _in_order(search, BY_START)
    return connection.scalar(select(func.count()).select_from(counted.where(*search.tests).subquery())) or 0


def _rows(connection: Connection, wanted: Select[int, int]) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in connection.execute(wanted)]
