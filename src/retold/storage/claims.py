"""Claims by lease: work that stands in a table, for any process to do, and for one at a time.

Who takes a row writes its name there and until when it has it. A process that lives renews its leases; those of one
that died end by themselves, and at once when its server is back. The columns are `leased_by` and `lease_until_ms`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, or_, update

LEASE_MS = 15_000
"""How long a claim lasts that nobody renews."""
RENEW_MS = 5_000
"""How often whoever is at work renews its claims."""
_JUMPED_MS = 4 * LEASE_MS
"""A lease that ends so far ahead was given by a clock that has been put back since."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one process to the rows of one table; each method is work inside the caller's transaction.

    Times are milliseconds since the epoch. Servers that share a database must agree on them within a few seconds.
    """

    table: Table
    key: Column[Any]
    """What a row is known by."""
    holder: str
    """This process: its server's name, a slash, and what tells it from earlier processes of the server."""

    def is_free(self, now_ms: int) -> ColumnElement[bool]:
        """Whether nobody has a claim to a row."""
        until = self.table.c.lease_until_ms
        return or_(until.is_(None), until <= now_ms, until > now_ms + _JUMPED_MS)

    @property
    def is_mine(self) -> ColumnElement[bool]:
        """Whether this process has the last claim to a row, which may have ended."""
        return self.table.c.leased_by == self.holder

    def take(self, connection: Connection, keys: Collection[Any], now_ms: int) -> set[Any]:
        """Claim those of these rows that nobody has; gives their keys."""
        wanted = self.key.in_(keys) & self.is_free(now_ms)
        values = {"leased_by": self.holder, "lease_until_ms": now_ms + LEASE_MS}
        return set(connection.scalars(update(self.table).where(wanted).values(values).returning(self.key)))

    def renew(self, connection: Connection, keys: Collection[Any], now_ms: int) -> set[Any]:
        """Hold these rows longer; gives the keys of those that are still this process's."""
        wanted = self.key.in_(keys) & self.is_mine
        change = update(self.table).where(wanted).values(lease_until_ms=now_ms + LEASE_MS)
        return set(connection.scalars(change.returning(self.key)))

    def let_go(self, connection: Connection, keys: Collection[Any]) -> None:
        """Give rows back untouched."""
        wanted = self.key.in_(keys) & self.is_mine
        connection.execute(update(self.table).where(wanted).values(leased_by=None, lease_until_ms=None))

    def release_former(self, connection: Connection) -> int:
        """End the claims of earlier processes of this server, which holds its data folder alone; gives how many."""
        server = self.holder.partition("/")[0]
        former = self.table.c.leased_by.startswith(f"{server}/", autoescape=True) & ~self.is_mine
        change = update(self.table).where(former).values(leased_by=None, lease_until_ms=None)
        return connection.execute(change).rowcount
