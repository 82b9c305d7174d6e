"""What is asked of the audit log, and the one act that is no change: somebody reads a file of a call."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import anyio.to_thread
from sqlalchemy import Connection, select

from retold.clock import Clock
from retold.domain.audit import Act, Actor, AuditEntry
from retold.domain.page import Page, PageQuery
from retold.ids import OrgId
from retold.storage.audit import Verdict, acting, note, read_entries, verify
from retold.storage.database import Database
from retold.storage.files import FileOwner, read_owner, write_owner
from retold.storage.tables import call, call_body

SAME_READING_MS: Final = 60_000
"""A player asks for a file in many parts: those that one address asks for within a minute are one act."""
MAX_READINGS: Final = 10_000
"""Kept in mind, so that the parts that follow are served without a write."""


class _Reading(NamedTuple):
    """Somebody who reads a file."""

    files_token: str
    name: str
    ip: str


class AuditLog:
    """The audit logs of all organisations."""

    def __init__(self, database: Database, clock: Clock, data_dir: Path) -> None:
        self._database = database
        self._clock = clock
        self._data_dir = data_dir
        self._readings: dict[_Reading, float] = {}

    async def page(self, org_id: OrgId, query: PageQuery, object_id: str | None = None) -> Page[AuditEntry]:
        """One page of an organisation's log by number, of one thing or of all."""
        return await self._database.read(lambda connection: read_entries(connection, org_id, query, object_id))

    async def verify(self, org_id: OrgId, known: str | None = None) -> Verdict:
        """Go through the whole log of an organisation, and look for a hash that is known to have been in it."""
        return await self._database.read(lambda connection: verify(connection, org_id, known))

    async def note_reading(
        self, files_token: str, name: str, ip: str, owner_of: Callable[[str], FileOwner | None] | None = None
    ) -> None:
        """Have it on the disk that somebody reads a file, before anything of the file is sent.

        Within a minute the same is noted once. `owner_of` knows whose a file is that is not stored. Raises
        StorageError: what cannot be noted is not to be read.
        """
        reading = _Reading(files_token, name, ip)
        now_ms = self._clock.monotonic_ms()
        noted_ms = self._readings.get(reading)
        if noted_ms is not None and now_ms - noted_ms < SAME_READING_MS:
            return
        owner = await self._owner(files_token) if owner_of is None else owner_of(files_token)
        if owner is None:
            # Its call was deleted meanwhile.
            return

        def work(connection: Connection) -> None:
            note(connection, OrgId(owner.org_id), Act.READ, "call", owner.call_id, after={"file": name})

        with acting(Actor("address", ip=ip)):
            await self._database.write(work, is_essential=True, is_of_calls=True)
        self._readings.pop(reading, None)
        self._readings[reading] = now_ms
        if len(self._readings) > MAX_READINGS:
            del self._readings[next(iter(self._readings))]

    async def _owner(self, files_token: str) -> FileOwner | None:
        owner = await anyio.to_thread.run_sync(read_owner, self._data_dir, files_token)
        if owner is not None:
            return owner
        # Made by an earlier version, which did not say whose the files are: all calls have to be looked through, once.
        named = call_body.c.body.contains(f'"files_token":"{files_token}"', autoescape=True)
        wanted = select(call.c.org_id, call.c.call_id).join(call_body).where(named)
        row = await self._database.read(lambda connection: connection.execute(wanted).first())
        if row is None:
            return None
        owner = FileOwner(row.org_id, row.call_id)
        await anyio.to_thread.run_sync(write_owner, self._data_dir, files_token, owner)
        return owner
