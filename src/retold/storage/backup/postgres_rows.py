"""The rows of a PostgreSQL database as an SQLite one, and back: a backup has one form, whatever it was made from."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, func, insert, select, text

from retold.errors import BackupRefused
from retold.storage.backup.rows import Tell
from retold.storage.migrations import HEAD, current_revision, upgrade
from retold.storage.postgres import as_storage_error
from retold.storage.sqlite import writer_engine
from retold.storage.tables import metadata

_ROWS: Final = 1_000
"""Read and written at a time."""


def copy_postgres(source: Engine, target: Path, at_moment: Callable[[], None], tell: Tell) -> None:
    """Copy the rows of a PostgreSQL database into an SQLite one; all are of one moment (REPEATABLE READ).

    Blocks. Raises StorageError, and BackupRefused for a schema of another version: the rows would be misread.
    """
    with _refusals(), source.connect() as reading, reading.begin():
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            reading.execute(text(f"SET LOCAL {limit} = 0"))
        revision = current_revision(reading)
        at_moment()
        if revision != HEAD:
            raise BackupRefused(
                f"the database is of schema {revision} and this program of {HEAD}; use the Retold that serves it"
            )
        engine = writer_engine(target)
        try:
            with engine.begin() as writing:
                upgrade(writing)
                _copy_rows(reading, writing, tell)
        finally:
            engine.dispose()


def load_postgres(source: Path, target: Engine, tell: Tell, finally_do: Callable[[Connection], None]) -> None:
    """Fill an empty PostgreSQL database from a copy of this program's schema, or leave it empty.

    `finally_do` belongs to the same transaction. Blocks. Raises StorageError, and BackupRefused when the database has
    tables already.
    """
    engine = writer_engine(source)
    try:
        with _refusals(), engine.begin() as reading, target.begin() as writing:
            for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                writing.execute(text(f"SET LOCAL {limit} = 0"))
            if current_revision(writing) is not None:
                raise BackupRefused("the database of RETOLD_DATABASE_URL is in use already; make an empty one")
            upgrade(writing)
            _copy_rows(reading, writing, tell)
            _count_on(writing)
            finally_do(writing)
    finally:
        engine.dispose()


def _copy_rows(source: Connection, target: Connection, tell: Tell) -> None:
    done = 0
    for table in metadata.sorted_tables:
        into = insert(table)
        # Read piece by piece: no table needs to fit into memory.
        found = source.execute(select(table), execution_options={"yield_per": _ROWS})
        for rows in found.mappings().partitions():
            target.execute(into, cast("list[Mapping[str, Any]]", rows))
            done += len(rows)
            tell("rows", done, None)


def _count_on(connection: Connection) -> None:
    """Have the database number new rows behind those that were copied."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        highest = connection.scalar(select(func.max(column)))
        if highest is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(select(func.setval(sequence, highest)))


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except Exception as error:
        failure = as_storage_error(error)
        if failure is None:
            raise
        raise failure from error
