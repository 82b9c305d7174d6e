import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from retold.errors import StorageAway, StorageBroken, StorageError
from retold.storage.postgres import PostgresBackend, as_storage_error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (psycopg.OperationalError("connection refused"), StorageAway),
        (psycopg.InterfaceError("the connection is closed"), StorageAway),
        (errors.AdminShutdown("terminating connection"), StorageAway),
        (errors.ConnectionFailure("gone"), StorageAway),
        (errors.InvalidPassword("no"), StorageAway),
        (errors.DiskFull("could not extend file"), StorageAway),
        (errors.ReadOnlySqlTransaction("standby"), StorageAway),
        (errors.DataCorrupted("invalid page"), StorageBroken),
        (errors.LockNotAvailable("lock timeout"), StorageError),
        (errors.QueryCanceled("statement timeout"), StorageError),
        (errors.SyntaxError("typo"), type(None)),
        (errors.UniqueViolation("there already"), type(None)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_a_database_error_means_the_same_from_the_driver_and_through_sqlalchemy(
    error: psycopg.Error, meaning: type[object]
) -> None:
    assert type(as_storage_error(error)) is meaning
    assert type(as_storage_error(DBAPIError("INSERT", None, error))) is meaning


def test_only_what_another_server_did_is_worth_a_second_try() -> None:
    backend = PostgresBackend("postgresql://host/name")
    assert backend.is_collision(errors.SerializationFailure("changed meanwhile"))
    assert backend.is_collision(DBAPIError("INSERT", None, errors.UniqueViolation("there already")))
    assert not backend.is_collision(errors.ForeignKeyViolation("no such row"))
    assert not backend.is_collision(ValueError("not of the database"))
