"""The rows of a server as one SQLite database, of a moment at which it may be running, and what is asked of it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from retold.errors import BackupRefused, StorageError
from retold.storage.lock import WriteTurn
from retold.storage.sqlite import READER_PRAGMAS, as_storage_error

Tell = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done, and how much there is; None when nobody knows."""

_PAGES: Final = 512
"""Copied at a time, 2 MB."""


def copy_sqlite(data_dir: Path, target: Path, at_moment: Callable[[], None], tell: Tell) -> None:
    """Copy the database of a data folder, page by page, while its server may be writing.

    `at_moment` is called when it is settled which moment is copied. Calls go on: a reader holds up nobody, and what is
    committed meanwhile waits in the log. Blocks. Raises StorageError.
    """
    turn = WriteTurn(data_dir)
    try:
        source = sqlite3.connect(f"file:{quote(str(data_dir / 'retold.db'))}?mode=rw", uri=True, isolation_level=None)
        try:
            for pragma in READER_PRAGMAS:
                source.execute(pragma)
            source.execute("BEGIN")
            # Only a query makes it look at this moment.
            source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            at_moment()
            _copy_pages(source, target, tell)
        finally:
            # Whoever closes a database last empties its log, and only one process at a time may do that.
            with turn:
                source.close()
    except sqlite3.Error as error:
        raise as_storage_error(error) or StorageError(f"the database refused: {error}") from error
    finally:
        turn.close()


def _copy_pages(source: sqlite3.Connection, target: Path, tell: Tell) -> None:
    page_bytes: int = source.execute("PRAGMA page_size").fetchone()[0]

    def copied(_: int, remaining: int, total: int) -> None:
        tell("rows", (total - remaining) * page_bytes, total * page_bytes)

    copy = sqlite3.connect(target, isolation_level=None)
    try:
        # A copy that is cut off is thrown away.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=_PAGES, progress=copied, sleep=0)
    finally:
        copy.close()


def check_sqlite(path: Path) -> None:
    """Raise BackupRefused when a database that nobody uses is damaged. Blocks."""
    try:
        connection = _opened(path)
        try:
            found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise BackupRefused(f"the database is damaged ({found[:200]}); restore an earlier backup")


def revision_of(path: Path) -> str:
    """The schema's revision of a database that nobody uses. Blocks. Raises BackupRefused when it is not Retold's."""
    connection = _opened(path)
    try:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    except (sqlite3.Error, TypeError) as error:
        raise BackupRefused(f"{path} is no database of Retold ({error})") from error
    finally:
        connection.close()


def finished_tokens(path: Path) -> Iterator[str]:
    """The names of the folders in which the files of finished calls are, if there are any. Blocks."""
    connection = _opened(path)
    try:
        for (token,) in connection.execute(
            "SELECT json_extract(body, '$.files_token') FROM call_body NATURAL JOIN call"
            " WHERE call_status NOT IN ('registered', 'ongoing') ORDER BY row_id"
        ):
            yield token
    finally:
        connection.close()


def count_calls(path: Path) -> tuple[int, int]:
    """How many calls a database that nobody uses holds, and how many of them are not over. Blocks."""
    connection = _opened(path)
    try:
        calls: int = connection.execute("SELECT count(*) FROM call").fetchone()[0]
        wanted = "SELECT count(*) FROM call WHERE call_status IN ('registered', 'ongoing')"
        return calls, connection.execute(wanted).fetchone()[0]
    finally:
        connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    # Nobody else writes to it, so it needs neither locks nor a log of its own.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)
