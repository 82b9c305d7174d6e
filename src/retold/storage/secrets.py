"""All secrets that are sealed under the master key, and sealing them anew under another one while servers run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from sqlalchemy import Column, Connection, Row, Table, select, update

from retold.crash import crash_point
from retold.domain.audit import Act
from retold.errors import StorageError
from retold.ids import KeyId, OrgId
from retold.storage.audit import note
from retold.storage.database import Database
from retold.storage.keys import owner_of_key
from retold.storage.master_key import MasterKey
from retold.storage.numbers import owner_of_password
from retold.storage.resource_tables import phone_number
from retold.storage.tables import api_key

AT_A_TIME: Final = 100
"""Secrets that are sealed anew in one transaction: calls wait for it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A column of sealed secrets."""

    table: Table
    sealed: Column[Any]
    named_by: Column[Any]
    """With the organisation, what names a row."""
    owner: Callable[[OrgId, Any], str]


PLACES: Final = (
    _Place(api_key, api_key.c.sealed_secret, api_key.c.key_id, lambda org, name: owner_of_key(org, KeyId(name))),
    _Place(phone_number, phone_number.c.sealed_password, phone_number.c.phone_number, owner_of_password),
)
"""Every one there is."""


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """What is sealed, and under which key."""

    current: int = 0
    """Under the key that seals."""
    former: int = 0
    """Under one that only opens."""
    lost: int = 0
    """That no key opens."""


class Secrets:
    """The sealed secrets of a database."""

    def __init__(self, database: Database, master_key: MasterKey) -> None:
        self._database = database
        self.master_key = master_key

    async def count(self) -> SealedSecrets:
        """Open each, and say how they are sealed. Raises StorageError."""

        def read(connection: Connection) -> list[tuple[_Place, Row[*tuple[Any, ...]]]]:
            return [(place, row) for place in PLACES for row in connection.execute(_sealed(place)).all()]

        found = await self._database.read(read)
        return await anyio.to_thread.run_sync(self._counted, found)

    async def reseal(self) -> int:
        """Seal anew what is sealed under a former key; gives how many. Cut off, it can be done again.

        A secret that no key opens is left as it is. Raises StorageError.
        """
        changed = 0
        for place in PLACES:
            last: tuple[str, str] = ("", "")
            while rows := await self._after(place, last):
                last = (rows[-1].org_id, rows[-1].name)
                changed += await self._reseal(place, rows)
        return changed

    async def _after(self, place: _Place, last: tuple[str, str]) -> Sequence[Row[*tuple[Any, ...]]]:
        org, name = last
        is_later = (place.table.c.org_id > org) | ((place.table.c.org_id == org) & (place.named_by > name))
        wanted = _sealed(place).where(is_later).order_by(place.table.c.org_id, place.named_by).limit(AT_A_TIME)
        return await self._database.read(lambda connection: connection.execute(wanted).all())

    async def _reseal(self, place: _Place, rows: Sequence[Row[*tuple[Any, ...]]]) -> int:
        # Outside of the transaction: for what calls wait for, the work of this thread is too long.
        anew = await anyio.to_thread.run_sync(self._resealed, place, rows)

        def work(connection: Connection) -> int:
            changed: dict[str, int] = {}
            for row, sealed in anew:
                # Whoever has changed it meanwhile has sealed it under the new key.
                is_same = (place.table.c.org_id == row.org_id) & (place.named_by == row.name)
                same = update(place.table).where(is_same, place.sealed == row.sealed)
                if connection.execute(same.values({place.sealed: sealed})).rowcount:
                    changed[row.org_id] = changed.get(row.org_id, 0) + 1
            crash_point("secrets_in_transaction")
            for org_id, count in changed.items():
                after = {"table": place.table.name, "count": count}
                note(connection, OrgId(org_id), Act.ROTATE, "sealed", org_id, after=after)
            return sum(changed.values())

        changed = await self._database.write(work) if anew else 0
        crash_point("secrets_resealed")
        return changed

    def _resealed(
        self, place: _Place, rows: Sequence[Row[*tuple[Any, ...]]]
    ) -> list[tuple[Row[*tuple[Any, ...]], str]]:
        anew: list[tuple[Row[*tuple[Any, ...]], str]] = []
        for row in rows:
            try:
                sealed = self.master_key.resealed(row.sealed, owner=place.owner(row.org_id, row.name))
            except StorageError:
                continue
            if sealed is not None:
                anew.append((row, sealed))
        return anew

    def _counted(self, found: Sequence[tuple[_Place, Row[*tuple[Any, ...]]]]) -> SealedSecrets:
        current = former = lost = 0
        for place, row in found:
            try:
                anew = self.master_key.resealed(row.sealed, owner=place.owner(row.org_id, row.name))
            except StorageError:
                lost += 1
                continue
            current += anew is None
            former += anew is not None
        return SealedSecrets(current, former, lost)


def _sealed(place: _Place) -> Any:
    columns = (place.table.c.org_id, place.named_by.label("name"), place.sealed.label("sealed"))
    return select(*columns).where(place.sealed.is_not(None))
