"""Conversation flows and shared components as rows, for work inside a transaction."""

from collections.abc import Iterable

import orjson
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from retold.domain.audit import Act
from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_check import shared_ids
from retold.domain.version_reference import LATEST, unknown
from retold.errors import NotFound
from retold.ids import OrgId
from retold.storage.audit import note
from retold.storage.near import near_id
from retold.storage.resource_tables import conversation_flow, flow_component, flow_component_use
from retold.storage.versions import VersionedRows

VERSIONS = VersionedRows(conversation_flow, "conversation_flow_id")
_NO_VERSION = -1


def save_flow(connection: Connection, org_id: OrgId, one: Flow) -> None:
    """Keep this version, in place of what was kept of it."""
    values = {
        "is_published": one.is_published,
        "last_modification_timestamp": one.last_modification_timestamp,
        "body": one.stored(),
    }
    VERSIONS.save(connection, org_id, one.conversation_flow_id, one.version, values)
    _note_uses(connection, org_id, one.conversation_flow_id, one.version, shared_ids(one))


def find_flow(connection: Connection, org_id: OrgId, flow_id: str, reference: int | str = LATEST) -> Flow | None:
    """One version."""
    body = VERSIONS.body(connection, org_id, flow_id, reference)
    return None if body is None else Flow.model_validate_json(body)


def delete_flow(connection: Connection, org_id: OrgId, flow_id: str) -> None:
    """Forget all versions."""
    VERSIONS.delete(connection, org_id, flow_id)
    connection.execute(delete(flow_component_use).where(_of_user(org_id, flow_id)))


def save_component(connection: Connection, org_id: OrgId, one: SharedComponent) -> None:
    """Keep a shared component, in place of what was kept of it."""
    component_id = one.conversation_flow_component_id
    values = {"user_modified_timestamp": one.user_modified_timestamp, "body": one.stored()}
    is_same = _is_component(org_id, component_id)
    before = connection.scalar(select(flow_component.c.body).where(is_same))
    _note_component(connection, org_id, component_id, before, one.stored())
    if connection.execute(update(flow_component).where(is_same).values(values)).rowcount == 0:
        names = {"org_id": org_id, "conversation_flow_component_id": component_id}
        connection.execute(insert(flow_component).values(**names, **values))
    _note_uses(connection, org_id, component_id, _NO_VERSION, shared_ids(one))


def find_component(connection: Connection, org_id: OrgId, component_id: str) -> SharedComponent:
    """A shared component. Raises NotFound."""
    body = connection.scalar(select(flow_component.c.body).where(_is_component(org_id, component_id)))
    if body is None:
        is_own = flow_component.c.org_id == org_id
        near = near_id(connection, flow_component.c.conversation_flow_component_id, is_own, component_id)
        raise unknown(
            "component",
            component_id,
            field="conversation_flow_component_id",
            lists="GET /v2/list-conversation-flow-components",
            near=near,
        )
    return SharedComponent.model_validate_json(body)


def delete_component(connection: Connection, org_id: OrgId, component_id: str) -> None:
    """Forget a shared component and what it names."""
    is_it = _is_component(org_id, component_id)
    before = connection.scalar(select(flow_component.c.body).where(is_it))
    _note_component(connection, org_id, component_id, before, None)
    connection.execute(delete(flow_component).where(is_it))
    connection.execute(delete(flow_component_use).where(_of_user(org_id, component_id)))


def components_named(connection: Connection, org_id: OrgId, ids: Iterable[str]) -> dict[str, SharedComponent]:
    """The shared components of these ids and all that they name in turn; those that are not there are left out."""
    found: dict[str, SharedComponent] = {}
    wanted = set(ids)
    while wanted:
        its_id = flow_component.c.conversation_flow_component_id
        rows = select(flow_component.c.body).where(flow_component.c.org_id == org_id, its_id.in_(wanted))
        more = [SharedComponent.model_validate_json(body) for body in connection.scalars(rows)]
        found |= {one.conversation_flow_component_id: one for one in more}
        wanted = {inner for one in more for inner in shared_ids(one)} - found.keys()
    return found


def flows_naming(connection: Connection, org_id: OrgId, component_id: str) -> list[Flow]:
    """Every version of every flow that names a shared component."""
    of_flow = (conversation_flow.c.org_id == flow_component_use.c.org_id) & (
        conversation_flow.c.conversation_flow_id == flow_component_use.c.user_id
    )
    is_version = conversation_flow.c.version == flow_component_use.c.version
    uses = select(flow_component_use.c.user_id).where(_of_component(org_id, component_id), of_flow, is_version)
    rows = select(conversation_flow.c.body).where(uses.exists())
    return [Flow.model_validate_json(body) for body in connection.scalars(rows)]


def flow_ids_naming(connection: Connection, org_id: OrgId, component_id: str) -> list[str]:
    """The ids of the flows of which any version names a shared component."""
    users = select(flow_component_use.c.user_id).distinct().where(_of_component(org_id, component_id))
    return list(
        connection.scalars(users.where(flow_component_use.c.version >= 0).order_by(flow_component_use.c.user_id))
    )


def component_naming(connection: Connection, org_id: OrgId, component_id: str) -> str | None:
    """The id of a shared component that names this one, None when there is none."""
    users = select(flow_component_use.c.user_id).where(_of_component(org_id, component_id))
    users = users.where(flow_component_use.c.version == _NO_VERSION)
    return connection.scalar(users.order_by(flow_component_use.c.user_id).limit(1))


def unknown_flow(
    flow_id: str,
    version: int | str | None = None,
    *,
    field: str = "conversation_flow_id",
    near: str | None = None,
) -> NotFound:
    """The flow, or this version of it, is not there."""
    shown = None if version == LATEST else version
    # To name the same once more, because only its version is not there, helps nobody.
    near = None if near == flow_id else near
    lists = "GET /v2/list-conversation-flows"
    return unknown("conversation flow", flow_id, field=field, version=shown, lists=lists, near=near)


def _note_uses(connection: Connection, org_id: OrgId, user_id: str, version: int, component_ids: Iterable[str]) -> None:
    is_same = _of_user(org_id, user_id) & (flow_component_use.c.version == version)
    connection.execute(delete(flow_component_use).where(is_same))
    for component_id in sorted(component_ids):
        names = {"conversation_flow_component_id": component_id, "user_id": user_id, "version": version}
        connection.execute(insert(flow_component_use).values(org_id=org_id, **names))


def _note_component(
    connection: Connection, org_id: OrgId, component_id: str, before: str | None, after: str | None
) -> None:
    """Have the audit log tell what became of a component."""
    act = Act.CREATE if before is None else Act.DELETE if after is None else Act.UPDATE
    bodies = {"before": orjson.loads(before or "{}"), "after": orjson.loads(after or "{}")}
    note(connection, org_id, act, "flow_component", component_id, **bodies)


def _is_component(org_id: OrgId, component_id: str) -> ColumnElement[bool]:
    columns = flow_component.c
    return (columns.org_id == org_id) & (columns.conversation_flow_component_id == component_id)


def _of_component(org_id: OrgId, component_id: str) -> ColumnElement[bool]:
    columns = flow_component_use.c
    return (columns.org_id == org_id) & (columns.conversation_flow_component_id == component_id)


def _of_user(org_id: OrgId, user_id: str) -> ColumnElement[bool]:
    return (flow_component_use.c.org_id == org_id) & (flow_component_use.c.user_id == user_id)
