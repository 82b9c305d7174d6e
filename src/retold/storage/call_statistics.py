"""Collects what statistics are told of: from the summaries of blocks, and call by call where there is none.

```
conditions that columns tell of (domain/call_figures.py) --> true or not, of each call of each block
all others --> their calls, looked up once (call_search.py) --> is a call of a block among them?
blocks without a summary --> their calls, read
```
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, select

from retold.domain.call_figures import NONE, Figures, gathered, is_told, mask_of, together
from retold.domain.call_query import CHOICES, MAX_INTEGER, NUMBERS, Between, CallField, Condition, FieldIs
from retold.domain.call_statistics import NEEDED
from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_blocks import is_in_blocks, open_blocks
from retold.storage.call_figures import unpacked
from retold.storage.call_search import place_range, predicate, source
from retold.storage.call_tables import call_figures, call_span
from retold.storage.tables import call

FIGURES: Final = tuple(call.c[name] for name in ("row_id", "sort_ms", *CHOICES, *NUMBERS))
"""What is read of a call."""
_CALLS_AT_ONCE: Final = 2_000
_BLOCKS_AT_ONCE: Final = 16
"""What is read is in memory as columns, of which a call takes a hundred bytes; as rows, only so many are."""

RowIds = NDArray[np.int64]


def find_figures(
    connection: Connection, org_id: str, conditions: Sequence[Condition], block_calls: int = BLOCK_CALLS
) -> Figures:
    """The columns of all calls of an organisation that fulfil all conditions."""
    told = [one for one in conditions if is_told(one)]
    others = [one for one in conditions if not is_told(one)]
    only = _row_ids(connection, org_id, others, conditions) if others else None
    parts = chain(
        [NONE], _of_blocks(connection, org_id, conditions), _of_calls(connection, org_id, conditions, block_calls)
    )
    return together([_fulfilling(part, told, only) for part in parts])


def _fulfilling(part: Figures, told: Sequence[Condition], only: RowIds | None) -> Figures:
    mask = np.ones(len(part), np.bool_) if only is None else np.isin(part.row_ids, only)
    for condition in told:
        fulfilled = mask_of(part, condition)
        if fulfilled is not None:
            mask &= fulfilled
    return part.where(mask, NEEDED)


def _of_blocks(connection: Connection, org_id: str, conditions: Sequence[Condition]) -> Iterator[Figures]:
    """The calls of blocks that have a summary, but for blocks that lie before or after all that is wanted."""
    first_ms, last_ms = _reach(conditions)
    blocks = select(call_span.c.block).where(
        call_span.c.org_id == org_id, call_span.c.last_ms >= first_ms, call_span.c.first_ms <= last_ms
    )
    stored = select(call_figures.c.figures).where(call_figures.c.org_id == org_id, call_figures.c.block.in_(blocks))
    for content in connection.scalars(stored).yield_per(_BLOCKS_AT_ONCE):
        yield unpacked(content)


def _reach(conditions: Sequence[Condition]) -> tuple[int, int]:
    """Where the calls that fulfil the conditions may stand in lists, as far as the start is asked for."""
    first_ms, last_ms = 0, MAX_INTEGER
    for condition in conditions:
        match condition:
            # A call that has started stands where it starts.
            case FieldIs(field=CallField.START_TIMESTAMP, test=Between(lower=lower, upper=upper)):
                first_ms = max(first_ms, 0 if lower is None else math.floor(lower))
                last_ms = min(last_ms, MAX_INTEGER if upper is None else math.ceil(upper))
            case _:
                pass
    return first_ms, last_ms


def _of_calls(
    connection: Connection, org_id: str, conditions: Sequence[Condition], block_calls: int
) -> Iterator[Figures]:
    """The calls of blocks that have no summary; what they must fulfil is asked of each."""
    blocks = open_blocks(connection, block_calls)
    if not blocks:
        return
    found = select(*FIGURES).where(call.c.org_id == org_id, is_in_blocks(blocks, block_calls), *_places(conditions))
    for rows in connection.execute(found).mappings().partitions(_CALLS_AT_ONCE):
        yield gathered(rows)


def _places(conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    places = (place_range(condition) for condition in conditions)
    return [place for place in places if place is not None]


def _row_ids(
    connection: Connection, org_id: str, conditions: Sequence[Condition], every: Sequence[Condition]
) -> RowIds:
    """The calls that fulfil these conditions; where they may stand in lists, all of them say."""
    tests = [call.c.org_id == org_id, *(predicate(condition) for condition in conditions), *_places(every)]
    sources = (source(org_id, condition) for condition in conditions)
    arms = next((found.arms for found in sources if found is not None), ())
    if arms:
        [first, *others] = arms
        ids = first.union_all(*others) if others else first
        tests.append(call.c.row_id.in_(ids))
    return np.fromiter(connection.scalars(select(call.c.row_id).where(*tests)), np.int64)
