"""Where the servers of the tests keep their rows: in their data folders or, if TEST_DATABASE says so, on PostgreSQL."""

import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from support.postgres import PostgresServer, postgres_server

KIND = os.environ.get("TEST_DATABASE", "sqlite")
if KIND not in {"sqlite", "postgresql"}:
    raise ValueError(f"TEST_DATABASE is {KIND}; it can be sqlite or postgresql")

sqlite_only = pytest.mark.skipif(KIND != "sqlite", reason="reads or copies the data folder, and the rows are not in it")
_RUNNING = ExitStack()


def database_url(data_dir: Path) -> str | None:
    """The database that goes with a data folder, always the same one; None for the folder's own."""
    return postgres_url(data_dir.resolve()) if KIND == "postgresql" else None


def environment(data_dir: Path) -> dict[str, str]:
    """What tells a `retold` that is started on the folder where its rows are."""
    url = database_url(data_dir)
    return {} if url is None else {"RETOLD_DATABASE_URL": url}


@cache
def postgres_url(data_dir: Path) -> str:
    """The PostgreSQL database of a data folder, empty at first."""
    return shared_postgres().new_database()


@cache
def shared_postgres() -> PostgresServer:
    """A PostgreSQL server for all tests of this process."""
    return _RUNNING.enter_context(postgres_server())


def stop_shared_postgres() -> None:
    """End it, if it was ever started; nothing of it remains."""
    _RUNNING.close()
