"""The agents that a server keeps: their versions, drafts and tags."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select

from retold.clock import Clock
from retold.domain.agent import Agent, AgentTag, ResolvedAgent
from retold.domain.agent_list import CHANNEL, AgentFilter
from retold.domain.page import Page, PageQuery
from retold.domain.response_engine import ResponseEngine
from retold.domain.version_reference import LATEST, parse_version, unknown_agent
from retold.errors import NotFound, PreconditionFailed
from retold.ids import OrgId
from retold.storage import agent_rows
from retold.storage.agent_cache import AgentCache, AgentReference
from retold.storage.agent_rows import VERSIONS
from retold.storage.database import Database
from retold.storage.drafts import draft_agent, publish_engine
from retold.storage.engine_rows import pinned
from retold.storage.numbers import check_bound, unbind_agent
from retold.storage.pages import read_page
from retold.storage.resource_tables import agent


class AgentStore:
    """Agents by organisation; every write returns once it is committed with fsync.

    A `reference` names a version: a number, a tag, `latest` (also None) or `latest_published`. Methods that name one
    raise InvalidRequest when it is malformed and NotFound when it is not there.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._cache = AgentCache(clock)

    async def save(self, org_id: OrgId, one: Agent) -> None:
        """Keep this version of an agent, in place of what was kept of it."""
        await self._database.write(lambda connection: agent_rows.save_agent(connection, org_id, one))

    async def create(self, org_id: OrgId, one: Agent) -> Agent:
        """Keep a new agent; gives it with its engine's version. Raises NotFound when its engine is not there."""
        return await self._database.write(lambda connection: _save_pinned(connection, org_id, one))

    async def check_engine(self, org_id: OrgId, engine: ResponseEngine) -> None:
        """Raise NotFound for an engine that is not there."""
        await self._database.read(lambda connection: pinned(connection, org_id, engine))

    async def resolve(self, org_id: OrgId, agent_id: str, reference: int | str | None = None) -> ResolvedAgent:
        """The version that a reference means, with the tag it was found by or has."""
        asked = AgentReference(org_id, agent_id, parse_version(reference))
        changes, read_ms = self._database.changes, self._clock.monotonic_ms()
        found = self._cache.fresh(asked, changes)
        if found is None:
            found = await self._database.read(lambda connection: agent_rows.resolve_agent(connection, *asked))
            self._cache.keep(asked, found, read_ms=read_ms, changes=changes)
        return found

    async def find(self, org_id: OrgId, agent_id: str, reference: int | str | None = None) -> Agent | None:
        """The version that a reference means, None when it is not there."""
        try:
            return (await self.resolve(org_id, agent_id, reference)).agent
        except NotFound:
            return None

    async def change(
        self,
        org_id: OrgId,
        agent_id: str,
        reference: int | str | None,
        change: Callable[[Agent], Agent],
        now_ms: int,
    ) -> Agent:
        """Change one version in one go; when the latest is meant and is published, a new draft of it.

        `change` runs in the writer's thread. Raises what it raises, and PreconditionFailed for a published version;
        nothing is changed then.
        """
        parsed = parse_version(reference)

        def work(connection: Connection) -> Agent:
            one = agent_rows.resolve_agent(connection, org_id, agent_id, parsed).agent
            if one.is_published and parsed == LATEST:
                one = draft_agent(connection, org_id, one, now_ms)
            if one.is_published:
                raise PreconditionFailed(
                    f"version {one.version} of agent {agent_id} is published and cannot change",
                    field="version",
                    fix=f"POST /create-agent-version/{agent_id} makes a draft of it",
                )
            return _save_pinned(connection, org_id, change(one))

        return await self._database.write(work)

    async def create_version(self, org_id: OrgId, agent_id: str, base_version: int, now_ms: int) -> Agent:
        """A new draft that begins as a copy of a version."""

        def work(connection: Connection) -> Agent:
            return draft_agent(connection, org_id, _found(connection, org_id, agent_id, base_version), now_ms)

        return await self._database.write(work)

    async def delete_version(self, org_id: OrgId, agent_id: str, version: int) -> None:
        """Forget one version.

        Raises PreconditionFailed when it is the only one, or a tag or a phone number names it.
        """

        def work(connection: Connection) -> None:
            (one,) = agent_rows.with_tags(connection, org_id, [_found(connection, org_id, agent_id, version)])
            if one.assigned_tags:
                raise PreconditionFailed(
                    f"version {version} of agent {agent_id} has the tag {one.assigned_tags[0]!r}",
                    field="version",
                    fix=f"POST /assign-agent-tag/{agent_id} moves the tag to another version",
                )
            VERSIONS.delete_version(connection, org_id, agent_id, version)
            if agent_rows.find_agent(connection, org_id, agent_id, LATEST) is None:
                raise PreconditionFailed(
                    f"version {version} is the only one of agent {agent_id}",
                    field="version",
                    fix=f"DELETE /delete-agent/{agent_id} deletes the agent",
                )
            check_bound(connection, org_id, agent_id, f"version {version} of agent {agent_id}")

        await self._database.write(work)

    async def publish(self, org_id: OrgId, agent_id: str, version: int, texts: Mapping[str, str], now_ms: int) -> None:
        """Publish a draft and its engine; what is published stays as it is. `texts`: version_title, _description."""

        def work(connection: Connection) -> None:
            _publish(connection, org_id, _found(connection, org_id, agent_id, version), texts, now_ms)

        await self._database.write(work)

    async def publish_latest(self, org_id: OrgId, agent_id: str, now_ms: int) -> None:
        """What publish-agent did until 2025: publish the latest draft and begin the next one."""

        def work(connection: Connection) -> None:
            one = _found(connection, org_id, agent_id, LATEST)
            if not one.is_published:
                _publish(connection, org_id, one, {}, now_ms)
                draft_agent(connection, org_id, one, now_ms)

        await self._database.write(work)

    async def delete(self, org_id: OrgId, agent_id: str, now_ms: int) -> list[str]:
        """Forget all versions and tags of an agent; gives the phone numbers that were bound to it."""

        def work(connection: Connection) -> list[str]:
            if not agent_rows.delete_agent(connection, org_id, agent_id):
                raise agent_rows.not_found(connection, org_id, agent_id)
            return unbind_agent(connection, org_id, agent_id, now_ms)

        return await self._database.write(work)

    async def put_tag(self, org_id: OrgId, agent_id: str, name: str, tag: AgentTag, now_ms: int) -> dict[str, AgentTag]:
        """Make a tag or move it to another version; gives all tags of the agent."""

        def work(connection: Connection) -> dict[str, AgentTag]:
            _found(connection, org_id, agent_id, agent_rows.reference_of_tag(tag))
            agent_rows.put_tag(
                connection,
                org_id,
                agent_id,
                name,
                version=tag.version,
                dynamic_variables=tag.dynamic_variables,
                now_ms=now_ms,
            )
            return {one.name: one.tag for one in agent_rows.tags_of(connection, org_id, [agent_id])}

        return await self._database.write(work)

    async def delete_tag(self, org_id: OrgId, agent_id: str, name: str) -> None:
        """Forget a tag. Raises PreconditionFailed when a phone number names it."""

        def work(connection: Connection) -> None:
            if not agent_rows.delete_tag(connection, org_id, agent_id, name):
                raise unknown_agent(agent_id, name)
            check_bound(connection, org_id, agent_id, f"tag {name} of agent {agent_id}")

        await self._database.write(work)

    async def page(
        self, org_id: OrgId, query: PageQuery, wanted: AgentFilter
    ) -> Page[tuple[Agent, dict[str, AgentTag]]]:
        """The newest version of each agent that fits, with the agent's tags, by last change."""

        def read(connection: Connection) -> Page[tuple[Agent, dict[str, AgentTag]]]:
            newest = _filtered(select(agent.c.body).where(VERSIONS.newest(org_id)), wanted)
            order = (agent.c.last_modification_timestamp, agent.c.agent_id)
            page = read_page(connection, newest, order, query, _agent)
            tags = agent_rows.tags_of(connection, org_id, [one.agent_id for one in page.items])
            return Page(
                [(one, {t.name: t.tag for t in tags if t.agent_id == one.agent_id}) for one in page.items],
                page.pagination_key,
            )

        return await self._database.read(read)

    async def page_of_versions(self, org_id: OrgId, agent_id: str, query: PageQuery) -> Page[Agent]:
        """The versions of one agent by number."""

        def read(connection: Connection) -> Page[Agent]:
            _found(connection, org_id, agent_id, LATEST)
            wanted = select(agent.c.body).where(VERSIONS.of(org_id, agent_id))
            return read_page(connection, wanted, (agent.c.version, agent.c.agent_id), query, _agent)

        return await self._database.read(read)

    async def versions(self, org_id: OrgId, agent_id: str) -> list[Agent]:
        """All versions of one agent, the newest first."""
        wanted = select(agent.c.body).where(VERSIONS.of(org_id, agent_id)).order_by(agent.c.version.desc())

        def read(connection: Connection) -> list[Agent]:
            _found(connection, org_id, agent_id, LATEST)
            return _tagged(connection, org_id, wanted)

        return await self._database.read(read)

    async def all_versions(
        self, org_id: OrgId, *, limit: int, after: tuple[str, int | None] | None, is_latest: bool
    ) -> list[Agent] | None:
        """Versions of all agents, the last changed first; the page begins after an agent (and version).

        None when `after` names no agent.
        """

        def read(connection: Connection) -> list[Agent] | None:
            wanted = select(agent.c.body).where(agent.c.org_id == org_id)
            if is_latest:
                wanted = wanted.where(VERSIONS.newest(org_id))
            if after is not None:
                place = _place(connection, org_id, *after, is_latest=is_latest)
                if place is None:
                    return None
                wanted = wanted.where(place)
            order = (agent.c.last_modification_timestamp.desc(), agent.c.agent_id, agent.c.version.desc())
            return _tagged(connection, org_id, wanted.order_by(*order).limit(limit))

        return await self._database.read(read)


def _found(connection: Connection, org_id: OrgId, agent_id: str, reference: int | str) -> Agent:
    one = agent_rows.find_agent(connection, org_id, agent_id, reference)
    if one is None:
        raise agent_rows.not_found(connection, org_id, agent_id, reference)
    return one


def _save_pinned(connection: Connection, org_id: OrgId, one: Agent) -> Agent:
    one = one.model_copy(update={"response_engine": pinned(connection, org_id, one.response_engine)})
    agent_rows.save_agent(connection, org_id, one)
    return one


def _publish(connection: Connection, org_id: OrgId, one: Agent, texts: Mapping[str, str], now_ms: int) -> None:
    if not one.is_published:
        changes = {**texts, "is_published": True, "last_modification_timestamp": now_ms}
        agent_rows.save_agent(connection, org_id, one.model_copy(update=changes))
        publish_engine(connection, org_id, one.response_engine, now_ms)


def _filtered(agents: Select[Any], wanted: AgentFilter) -> Select[Any]:
    if wanted.channel is not None and not wanted.channel.holds(CHANNEL):
        agents = agents.where(false())
    if wanted.is_transfer_agent is not None:
        agents = agents.where(agent.c.is_transfer_agent.is_(wanted.is_transfer_agent.value))
    if wanted.query:
        in_name = agent.c.agent_name.icontains(wanted.query, autoescape=True)
        agents = agents.where(or_(in_name, agent.c.agent_id.icontains(wanted.query, autoescape=True)))
    return agents


def _agent(row: Any) -> Agent:
    return Agent.model_validate_json(row.body)


def _tagged(connection: Connection, org_id: OrgId, wanted: Select[Any]) -> list[Agent]:
    agents = [Agent.model_validate_json(body) for body in connection.scalars(wanted)]
    return agent_rows.with_tags(connection, org_id, agents)


def _place(
    connection: Connection, org_id: OrgId, agent_id: str, version: int | None, *, is_latest: bool
) -> ColumnElement[bool] | None:
    """The condition for what comes after a version, by default the last that is listed, in `all_versions`."""
    changed = agent.c.last_modification_timestamp
    wanted = select(changed, agent.c.version).where(VERSIONS.of(org_id, agent_id))
    if version is not None:
        wanted = wanted.where(agent.c.version == version)
    last_listed = (agent.c.version.desc(),) if is_latest else (changed, agent.c.version)
    row = connection.execute(wanted.order_by(*last_listed).limit(1)).one_or_none()
    if row is None:
        return None
    is_later_version = and_(agent.c.agent_id == agent_id, agent.c.version < row.version)
    is_later_agent = agent.c.agent_id > agent_id
    return or_(changed < row[0], and_(changed == row[0], or_(is_later_agent, is_later_version)))
