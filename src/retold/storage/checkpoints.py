"""Emptying SQLite's write-ahead log into the file, without a commit that waits until a thousand pages are on disk.

To copy pages into the file is quick, for it stays in memory; what takes long is to have them written. SQLite does that
only when it has copied the whole log, which alone lets the log begin anew. So it is copied in small parts, each but for
what was committed last; then a thread has the file written while commits go on; then the small rest is copied, and
written by SQLite itself. Only the writer's connection copies, in the writer's thread. However the parts fall, the log
is kept until SQLite has written the file.
"""

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from retold.errors import StorageBroken
from retold.threads import started_pool

COPY_EVERY_ROWS: Final = 100
EMPTY_EVERY_ROWS: Final = 1_000
"""A row changes about two pages in a large database, its own and one of an index: some 8 MB of log."""
_REST_ROWS: Final = 100
"""Few enough for the writer to wait until they are on disk."""
_MAX_TURNS: Final = 3
"""How often the file is written beforehand while more than that comes in meanwhile."""
_HARMLESS: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_COPY: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """The log of one database file; all methods are for the thread that writes, and block."""

    def __init__(self, path: Path, reader: sqlite3.Connection, write: Callable[[int], None] = os.fsync) -> None:
        """`reader` is a connection for this alone: what is committed after it began to look is not copied."""
        self._reader = reader
        # Kept open: to close any handle of the file would let go of the locks that SQLite holds on it.
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._disk: ThreadPoolExecutor = started_pool(1, name="retold-disk")
        self._writing: Future[None] | None = None
        self._have_written = write
        self._turns = 0
        self._emptied_rows = self._copied_rows = self._written_rows = 0
        self.has_failed = False
        """Whether the file may lack what was copied. A second try could not know: the log alone is right then, and is
        copied from its beginning when the file is opened the next time."""

    def go_on(self, writer: sqlite3.Connection, turn: AbstractContextManager[None]) -> None:
        """Do what is due after a commit. Raises what the driver raises, and StorageBroken; nothing is lost then."""
        if self.has_failed:
            return
        try:
            self._go_on(writer, turn, writer.total_changes)
        except Exception as error:  # all of them, and raised on: whatever it was, the file may lack something now
            # But what was not copied for want of room or of a lock will be the next time.
            self.has_failed = getattr(error, "sqlite_errorcode", 0) & 0xFF not in _HARMLESS
            raise

    def let_go(self) -> None:
        """Let the whole log be copied."""
        if self._reader.in_transaction:
            self._reader.rollback()

    def stop(self) -> None:
        """Do no more; the writer's connection may be closed now, which copies the log once all others are closed."""
        self._disk.shutdown()
        self.let_go()
        if not self.has_failed:
            self._reader.close()

    def close(self) -> None:
        """Let go of the file, once all connections are closed."""
        os.close(self._handle)

    def _go_on(self, writer: sqlite3.Connection, turn: AbstractContextManager[None], rows: int) -> None:
        if self._writing is not None:
            if self._writing.done():
                self._go_on_written(writer, turn, rows)
        elif rows - self._emptied_rows >= EMPTY_EVERY_ROWS:
            self._copy(writer, turn, rows)
            self._turns = 0
            self._write(rows)
        elif rows - self._copied_rows >= COPY_EVERY_ROWS:
            self._copy(writer, turn, rows)

    def _go_on_written(self, writer: sqlite3.Connection, turn: AbstractContextManager[None], rows: int) -> None:
        written, self._writing = self._writing, None
        try:
            if written is not None:
                written.result()
        except OSError as error:
            raise StorageBroken(f"the data folder's disk failed ({error}); check the disk and restart") from error
        if rows - self._written_rows > _REST_ROWS and self._turns < _MAX_TURNS:
            self._copy(writer, turn, rows)
            self._write(rows)
            return
        self.let_go()
        with turn:
            writer.execute(_COPY)
        self._emptied_rows = self._copied_rows = rows

    def _copy(self, writer: sqlite3.Connection, turn: AbstractContextManager[None], rows: int) -> None:
        self._copied_rows = rows
        if self._reader.in_transaction:
            with turn:
                writer.execute(_COPY)
            self._reader.rollback()
        self._reader.execute("BEGIN")
        # Only a query makes it look at this moment.
        self._reader.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()

    def _write(self, rows: int) -> None:
        self._turns += 1
        self._written_rows = rows
        self._writing = self._disk.submit(self._have_written, self._handle)
