"""SQLite: a file in the data folder, its connections, and what its errors mean for durability."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Engine, FromClause, Select, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from retold.errors import StorageBroken, StorageError, StorageFull
from retold.storage.backend import READERS, WAIT_FOR_LOCK_MS
from retold.storage.checkpoints import Checkpoints
from retold.storage.disk import is_full
from retold.storage.lock import WriteTurn
from retold.storage.migrations import upgrade

# Among our own processes a `WriteTurn` decides: the file's lock is for strangers (a backup, a shell).
_BUSY_TIMEOUT = f"PRAGMA busy_timeout = {WAIT_FOR_LOCK_MS}"
_SCRUB_WAIT_MS = 50
"""Our own readers are done in less; for a backup that takes a minute, no call shall wait."""
_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # What is deleted is overwritten: a call that was erased, and the words of a journal, are not left in free pages.
    "PRAGMA secure_delete = ON",
    # No COMMIT copies the log: `Checkpoints` does, between two of them.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA journal_size_limit = 33554432",
    "PRAGMA foreign_keys = ON",
    _BUSY_TIMEOUT,
)
READER_PRAGMAS = (
    # SQLite before 3.51.3 can corrupt the file when two connections checkpoint: readers never do.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA query_only = ON",
    _BUSY_TIMEOUT,
)


class _Compiled(NamedTuple):
    """A query as the driver takes it: its text, and the names of its parameters in order."""

    text: str
    names: tuple[str, ...]


class SqliteBackend:
    """The file `retold.db` of a data folder (backend.Backend)."""

    is_shared = False
    insert_entry = "INSERT INTO call_event (call_id, seq, at_ms, event) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "retold.db"
        self._compiled: dict[Select[*tuple[Any, ...]], _Compiled] = {}
        self._mine = threading.local()
        self._held: list[sqlite3.Connection] = []
        self._free: list[sqlite3.Connection] = []

    def open(self) -> tuple[Engine, Engine]:
        """The engines; migrates."""
        self._turn = WriteTurn(self._path.parent)
        writer = writer_engine(self._path)
        with self._turn, writer.begin() as connection:
            upgrade(connection)
        reader = reader_engine(self._path)
        self._checkpoints = Checkpoints(self._path, _driver_connection(reader))
        # Opened now, so that a server holds the same files before its first call and after its last.
        self._held = [_driver_connection(reader) for _ in range(READERS)]
        self._free = self._held.copy()
        return writer, reader

    def row(self, reader: Engine, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str]) -> Sequence[Any] | None:
        """The first row of a query; each reader's thread has a connection for it: the pool takes longer than SQLite."""
        compiled = self._compiled.get(wanted)
        if compiled is None:
            made = wanted.compile(dialect=reader.dialect)
            compiled = self._compiled[wanted] = _Compiled(str(made), tuple(made.positiontup or ()))
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = self._free.pop()
        return connection.execute(compiled.text, [values[name] for name in compiled.names]).fetchone()

    def turn(self) -> AbstractContextManager[None]:
        """One process at a time."""
        return self._turn

    def failure(self, error: BaseException) -> StorageError | None:
        """What an error means."""
        return as_storage_error(error)

    def is_collision(self, error: BaseException) -> bool:
        """Never: processes take turns."""
        _ = error
        return False

    def tidy(self, writer: Engine) -> None:
        """Keep the write-ahead log short."""
        connection = writer.raw_connection()
        try:
            self._checkpoints.go_on(cast("sqlite3.Connection", connection.driver_connection), self._turn)
        finally:
            connection.close()

    def scrub(self, writer: Engine) -> bool:
        """Empty the write-ahead log, in which deleted rows can still be read; the file itself overwrites them."""
        if self._checkpoints.has_failed:
            return False
        self._checkpoints.let_go()
        # The driver's own connection: SQLAlchemy would begin a transaction, in which nothing can be checkpointed.
        connection = writer.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_SCRUB_WAIT_MS}")
            try:
                with self._turn:
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    row = cursor.fetchone()
            finally:
                cursor.execute(_BUSY_TIMEOUT)
            return row is not None and row[0] == 0
        finally:
            connection.close()

    def close(self, writer: Engine, reader: Engine) -> None:
        """Close every connection."""
        for connection in self._held:
            connection.close()
        reader.dispose()
        with self._turn:
            self._checkpoints.stop()
            # Closing the last connection checkpoints.
            writer.dispose()
        self._checkpoints.close()
        self._turn.close()


def _driver_connection(reader: Engine) -> sqlite3.Connection:
    """A connection that the pool forgets."""
    pooled = reader.raw_connection()
    connection = cast("sqlite3.Connection", pooled.driver_connection)
    pooled.detach()
    return connection


def writer_engine(path: Path) -> Engine:
    """The engine of the only connection that writes and checkpoints; to be opened first and closed last."""
    engine = _engine(path, _WRITER, connections=1)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reader_engine(path: Path) -> Engine:
    """An engine of `READERS` connections that can only read."""
    engine = _engine(path, READER_PRAGMAS, connections=READERS)
    event.listen(engine, "begin", _begin)
    return engine


def _engine(path: Path, pragmas: tuple[str, ...], connections: int) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=connections, max_overflow=0)
    engine.dialect.statement_compiler = _HintingCompiler

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by the event
        # Python's own transaction starts are too late and too lazy: ours are explicit.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.cursor().execute(pragma)

    return engine


class _HintingCompiler(SQLiteCompiler):
    """Lets a query say which index to use: SQLite knows too little of the rows to choose well."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """What stands behind a table's name."""
        _ = table
        return text


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


_BROKEN_CODES = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}


def as_storage_error(error: BaseException) -> StorageError | None:
    """What a database or file error means; None when the statement was wrong and the disk is well."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, DBAPIError) and error.orig is not None:
        return as_storage_error(error.orig)
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, OSError):
        return _full(error) if is_full(error) else _broken(error)
    return None


def _of_sqlite(error: sqlite3.Error) -> StorageError | None:
    code: int = getattr(error, "sqlite_errorcode", 0)
    # The shared memory file grows by whole pages: that it cannot is how a full disk shows first.
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}:
        return _full(error)
    primary = code & 0xFF
    if primary in _BROKEN_CODES:
        return _broken(error)
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageError("the database is locked by another program; end it, or wait")
    if primary == sqlite3.SQLITE_READONLY:
        return _broken(error)
    return None


def _full(error: BaseException) -> StorageFull:
    return StorageFull(f"no space left in the data folder ({error}); free some, no restart is needed")


def _broken(error: BaseException) -> StorageBroken:
    return StorageBroken(f"the data folder's disk failed ({error}); check the disk and restart")
