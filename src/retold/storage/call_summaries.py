"""Makes the summaries of blocks, which lists read instead of every call (call_blocks.py)."""

from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread
from sqlalchemy import Connection

from retold.storage.call_bits import BLOCK_CALLS
from retold.storage.call_block_writes import (
    Due,
    Rows,
    bitmaps_of,
    claim,
    complete,
    due_blocks,
    figures_of,
    last_certain,
    parts_of,
    put_bitmaps,
    read_part,
    spans_of,
)
from retold.storage.call_summary import Summary
from retold.storage.database import Database

PAUSE_S: Final = 0.01
"""Between two parts, so that calls in progress and requests feel nothing of it."""


def summarise(connection: Connection, due: Due, block_calls: int = BLOCK_CALLS) -> bool:
    """Make one summary in the caller's transaction, for when nobody else is there."""
    version = claim(connection, due)
    if version is None:
        return False
    found: dict[str, Summary] = {}
    for first, last in parts_of(due.block, block_calls):
        read_part(connection, found, first, last, block_calls)
    for rows in bitmaps_of(due.block, found):
        put_bitmaps(connection, due.block, version, rows)
    return complete(connection, due.block, version, spans_of(due.block, found), figures_of(due.block, found))


class Summaries:
    """The summaries of one database, made in the background."""

    def __init__(self, database: Database, *, block_calls: int = BLOCK_CALLS, pause_s: float = PAUSE_S) -> None:
        self._database = database
        self._block_calls = block_calls
        self._pause_s = pause_s
        self._seen: dict[int, int] = {}

    async def make_due(self) -> int:
        """Summarise each block that is over, but for those that were changed since the last time; gives how many.

        Whoever changes many calls is not raced: the blocks rest until all is quiet. Raises StorageError.
        """
        last_row_id = await self._database.read(last_certain)
        due = await self._database.read(lambda connection: due_blocks(connection, last_row_id, self._block_calls))
        before, self._seen = self._seen, {one.block: one.version for one in due if one.version is not None}
        quiet: Sequence[Due] = [one for one in due if one.version == before.get(one.block)]
        return sum([await self._make(one) for one in quiet])

    async def _make(self, due: Due) -> bool:
        version = await self._database.write(lambda connection: claim(connection, due))
        if version is None:
            return False
        found: dict[str, Summary] = {}
        for first, last in parts_of(due.block, self._block_calls):
            await self._read_part(found, first, last)
            await anyio.sleep(self._pause_s)
        parts = bitmaps_of(due.block, found)
        # To compress a part takes milliseconds: not on the loop.
        while rows := await anyio.to_thread.run_sync(next, parts, None):
            if not await self._put(due.block, version, rows):
                return False
            await anyio.sleep(self._pause_s)
        spans = spans_of(due.block, found)
        figures = await anyio.to_thread.run_sync(figures_of, due.block, found)
        return await self._database.write(lambda connection: complete(connection, due.block, version, spans, figures))

    async def _read_part(self, found: dict[str, Summary], first: int, last: int) -> None:
        await self._database.read(lambda connection: read_part(connection, found, first, last, self._block_calls))

    async def _put(self, block: int, version: int, rows: Rows) -> bool:
        return await self._database.write(lambda connection: put_bitmaps(connection, block, version, rows))
