"""Agents and their tags as rows, for work inside a transaction."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from retold.domain.agent import Agent, AgentTag, ResolvedAgent
from retold.domain.audit import Act
from retold.domain.response_engine import CustomLlm, engine_id
from retold.domain.version_reference import LATEST, LATEST_PUBLISHED, unknown_agent
from retold.errors import NotFound
from retold.ids import OrgId
from retold.storage.audit import note
from retold.storage.resource_tables import agent, agent_tag
from retold.storage.versions import VersionedRows

VERSIONS = VersionedRows(agent, "agent_id")
# Made once: each call asks for it.
_TAGS = (
    select(agent_tag)
    .where(agent_tag.c.org_id == bindparam("org"), agent_tag.c.agent_id.in_(bindparam("agents", expanding=True)))
    .order_by(agent_tag.c.agent_id, agent_tag.c.assigned_ms.desc(), agent_tag.c.tag)
)


@dataclass(frozen=True, slots=True)
class NamedTag:
    """A tag, its name, and the agent it is of."""

    agent_id: str
    name: str
    tag: AgentTag


def save_agent(connection: Connection, org_id: OrgId, one: Agent) -> None:
    """Keep this version, in place of what was kept of it."""
    engine = one.response_engine
    values = {
        "is_published": one.is_published,
        "last_modification_timestamp": one.last_modification_timestamp,
        "body": one.stored(),
        "agent_name": one.agent_name,
        "is_transfer_agent": one.is_transfer_agent,
        "engine_id": engine_id(engine),
        "engine_version": None if isinstance(engine, CustomLlm) else engine.version,
    }
    VERSIONS.save(connection, org_id, one.agent_id, one.version, values)


def find_agent(connection: Connection, org_id: OrgId, agent_id: str, reference: int | str) -> Agent | None:
    """One version, without its tags; `reference` is a number, `latest` or `latest_published`."""
    body = VERSIONS.body(connection, org_id, agent_id, reference)
    return None if body is None else Agent.model_validate_json(body)


def resolve_agent(connection: Connection, org_id: OrgId, agent_id: str, reference: int | str) -> ResolvedAgent:
    """The version that a parsed reference means, with the tag it was found by or has. Raises NotFound."""
    tags = tags_of(connection, org_id, [agent_id])
    asked = next((tag for tag in tags if tag.name == reference), None)
    wanted = reference if asked is None else reference_of_tag(asked.tag)
    one = find_agent(connection, org_id, agent_id, wanted)
    if one is None:
        raise not_found(connection, org_id, agent_id, reference, [tag.name for tag in tags])
    its_tags = [tag for tag in tags if tag.tag.version == one.version]
    one = one.model_copy(update={"assigned_tags": [tag.name for tag in its_tags] or None})
    tag = asked or next(iter(its_tags), None)
    return ResolvedAgent(one) if tag is None else ResolvedAgent(one, tag.name, tag.tag.dynamic_variables)


def not_found(
    connection: Connection, org_id: OrgId, agent_id: str, reference: int | str = LATEST, tags: Sequence[str] = ()
) -> NotFound:
    """The error for an agent, or a version of it, that is not there; it names what is almost that."""
    if VERSIONS.body(connection, org_id, agent_id, LATEST) is None:
        return unknown_agent(agent_id, reference, near=VERSIONS.near(connection, org_id, agent_id))
    named = [*tags, LATEST, LATEST_PUBLISHED]
    near = [] if reference in named else difflib.get_close_matches(str(reference), named, n=1)
    return unknown_agent(agent_id, reference, near=near[0] if near else None)


def newest_users(connection: Connection, org_id: OrgId, engine: str, *, version: int | None = None) -> list[Agent]:
    """The agents whose newest version uses this Retell LLM or flow, or this version of it."""
    wanted = select(agent.c.body).where(VERSIONS.newest(org_id), agent.c.engine_id == engine)
    if version is not None:
        wanted = wanted.where(agent.c.engine_version == version)
    return [Agent.model_validate_json(body) for body in connection.scalars(wanted.order_by(agent.c.agent_id))]


def is_used(connection: Connection, org_id: OrgId, engine: str) -> str | None:
    """The id of an agent any version of which uses this Retell LLM or flow, None when there is none."""
    wanted = select(agent.c.agent_id).where(agent.c.org_id == org_id, agent.c.engine_id == engine)
    return connection.scalar(wanted.order_by(agent.c.agent_id).limit(1))


def tags_of(connection: Connection, org_id: OrgId, agent_ids: Sequence[str]) -> list[NamedTag]:
    """All tags of these agents; of each agent, the one that was assigned last comes first."""
    return [
        NamedTag(row.agent_id, row.tag, AgentTag(row.version, json.loads(row.dynamic_variables)))
        for row in connection.execute(_TAGS, {"org": org_id, "agents": list(set(agent_ids))})
    ]


def with_tags(connection: Connection, org_id: OrgId, agents: Sequence[Agent]) -> list[Agent]:
    """The agents with the names of the tags that each version has."""
    tags = tags_of(connection, org_id, [one.agent_id for one in agents])
    return [
        one.model_copy(update={"assigned_tags": names})
        if (names := [tag.name for tag in tags if (tag.agent_id, tag.tag.version) == (one.agent_id, one.version)])
        else one
        for one in agents
    ]


def put_tag(  # noqa: PLR0913 - a row has as many parts
    connection: Connection,
    org_id: OrgId,
    agent_id: str,
    name: str,
    *,
    version: int | None,
    dynamic_variables: Mapping[str, str],
    now_ms: int,
) -> None:
    """Make a tag, or move it to another version."""
    values = {"version": version, "dynamic_variables": json.dumps(dict(dynamic_variables)), "assigned_ms": now_ms}
    is_same = _tag(org_id, agent_id, name)
    before = _tag_as_told(connection, org_id, agent_id, name)
    after = {name: {"version": version, "dynamic_variables": dict(dynamic_variables)}}
    note(connection, org_id, Act.UPDATE if before else Act.CREATE, "agent_tag", agent_id, before=before, after=after)
    if connection.execute(update(agent_tag).where(is_same).values(values)).rowcount == 0:
        connection.execute(insert(agent_tag).values(org_id=org_id, agent_id=agent_id, tag=name, **values))


def delete_tag(connection: Connection, org_id: OrgId, agent_id: str, name: str) -> bool:
    """Forget a tag; False when there is none."""
    before = _tag_as_told(connection, org_id, agent_id, name)
    if before:
        connection.execute(delete(agent_tag).where(_tag(org_id, agent_id, name)))
        note(connection, org_id, Act.DELETE, "agent_tag", agent_id, before=before)
    return bool(before)


def delete_agent(connection: Connection, org_id: OrgId, agent_id: str) -> bool:
    """Forget all versions and tags; False when there is no such agent."""
    is_of = (agent_tag.c.org_id == org_id) & (agent_tag.c.agent_id == agent_id)
    connection.execute(delete(agent_tag).where(is_of))
    return VERSIONS.delete(connection, org_id, agent_id)


def reference_of_tag(tag: AgentTag) -> int | str:
    """The version that a tag means; one without a version means the latest."""
    return LATEST if tag.version is None else tag.version


def _tag_as_told(connection: Connection, org_id: OrgId, agent_id: str, name: str) -> dict[str, Any]:
    """A tag as the audit log tells of it, nothing when there is none."""
    wanted = select(agent_tag.c.version, agent_tag.c.dynamic_variables).where(_tag(org_id, agent_id, name))
    row = connection.execute(wanted).one_or_none()
    if row is None:
        return {}
    return {name: {"version": row.version, "dynamic_variables": json.loads(row.dynamic_variables)}}


def _tag(org_id: OrgId, agent_id: str, name: str) -> ColumnElement[bool]:
    return (agent_tag.c.org_id == org_id) & (agent_tag.c.agent_id == agent_id) & (agent_tag.c.tag == name)
