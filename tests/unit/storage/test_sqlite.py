import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from retold.errors import StorageBroken, StorageError, StorageFull
from retold.storage.sqlite import as_storage_error


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (sqlite3.SQLITE_FULL, StorageFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StorageFull),
        (sqlite3.SQLITE_IOERR_FSYNC, StorageBroken),
        (sqlite3.SQLITE_CORRUPT, StorageBroken),
        (sqlite3.SQLITE_BUSY, StorageError),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, type(None)),
    ],
    ids=str,
)
def test_a_database_error_means_the_same_from_the_driver_and_through_sqlalchemy(
    code: int, meaning: type[object]
) -> None:
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorcode = code
    assert type(as_storage_error(error)) is meaning
    assert type(as_storage_error(OperationalError("INSERT", None, error))) is meaning
