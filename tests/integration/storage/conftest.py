"""Every test that asks for `database_url` runs twice: on SQLite (None) and on a real PostgreSQL server."""

from collections.abc import Generator

import pytest

from support.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A server that the tests of this process share; each has a database of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Where the store of this test keeps its rows."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
