"""The Retell LLMs that a server keeps, by version."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from retold.domain.llm import Llm
from retold.domain.page import Page, PageQuery
from retold.domain.version_reference import LATEST, parse_version
from retold.errors import InvalidRequest, PreconditionFailed
from retold.ids import OrgId
from retold.storage import agent_rows, llm_rows
from retold.storage.database import Database
from retold.storage.drafts import draft_llm
from retold.storage.llm_rows import VERSIONS, unknown_llm
from retold.storage.pages import read_page
from retold.storage.resource_tables import llm


class LlmStore:
    """Retell LLMs by organisation; every write returns once it is committed with fsync.

    A `reference` names a version: a number, `latest` (also None) or `latest_published`. Methods that name one raise
    InvalidRequest when it is malformed and NotFound when it is not there.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, org_id: OrgId, one: Llm) -> None:
        """Keep this version, in place of what was kept of it."""
        await self._database.write(lambda connection: llm_rows.save_llm(connection, org_id, one))

    async def resolve(self, org_id: OrgId, llm_id: str, reference: int | str | None = None) -> Llm:
        """The version that a reference means."""
        parsed = parse_version(reference)
        return await self._database.read(lambda connection: _found(connection, org_id, llm_id, parsed))

    async def change(
        self, org_id: OrgId, llm_id: str, reference: int | str | None, change: Callable[[Llm], Llm], now_ms: int
    ) -> Llm:
        """Change one version in one go; when the latest is meant and is published, a new draft of it.

        `change` runs in the writer's thread. Raises what it raises, and PreconditionFailed for a published version;
        nothing is changed then.
        """
        parsed = parse_version(reference)

        def work(connection: Connection) -> Llm:
            one = _found(connection, org_id, llm_id, parsed)
            if one.is_published and parsed == LATEST:
                one = draft_llm(connection, org_id, one, now_ms)
            if one.is_published:
                raise PreconditionFailed(
                    f"version {one.version} of Retell LLM {llm_id} is published and cannot change",
                    field="version",
                    fix="POST /create-agent-version makes a draft of an agent and its LLM",
                )
            changed = change(one)
            llm_rows.save_llm(connection, org_id, changed)
            return changed

        return await self._database.write(work)

    async def delete(self, org_id: OrgId, llm_id: str, *, is_forced: bool) -> None:
        """Forget all versions. Raises InvalidRequest while an agent uses one, unless forced."""

        def work(connection: Connection) -> None:
            _found(connection, org_id, llm_id, LATEST)
            user = agent_rows.is_used(connection, org_id, llm_id)
            if user is not None and not is_forced:
                raise InvalidRequest(
                    f"Retell LLM {llm_id} is used by agent {user}",
                    field="llm_id",
                    fix="delete the agent or give it another response engine, or send force_delete=true",
                )
            VERSIONS.delete(connection, org_id, llm_id)

        await self._database.write(work)

    async def page(self, org_id: OrgId, query: PageQuery) -> Page[Llm]:
        """The newest version of each Retell LLM by last change."""
        wanted = select(llm.c.body).where(VERSIONS.newest(org_id))
        order = (llm.c.last_modification_timestamp, llm.c.llm_id)
        return await self._database.read(lambda connection: read_page(connection, wanted, order, query, _llm))

    async def all_versions(
        self, org_id: OrgId, *, limit: int, after: tuple[str, int | None] | None
    ) -> list[Llm] | None:
        """Versions of all Retell LLMs, by id; the page begins after an LLM (and version).

        None when `after` names none.
        """

        def read(connection: Connection) -> list[Llm] | None:
            wanted = select(llm.c.body).where(llm.c.org_id == org_id)
            if after is not None:
                llm_id, version = after
                last = llm_rows.find_llm(connection, org_id, llm_id, LATEST if version is None else version)
                if last is None:
                    return None
                is_older = (llm.c.llm_id == llm_id) & (llm.c.version < (-1 if version is None else version))
                wanted = wanted.where((llm.c.llm_id > llm_id) | is_older)
            wanted = wanted.order_by(llm.c.llm_id, llm.c.version.desc()).limit(limit)
            return [Llm.model_validate_json(body) for body in connection.scalars(wanted)]

        return await self._database.read(read)


def _found(connection: Connection, org_id: OrgId, llm_id: str, reference: int | str) -> Llm:
    found = llm_rows.find_llm(connection, org_id, llm_id, reference)
    if found is None:
        raise unknown_llm(llm_id, reference, near=VERSIONS.near(connection, org_id, llm_id))
    return found


def _llm(row: Any) -> Llm:
    return Llm.model_validate_json(row.body)
