"""SQLAlchemy engines on one SQLite file, and what the database's errors mean for durability."""

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from retold.errors import StorageBroken, StorageError, StorageFull
from retold.storage.disk import is_full

READERS = 3
BUSY_TIMEOUT_MS = 5_000
"""How long the writer waits for a lock that only a stranger (a backup, a shell) can hold."""

_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # A checkpoint runs inside the writer's own COMMIT, every 4 MB.
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA journal_size_limit = 33554432",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)
_READER = (
    # SQLite before 3.51.3 can corrupt the file when two connections checkpoint: readers never do.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA query_only = ON",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)


def writer_engine(path: Path) -> Engine:
    """The engine of the only connection that writes and checkpoints; to be opened first and closed last."""
    engine = _engine(path, _WRITER, connections=1)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reader_engine(path: Path) -> Engine:
    """An engine of `READERS` connections that can only read."""
    engine = _engine(path, _READER, connections=READERS)
    event.listen(engine, "begin", _begin)
    return engine


def _engine(path: Path, pragmas: tuple[str, ...], connections: int) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=connections, max_overflow=0)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by the event
        # Python's own transaction starts are too late and too lazy: ours are explicit.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.cursor().execute(pragma)

    return engine


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
