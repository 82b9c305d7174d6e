"""The rows of a resource whose versions stand side by side in one table: agents and Retell LLMs."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, delete, func, insert, select, update

from retold.domain.audit import Act
from retold.domain.version_reference import LATEST, LATEST_PUBLISHED
from retold.ids import OrgId
from retold.storage.audit import note
from retold.storage.near import near_id


class VersionedRows:
    """The versions in one table; a row is named by organisation, id and version."""

    def __init__(self, table: Table, resource_id: str) -> None:
        self.table = table
        self.resource_id = table.c[resource_id]
        # Made once: one call asks for two, and what making them leaves behind waits for the garbage collector.
        columns = table.c
        one = select(columns.body).where(columns.org_id == bindparam("org"), self.resource_id == bindparam("resource"))
        newest_first = columns.version.desc()
        # A published version does not change: its last change is its publication.
        last_published = columns.last_modification_timestamp.desc()
        self._numbered = one.where(columns.version == bindparam("number"))
        self._named = {
            LATEST: one.order_by(newest_first).limit(1),
            LATEST_PUBLISHED: one.where(columns.is_published).order_by(last_published, newest_first).limit(1),
        }

    def of(self, org_id: OrgId, resource_id: str) -> ColumnElement[bool]:
        """The condition that holds for all versions of one resource."""
        return (self.table.c.org_id == org_id) & (self.resource_id == resource_id)

    def body(self, connection: Connection, org_id: OrgId, resource_id: str, reference: int | str) -> str | None:
        """One version: by number, `latest` (the highest number) or `latest_published` (the last published)."""
        names = {"org": org_id, "resource": resource_id}
        if isinstance(reference, int):
            return connection.scalar(self._numbered, {**names, "number": reference})
        wanted = self._named.get(reference)
        return None if wanted is None else connection.scalar(wanted, names)

    def near(self, connection: Connection, org_id: OrgId, resource_id: str) -> str | None:
        """The id of a resource that is almost this one, None without one."""
        return near_id(connection, self.resource_id, self.table.c.org_id == org_id, resource_id)

    def newest(self, org_id: OrgId) -> ColumnElement[bool]:
        """The condition that holds for the newest version of each resource of an organisation."""
        columns = self.table.c
        numbers = (
            select(self.resource_id, func.max(columns.version))
            .where(columns.org_id == org_id)
            .group_by(self.resource_id)
            .subquery()
        )
        is_newest = select(numbers.c[0]).where(numbers.c[0] == self.resource_id, numbers.c[1] == columns.version)
        return (columns.org_id == org_id) & is_newest.exists()

    def next_version(self, connection: Connection, org_id: OrgId, resource_id: str) -> int:
        """The number for another version: higher than any there has been."""
        highest = select(func.max(self.table.c.highest_version)).where(self.of(org_id, resource_id))
        return (connection.scalar(highest) or 0) + 1

    def save(
        self, connection: Connection, org_id: OrgId, resource_id: str, version: int, values: Mapping[str, Any]
    ) -> None:
        """Keep one version, in place of what was kept of it."""
        is_same = self.of(org_id, resource_id) & (self.table.c.version == version)
        before = connection.scalar(select(self.table.c.body).where(is_same))
        self._note(connection, org_id, resource_id, version, before, values["body"])
        if connection.execute(update(self.table).where(is_same).values(values)).rowcount == 0:
            names = {"org_id": org_id, self.resource_id.name: resource_id, "version": version}
            connection.execute(insert(self.table).values(**names, **values, highest_version=version))

    def delete_version(self, connection: Connection, org_id: OrgId, resource_id: str, version: int) -> bool:
        """Forget one version and remember that its number was given; False when it is not there."""
        is_of = self.of(org_id, resource_id)
        before = connection.scalar(select(self.table.c.body).where(is_of, self.table.c.version == version))
        gone = connection.execute(delete(self.table).where(is_of, self.table.c.version == version)).rowcount
        if before is not None:
            self._note(connection, org_id, resource_id, version, before, None)
        highest = self.table.c.highest_version
        # All that are left are written, so that another server that forgets one of them now has to look again.
        remembered = case((highest < version, version), else_=highest)
        connection.execute(update(self.table).where(is_of).values(highest_version=remembered))
        return gone == 1

    def delete(self, connection: Connection, org_id: OrgId, resource_id: str) -> bool:
        """Forget all versions; False when there is none."""
        is_of = self.of(org_id, resource_id)
        versions = list(connection.scalars(select(self.table.c.version).where(is_of).order_by(self.table.c.version)))
        if not versions:
            return False
        connection.execute(delete(self.table).where(is_of))
        note(connection, org_id, Act.DELETE, self.table.name, resource_id, before={"versions": versions})
        return True

    def _note(self, connection: Connection, org_id: OrgId, resource_id: str, version: int, *bodies: str | None) -> None:
        """Have the audit log tell what became of a version, of which one body is None where there was or is none."""
        before, after = ({f"version {version}": None if body is None else orjson.loads(body)} for body in bodies)
        act = Act.CREATE if bodies[0] is None else Act.DELETE if bodies[1] is None else Act.UPDATE
        note(connection, org_id, act, self.table.name, resource_id, before=before, after=after)
