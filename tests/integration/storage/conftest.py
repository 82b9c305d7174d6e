"""Every test that asks for `database_url` runs twice: on SQLite (None) and on a real PostgreSQL server."""

import pytest

from support.database import shared_postgres
from support.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """A server that the tests of this process share; each has a database of its own."""
    return shared_postgres()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Where the store of this test keeps its rows."""
    if request.param == "sqlite":
        return None
    return shared_postgres().new_database()
