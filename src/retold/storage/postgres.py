"""PostgreSQL: its connections, and what its errors mean for durability.

Several servers may share one database, so a transaction can collide with another's: it sees one moment of the database
(REPEATABLE READ), and when somebody else changed the same rows it fails and is tried again.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import psycopg
from psycopg import errors
from sqlalchemy import BigInteger, Engine, Integer, Select, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from retold.errors import StorageAway, StorageBroken, StorageError, StorageFull
from retold.storage.backend import READERS, WAIT_FOR_LOCK_MS
from retold.storage.disk import is_full
from retold.storage.migrations import upgrade

STATEMENT_TIMEOUT_MS = 20_000
IDLE_TIMEOUT_MS = 10_000
"""A transaction whose server stands still lets go of its rows after this."""
_MIGRATION_LOCK = 0x7265746F6C64
"""The key of the advisory lock under which one server at a time migrates."""
_CONNECT: dict[str, int | str] = {
    "connect_timeout": 5,
    # A peer that vanished without a word is noticed within about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "retold",
}
_SESSION = (
    "SET synchronous_commit = on",
    "SET timezone = 'UTC'",
    f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}",
    f"SET lock_timeout = {WAIT_FOR_LOCK_MS}",
    f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}",
)
_READ_ONLY = ("SET default_transaction_read_only = on",)


class PostgresBackend:
    """A PostgreSQL database (backend.Backend)."""

    is_shared = True
    insert_entry = "INSERT INTO call_event (call_id, seq, at_ms, event) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._compiled: dict[Select[*tuple[Any, ...]], bytes] = {}
        self._mine = threading.local()
        self._held: list[psycopg.Connection[Any]] = []

    def open(self) -> tuple[Engine, Engine]:
        """The engines; migrates, one server at a time."""
        writer = _engine(self._url, _SESSION, connections=1)
        # Whoever waited for another server's migration must see it: a snapshot for each statement.
        with writer.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
            for limit in ("lock_timeout", "statement_timeout"):
                connection.execute(text(f"SET LOCAL {limit} = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            upgrade(connection)
        return writer, reader_engine(self._url)

    def row(self, reader: Engine, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str]) -> Sequence[Any] | None:
        """The first row of a query; each thread keeps a connection for it: the pool asks the server several things."""
        compiled = self._compiled.get(wanted)
        if compiled is None:
            compiled = self._compiled[wanted] = str(wanted.compile(dialect=reader.dialect)).encode()
        cursor: psycopg.Cursor[Any] | None = getattr(self._mine, "cursor", None)
        if cursor is not None:
            try:
                return cursor.execute(compiled, values, prepare=True).fetchone()
            except psycopg.Error:
                # A server that was restarted has closed what rests here: that must not cost the next read.
                if not cursor.connection.closed:
                    raise
                self._mine.cursor = None
                self._held.remove(cursor.connection)
        cursor = self._mine.cursor = self._hold(reader).cursor(binary=True)
        return cursor.execute(compiled, values, prepare=True).fetchone()

    def _hold(self, reader: Engine) -> psycopg.Connection[Any]:
        pooled = reader.raw_connection()
        connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
        pooled.detach()
        # One statement is a transaction by itself: no round trips to begin and end one.
        connection.autocommit = True
        self._held.append(connection)
        return connection

    def turn(self) -> AbstractContextManager[None]:
        """Nothing: the database keeps transactions apart."""
        return nullcontext()

    def failure(self, error: BaseException) -> StorageError | None:
        """What an error means."""
        return as_storage_error(error)

    def is_collision(self, error: BaseException) -> bool:
        """Whether a transaction of another server came first."""
        return isinstance(_of_driver(error), _COLLISIONS)

    def tidy(self, writer: Engine) -> None:
        """Nothing: the database server does that beside its transactions."""
        _ = writer

    def scrub(self, writer: Engine) -> bool:
        """Nothing to do: when dead rows leave the server's files is its own business (VACUUM), and its operator's."""
        _ = writer
        return True

    def close(self, writer: Engine, reader: Engine) -> None:
        """Close every connection."""
        for connection in self._held:
            connection.close()
        reader.dispose()
        writer.dispose()


def server_version(url: str) -> str:
    """The version of a database server on which tables can be made. Blocks. Raises StorageError."""
    engine = _engine(make_url(url).set(drivername="postgresql+psycopg"), _SESSION, connections=1)
    try:
        with engine.begin() as connection:
            may_create = connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')"))
            version: str = connection.scalar(text("SHOW server_version"))
    except Exception as error:
        raise as_storage_error(error) or StorageError(f"the database refused: {error}") from error
    finally:
        engine.dispose()
    if not may_create:
        raise StorageError("the database does not let its user make tables; GRANT CREATE ON SCHEMA public TO the user")
    return version


def copying_engine(url: str, *, is_read_only: bool) -> Engine:
    """An engine of one connection for a long transaction, which lifts the limits of time by itself."""
    session = (*_SESSION, *_READ_ONLY) if is_read_only else _SESSION
    return _engine(make_url(url).set(drivername="postgresql+psycopg"), session, connections=1)


def reader_engine(url: URL) -> Engine:
    """An engine of `READERS` connections that can only read."""
    return _engine(url, (*_SESSION, *_READ_ONLY), connections=READERS, cursor_factory=_BinaryCursor)


class _BinaryCursor(psycopg.Cursor[Any]):
    """Takes what is found as the server has it: as text each byte of a bitmap or a transcript is two, to be undone."""

    def __init__(self, connection: psycopg.Connection[Any], **options: Any) -> None:
        super().__init__(connection, **options)
        self.format = psycopg.pq.Format.BINARY


def _engine(url: URL, session: tuple[str, ...], connections: int, **options: Any) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        # A server that was restarted has closed what rests here: that must not cost the next write.
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        connect_args={**_CONNECT, **options},
    )

    # A number to compare a column with may be longer than the column: then no row matches, and it is no error.
    engine.dialect.colspecs = {**engine.dialect.colspecs, Integer: engine.dialect.colspecs[BigInteger]}

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by the event
        cursor = connection.cursor()
        for statement in session:
            cursor.execute(statement)
        connection.commit()

    return engine


_COLLISIONS = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    # Both looked for the row and found none; the second try finds the other's.
    errors.UniqueViolation,
)
_BROKEN = (errors.IoError, errors.DataCorrupted, errors.IndexCorrupted)
_AWAY = (
    errors.DiskFull,
    errors.OutOfMemory,
    errors.TooManyConnections,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.DatabaseDropped,
    errors.IdleInTransactionSessionTimeout,
    # A standby answers: the writing server moves.
    errors.ReadOnlySqlTransaction,
)
_BUSY = (errors.LockNotAvailable, errors.QueryCanceled)


def as_storage_error(error: BaseException) -> StorageError | None:
    """What a database or file error means; None when the statement was wrong and the database is well."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError):
        return (
            StorageFull(f"no space left ({error})") if is_full(error) else StorageBroken(f"the disk failed ({error})")
        )
    cause = _of_driver(error)
    return None if cause is None else _of_postgres(cause)


def _of_postgres(error: psycopg.Error) -> StorageError | None:
    what = " ".join(str(error).split())[:200]
    if isinstance(error, _BROKEN):
        return StorageBroken(f"the database is damaged ({what}); see PostgreSQL's log")
    if isinstance(error, _AWAY) or _is_lost(error):
        return StorageAway(f"the database does not serve ({what}); no restart is needed")
    if isinstance(error, _BUSY):
        return StorageError(f"the database took too long ({what}); see what else uses it")
    return None


def _of_driver(error: BaseException) -> psycopg.Error | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause if isinstance(cause, psycopg.Error) else None


def _is_lost(error: psycopg.Error) -> bool:
    # Without a code of the server's it is the connection: refused, cut, or closed before it was used.
    is_of_connection = error.sqlstate is None or error.sqlstate.startswith(("08", "28"))
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and is_of_connection
