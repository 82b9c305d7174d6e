"""What differs between SQLite and PostgreSQL; all else is written once, for both."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Engine, Select

from retold.errors import StorageError

READERS = 3
"""Connections that only read."""
WAIT_FOR_LOCK_MS = 5_000
"""How long a write waits for what somebody else holds."""


class Backend(Protocol):
    """One kind of database: how it is reached, and what its errors mean for durability."""

    is_shared: bool
    """Whether several servers may have one database."""
    insert_entry: str
    """SQL of one journal entry for the driver's `executemany`; an entry that is there already is left alone."""

    def open(self) -> tuple[Engine, Engine]:
        """The engine of the one connection that writes, and that of `READERS` which cannot; migrates. Blocks."""
        ...

    def row(self, reader: Engine, wanted: Select[*tuple[Any, ...]], values: Mapping[str, str]) -> Sequence[Any] | None:
        """The first row of a query whose parameters have these names, on the shortest way; outside any transaction.

        The query must be one object for the life of the program. Blocks.
        """
        ...

    def turn(self) -> AbstractContextManager[None]:
        """What a transaction that writes must hold for its whole length."""
        ...

    def failure(self, error: BaseException) -> StorageError | None:
        """What an error means; None when the statement was wrong and the database is well.

        StorageFull, StorageBroken and StorageAway concern every write, a plain StorageError this one.
        """
        ...

    def is_collision(self, error: BaseException) -> bool:
        """Whether another process changed the same rows meanwhile, so that a second try sees what it did."""
        ...

    def tidy(self, writer: Engine) -> None:
        """Do between two transactions what would make one of them wait. Blocks, for a moment."""
        ...

    def scrub(self, writer: Engine) -> bool:
        """Remove what was deleted from the files too; False when a reader still looks at what was before. Blocks."""
        ...

    def close(self, writer: Engine, reader: Engine) -> None:
        """Close every connection, the writer's last. Blocks."""
        ...
