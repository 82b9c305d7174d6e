"""Counts what is kept of an organisation's calls, for its privacy report; each count reads an index."""

from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from retold.domain.privacy_report import AgentSettingsShown, KeptCalls, PrivacyReport
from retold.ids import OrgId
from retold.storage.call_changes import tables_beside_calls
from retold.storage.call_tables import call_tombstone
from retold.storage.privacy_tables import erasure
from retold.storage.resource_tables import agent
from retold.storage.tables import call


def privacy_report(connection: Connection, org_id: OrgId, now_ms: int, *, database: str) -> PrivacyReport:
    """The report as it is now."""
    of_org = call.c.org_id == org_id
    ends = call.c.erase_after_ms
    overdue = select(func.count()).select_from(call).where(of_org, ends <= now_ms)
    tombstones = select(func.count()).select_from(call_tombstone).where(call_tombstone.c.org_id == org_id)
    of_kind = select(erasure.c.kind, func.count()).where(erasure.c.org_id == org_id).group_by(erasure.c.kind)
    unfinished = (
        select(func.count()).select_from(erasure).where(erasure.c.org_id == org_id, erasure.c.finished_ms.is_(None))
    )
    return PrivacyReport(
        org_id=org_id,
        made_timestamp=now_ms,
        database=database,
        kept_calls=_kept_calls(connection, org_id),
        overdue_calls=connection.scalar(overdue) or 0,
        rows=_rows(connection, org_id),
        agents=_agents(connection, org_id),
        erased_calls=connection.scalar(tombstones) or 0,
        erasures={str(kind): count for kind, count in connection.execute(of_kind).all()},
        unfinished_erasures=connection.scalar(unfinished) or 0,
    )


def _kept_calls(connection: Connection, org_id: OrgId) -> list[KeptCalls]:
    setting, ends = call.c.data_storage_setting, call.c.erase_after_ms
    of_org = call.c.org_id == org_id
    kept = select(setting, func.count(), func.min(call.c.sort_ms), func.max(call.c.sort_ms))
    ending = select(setting, func.count(), func.min(ends)).where(of_org, ends.is_not(None)).group_by(setting)
    ended = {name: (count, first_ms) for name, count, first_ms in connection.execute(ending).all()}
    rows = connection.execute(kept.where(of_org).group_by(setting).order_by(setting)).all()
    return [
        KeptCalls(
            data_storage_setting=name,
            calls=count,
            first_timestamp=first_ms,
            last_timestamp=last_ms,
            kept_for_ever=count - ended.get(name, (0, None))[0],
            next_erasure_timestamp=ended.get(name, (0, None))[1],
        )
        for name, count, first_ms, last_ms in rows
    ]


def _rows(connection: Connection, org_id: OrgId) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in tables_beside_calls():
        wanted = select(func.count()).select_from(table)
        if "org_id" in table.c:
            wanted = wanted.where(table.c.org_id == org_id)
        else:
            wanted = wanted.join(call, call.c.call_id == table.c.call_id).where(call.c.org_id == org_id)
        counts[table.name] = connection.scalar(wanted) or 0
    return counts


def _agents(connection: Connection, org_id: OrgId) -> list[AgentSettingsShown]:
    newest = select(agent.c.agent_id, func.max(agent.c.version).label("version"))
    latest = newest.where(agent.c.org_id == org_id).group_by(agent.c.agent_id).subquery()
    is_latest = (agent.c.agent_id == latest.c.agent_id) & (agent.c.version == latest.c.version)
    wanted = select(agent.c.agent_id, agent.c.version, agent.c.body).join(latest, is_latest)
    rows = connection.execute(wanted.where(agent.c.org_id == org_id).order_by(agent.c.agent_id)).all()
    return [_shown(agent_id, version, orjson.loads(body)) for agent_id, version, body in rows]


def _shown(agent_id: str, version: int, settings: dict[str, Any]) -> AgentSettingsShown:
    return AgentSettingsShown(
        agent_id=agent_id,
        agent_name=settings.get("agent_name"),
        version=version,
        data_storage_setting=settings.get("data_storage_setting", "everything"),
        data_storage_retention_days=settings.get("data_storage_retention_days"),
        opt_out_sensitive_data_storage=bool(settings.get("opt_out_sensitive_data_storage")),
        opt_in_signed_url=bool(settings.get("opt_in_signed_url")),
        pii_categories=(settings.get("pii_config") or {}).get("categories", []),
    )
