"""The steps by which summaries of blocks are made and dropped, each in the caller's transaction.

```
a block is over, all its calls are ended --> claimed: its version counts up      one transaction each,
    --> its calls read, part by part --> bitmaps put, part by part               with pauses
    --> summarised, if its version is still the claimed one
an ended call is changed or deleted --> its block's version counts up, its summary is dropped, all in that transaction
```
A summary is a help and never the truth: a block without one is read call by call. Versions are written by whoever
changes an ended call and by whoever summarises, so on PostgreSQL one of two at once fails and tries again. What puts
a part, and what completes a summary, first looks whether its claim still holds.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, ScalarResult, delete, func, insert, select, text, update

from retold.domain.call_query import NUMBERS
from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_summary import COLUMNS, Summary
from retold.storage.call_tables import call_bitmap, call_block, call_figures, call_span
from retold.storage.tables import IS_UNFINISHED, call, call_attribute, call_tool

PART_CALLS: Final = 16
"""Calls that are read at once: two or three milliseconds."""
PART_ROWS: Final = 50
"""Bitmaps that are written at once."""

_COUNT_UP = text(
    "INSERT INTO call_block (block, version, is_summarised) VALUES (:block, 1, :no) "
    "ON CONFLICT (block) DO UPDATE SET version = call_block.version + 1, is_summarised = :no"
)
_FENCE = text("LOCK TABLE call IN SHARE MODE NOWAIT")
_OF_CALL = select(*(call.c[name] for name in dict.fromkeys(("row_id", "org_id", "sort_ms", *COLUMNS, *NUMBERS))))
_OF_KEYS = select(
    call_attribute.c.row_id,
    call_attribute.c.org_id,
    call_attribute.c.kind,
    call_attribute.c.key,
    call_attribute.c.text_value,
)
_OF_TOOLS = select(call_tool.c.row_id, call_tool.c.org_id, call_tool.c.name, call_tool.c.is_successful)

Rows = list[dict[str, Any]]


class Due(NamedTuple):
    """A block to be summarised, and its version; None when nobody has written one."""

    block: int
    version: int | None


def forget_block_of(connection: Connection, row_id: int, block_calls: int = BLOCK_CALLS) -> None:
    """Drop the summary of a call's block; to be done in the transaction that changes the call."""
    _renew(connection, row_id // block_calls)


def _renew(connection: Connection, block: int) -> None:
    """Count up, and drop all that is there."""
    connection.execute(_COUNT_UP, {"block": block, "no": False})
    for table in (call_span, call_bitmap, call_figures):
        connection.execute(delete(table).where(table.c.block == block))


def last_certain(connection: Connection) -> int:
    """The greatest `row_id` up to which nobody is still inserting; to be asked in a transaction of its own.

    On PostgreSQL a call may be committed after others with a greater one. No insert is under way at a moment at which
    the table can be locked; when it cannot, this raises, and is to be asked again some time.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_FENCE)
    return connection.scalar(select(func.max(call.c.row_id))) or 0


def due_blocks(connection: Connection, last_row_id: int, block_calls: int = BLOCK_CALLS) -> list[Due]:
    """The blocks that are over by `last_certain` and have no summary, the newest first."""
    versions: dict[int, int] = {}
    done: set[int] = set()
    for block, version, is_summarised in connection.execute(select(call_block).where(call_block.c.block >= 0)):
        versions[block] = version
        if is_summarised:
            done.add(block)
    unfinished: ScalarResult[int] = connection.scalars(select(call.c.row_id).where(IS_UNFINISHED))
    open_blocks = {row_id // block_calls for row_id in unfinished}
    over = range(last_row_id // block_calls - 1, -1, -1)
    return [Due(block, versions.get(block)) for block in over if block not in done and block not in open_blocks]


def claim(connection: Connection, due: Due) -> int | None:
    """Begin a summary; gives the version it will be of, None when the block was changed or claimed meanwhile."""
    wanted = select(call_block.c.version).where(call_block.c.block == due.block)
    if connection.scalar(wanted) != due.version:
        return None
    # What a summary that was broken off has left goes too.
    _renew(connection, due.block)
    return connection.scalar(wanted)


def read_part(connection: Connection, found: dict[str, Summary], first: int, last: int, block_calls: int) -> None:
    """Take in the calls from `first` to `last`, all of one block, by organisation."""
    for columns in connection.execute(_OF_CALL.where(call.c.row_id.between(first, last))).mappings():
        if columns["org_id"] not in found:
            found[columns["org_id"]] = Summary(block_calls)
        found[columns["org_id"]].add_call(columns["row_id"] % block_calls, columns["sort_ms"], columns)
    for row_id, org_id, kind, key, value in connection.execute(
        _OF_KEYS.where(call_attribute.c.row_id.between(first, last))
    ):
        found[org_id].add_value(row_id % block_calls, kind, key, value)
    for row_id, org_id, name, is_successful in connection.execute(
        _OF_TOOLS.where(call_tool.c.row_id.between(first, last))
    ):
        found[org_id].add_tool(row_id % block_calls, name, is_successful=is_successful)


def put_bitmaps(connection: Connection, block: int, version: int, rows: Rows) -> bool:
    """Write some bitmaps; False, and nothing, when the block is not of this version any more."""
    is_mine = _hold(connection, block, version, is_summarised=False)
    if is_mine:
        connection.execute(insert(call_bitmap), rows)
    return is_mine


def complete(connection: Connection, block: int, version: int, spans: Rows, figures: Rows) -> bool:
    """Say that all is written; False when the block is not of this version any more."""
    is_mine = _hold(connection, block, version, is_summarised=True)
    if is_mine and spans:
        connection.execute(insert(call_span), spans)
        connection.execute(insert(call_figures), figures)
    return is_mine


def _hold(connection: Connection, block: int, version: int, *, is_summarised: bool) -> bool:
    # On PostgreSQL what is only read does not collide with who writes it at the same time.
    mine = update(call_block).where(call_block.c.block == block, call_block.c.version == version)
    return connection.execute(mine.values(is_summarised=is_summarised)).rowcount == 1


def spans_of(block: int, found: dict[str, Summary]) -> Rows:
    """The rows of `call_span`."""
    return [
        {
            "org_id": org_id,
            "block": block,
            "first_ms": one.first_ms,
            "last_ms": one.last_ms,
            "has_all_keys": one.has_all_keys,
            "calls": one.calls(),
        }
        for org_id, one in found.items()
    ]


def figures_of(block: int, found: dict[str, Summary]) -> Rows:
    """The rows of `call_figures`."""
    return [{"org_id": org_id, "block": block, "figures": one.figures()} for org_id, one in found.items()]


def bitmaps_of(block: int, found: dict[str, Summary]) -> Iterator[Rows]:
    """The rows of `call_bitmap`, in parts."""
    rows = (
        {"org_id": org_id, "block": block, "calls": bits, **name._asdict()}
        for org_id, one in found.items()
        for name, bits in one.bitmaps()
    )
    while part := list(islice(rows, PART_ROWS)):
        yield part


def parts_of(block: int, block_calls: int) -> Iterator[tuple[int, int]]:
    """The first and last `row_id` of each part of a block."""
    for first in range(block * block_calls, (block + 1) * block_calls, PART_CALLS):
        yield first, min(first + PART_CALLS, (block + 1) * block_calls) - 1
