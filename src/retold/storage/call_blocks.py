"""Finds calls by the summaries of their blocks: for conditions that many calls fulfil, each or together.

```
conditions --> bitmaps of each block, combined --> the calls that may fulfil all --> looked at, the first blocks first,
blocks without a summary -----------------------> all calls of these few blocks ---> until no other can come before
```
Bitmaps may hold too many calls, never too few, so each call is tested as everywhere.
"""

from collections import deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal, or_, select, tuple_

from retold.domain.call_query import CallQuery, Place
from retold.storage.call_bits import BLOCK_CALLS, places, unpacked
from retold.storage.call_formula import Formula, Part, formula_of
from retold.storage.call_pieces import calls_with
from retold.storage.call_summary import BitmapName
from retold.storage.call_tables import call_bitmap, call_block, call_span
from retold.storage.tables import call

MAX_OPEN_BLOCKS: Final = 4
"""With more blocks without a summary their calls are too many to be read."""
MAX_BITMAPS: Final = 64
"""Bitmaps that are read of each block."""
MAX_LOOKED_AT: Final = 50_000
"""To look at so many calls takes as long as the ways without summaries."""
_NARROWS: Final = 16
"""Bitmaps that leave more than one call of so many are little help: to walk along an index takes less for each."""
_FIRST_LOOK, _LONGEST_LOOK = 128, 5_000
_FIRST_BLOCKS, _MORE_BLOCKS = 16, 16
"""Bitmaps of so many blocks are read at first, which fill most pages; of so many times more from then on."""

Found = tuple[int, int]
"""A call's `sort_ms` and `row_id`: its place in lists."""


class Wanted(NamedTuple):
    """What is looked for; `tests` decide of each row of `call`."""

    org_id: str
    query: CallQuery
    tests: Sequence[ColumnElement[bool]]
    after: Place | None


class _Span(NamedTuple):
    """An organisation's calls of a block."""

    block: int
    first_ms: int
    last_ms: int
    has_all_keys: bool
    calls: bytes


_Bitmaps = dict[BitmapName, dict[int, bytes]]

# Made once: to put a statement together takes as long as to answer it.
_MAX_ROW_ID = select(func.max(call.c.row_id))
_DONE = select(call_block.c.block).where(call_block.c.block >= 0, call_block.c.is_summarised)
_SPANS = (
    select(call_block.c.block, *(call_span.c[name] for name in _Span._fields[1:]))
    .outerjoin(call_span, (call_span.c.block == call_block.c.block) & (call_span.c.org_id == bindparam("org_id")))
    .where(call_block.c.block >= 0, call_block.c.is_summarised)
)
_BITMAPS = select(call_bitmap.c.value, call_bitmap.c.block, call_bitmap.c.calls).where(
    call_bitmap.c.org_id == bindparam("org_id"),
    call_bitmap.c.kind == bindparam("kind"),
    call_bitmap.c.name == bindparam("name"),
    call_bitmap.c.value.in_(bindparam("several", expanding=True)),
    call_bitmap.c.block.between(bindparam("first"), bindparam("last")),
)


def find_by_blocks(connection: Connection, wanted: Wanted, block_calls: int = BLOCK_CALLS) -> list[Found] | None:
    """The page's calls and one more, in order; None when summaries are of no use for it."""
    formulas = [formula for one in wanted.query.conditions if (formula := formula_of(one)) is not None]
    names = {name for one in formulas for name in one.names()}
    enough = wanted.query.skip + wanted.query.limit + 1
    if not formulas or len(names) > MAX_BITMAPS or enough > _LONGEST_LOOK:
        return None
    spans_of_block = _spans(connection, wanted.org_id)
    without = _others(connection, spans_of_block, block_calls)
    if len(without) > MAX_OPEN_BLOCKS:
        return None
    spans = _that_may_be_it((span for span in spans_of_block.values() if span is not None), wanted)
    if not all(span.has_all_keys for span in spans):
        names |= {one.key for one in formulas if one.key is not None}
    stored = _Stored(connection, wanted.org_id, names)
    summary = _Summary(spans, formulas, stored, block_calls)
    places_found = _tested(connection, wanted, is_in_blocks(without, block_calls), enough)
    looked_at, most = 0, _FIRST_LOOK
    while summary.spans and not _is_complete(places_found[:enough], enough, summary.spans[0], wanted.query):
        row_ids = summary.take(most)
        looked_at, most = looked_at + len(row_ids), min(2 * most, _LONGEST_LOOK)
        if summary.spans and (looked_at > MAX_LOOKED_AT or looked_at * _NARROWS > summary.calls_taken):
            return None
        if row_ids:
            more = _tested(connection, wanted, _is_one_of(row_ids), enough)
            places_found = sorted((*places_found, *more), reverse=not wanted.query.is_ascending)
    return places_found[wanted.query.skip : enough]


# --- what is stored ---


def open_blocks(connection: Connection, block_calls: int = BLOCK_CALLS) -> list[int]:
    """The blocks that have no summary."""
    return _others(connection, set(connection.scalars(_DONE).all()), block_calls)


def _others(connection: Connection, done: Container[int], block_calls: int) -> list[int]:
    newest = (connection.scalar(_MAX_ROW_ID) or 0) // block_calls
    return [block for block in range(newest + 1) if block not in done]


def _spans(connection: Connection, org_id: str) -> dict[int, _Span | None]:
    """Each block that has a summary, with the organisation's calls of it; None where it has none."""
    rows = connection.execute(_SPANS, {"org_id": org_id}).all()
    return {row.block: None if row.first_ms is None else _Span(*row) for row in rows}


def _that_may_be_it(spans: Iterable[_Span], wanted: Wanted) -> deque[_Span]:
    """Those that may have calls of the page, the first of the list first."""
    after = wanted.after
    if wanted.query.is_ascending:
        found = [one for one in spans if after is None or one.last_ms >= after.sort_ms]
        return deque(sorted(found, key=lambda one: one.first_ms))
    found = [one for one in spans if after is None or one.first_ms <= after.sort_ms]
    return deque(sorted(found, key=lambda one: -one.last_ms))


@dataclass(slots=True)
class _Stored:
    """What is stored of an organisation's blocks under some names, read for several blocks at a time."""

    connection: Connection
    org_id: str
    names: set[BitmapName]
    bitmaps: _Bitmaps = field(default_factory=_Bitmaps)

    def read(self, first: int, last: int) -> None:
        """Have the bitmaps of these blocks, and no others any more."""
        values: dict[tuple[str, str], list[str]] = {}
        for name in self.names:
            values.setdefault((name.kind, name.name), []).append(name.value)
        self.bitmaps = {name: {} for name in self.names}
        asked = {"org_id": self.org_id, "first": first, "last": last}
        for (kind, name), several in values.items():
            its = {value: self.bitmaps[BitmapName(kind, name, value)] for value in several}
            wanted = {"kind": kind, "name": name, "several": several}
            for value, block, calls in self.connection.execute(_BITMAPS, asked | wanted).all():
                its[value][block] = calls


# --- which calls may be it ---

_calls_of = lru_cache(maxsize=16)(unpacked)
"""Most blocks have calls of one organisation only: these bitmaps are all the same."""


@dataclass(slots=True)
class _Summary:
    """What bitmaps tell of an organisation's calls: which of them may fulfil all conditions."""

    spans: deque[_Span]
    """The blocks that were not taken yet."""
    formulas: Sequence[Formula]
    stored: _Stored
    block_calls: int
    ahead: int = 0
    """So many of the blocks' bitmaps are read."""
    many: int = _FIRST_BLOCKS
    calls_taken: int = 0
    """The calls of the blocks that were."""

    def take(self, most: int) -> list[int]:
        """The `row_id`s that may be it in the next blocks, as many blocks as give about `most`."""
        row_ids: list[int] = []
        while self.spans and len(row_ids) < most:
            if not self.ahead:
                self._read_ahead()
            self.ahead -= 1
            span = self.spans.popleft()
            calls = _calls_of(span.calls, self.block_calls)
            self.calls_taken += calls.bit_count()
            if bits := self._candidates(span, calls):
                row_ids += [span.block * self.block_calls + place for place in places(bits)]
        return row_ids

    def _read_ahead(self) -> None:
        blocks = [span.block for span in islice(self.spans, self.many)]
        self.stored.read(min(blocks), max(blocks))
        self.ahead, self.many = len(blocks), self.many * _MORE_BLOCKS

    def _candidates(self, span: _Span, calls: int) -> int:
        bits = calls
        for formula in self.formulas:
            key = formula.key
            if key is not None and not span.has_all_keys and span.block not in self.stored.bitmaps[key]:
                continue
            any_way = 0
            for way in formula.ways:
                any_way |= self._in_all(span.block, way)
            bits &= calls & ~any_way if formula.is_absent else any_way
            if not bits:
                break
        return bits

    def _in_all(self, block: int, parts: Sequence[Part]) -> int:
        bits = -1
        for name, gram in parts:
            stored = self.stored.bitmaps[name].get(block)
            if stored is None:
                return 0
            is_one = gram is None
            bits &= unpacked(stored, self.block_calls) if is_one else calls_with(stored, gram, self.block_calls)
            if not bits:
                break
        return bits


# --- looking at them ---


def _tested(connection: Connection, wanted: Wanted, is_candidate: ColumnElement[bool], most: int) -> list[Found]:
    """The first of the candidates that are wanted, in order."""
    place, after, is_ascending = tuple_(call.c.sort_ms, call.c.row_id), wanted.after, wanted.query.is_ascending
    found = select(call.c.sort_ms, call.c.row_id).with_hint(call, "NOT INDEXED", "sqlite")
    found = found.where(is_candidate, call.c.org_id == wanted.org_id, *wanted.tests)
    if after is not None:
        there = tuple_(literal(after.sort_ms), literal(after.row_id))
        found = found.where(place > there if is_ascending else place < there)
    # The offset keeps planners from reading an index in order instead, in the hope of finding some soon.
    inner = found.offset(0).subquery()
    order = (inner.c.sort_ms, inner.c.row_id)
    ordered = select(*order).order_by(*(column.asc() if is_ascending else column.desc() for column in order))
    return [(row[0], row[1]) for row in connection.execute(ordered.limit(most)).all()]


def is_in_blocks(blocks: Sequence[int], block_calls: int = BLOCK_CALLS) -> ColumnElement[bool]:
    """Whether a call is of one of these blocks."""
    ranges = (call.c.row_id.between(block * block_calls, (block + 1) * block_calls - 1) for block in blocks)
    return or_(*ranges) if blocks else call.c.row_id.in_(())


def _is_one_of(row_ids: list[int]) -> ColumnElement[bool]:
    # Numbers in the text of the statement: to bind each of thousands takes longer than to look them up.
    return call.c.row_id.in_(bindparam(None, row_ids, expanding=True, literal_execute=True))


def _is_complete(places_found: Sequence[Found], enough: int, span: _Span, query: CallQuery) -> bool:
    """Whether no call of the blocks from this one on can come before the last of those that are wanted."""
    if len(places_found) < enough:
        return False
    last_ms = places_found[-1][0]
    return last_ms < span.first_ms if query.is_ascending else last_ms > span.last_ms
