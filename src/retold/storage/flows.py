"""The conversation flows that a server keeps, by version, and the components that they share."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_check import check_component, check_flow, shared_ids
from retold.domain.flow_request import as_local
from retold.domain.page import Page, PageQuery
from retold.domain.version_reference import LATEST, parse_version
from retold.errors import InvalidRequest, PreconditionFailed
from retold.ids import OrgId
from retold.storage import agent_rows, flow_rows
from retold.storage.database import Database
from retold.storage.drafts import draft_flow
from retold.storage.flow_rows import VERSIONS
from retold.storage.pages import read_page
from retold.storage.resource_tables import conversation_flow, flow_component


class FlowStore:
    """Conversation flows by organisation; every write returns once it is committed with fsync.

    A `reference` names a version: a number, `latest` (also None) or `latest_published`. Methods that name one raise
    InvalidRequest when it is malformed and NotFound when it is not there. What is written is checked in the same
    transaction: a flow that cannot run raises InvalidRequest.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, org_id: OrgId, one: Flow) -> None:
        """Keep this version, in place of what was kept of it."""
        await self._database.write(lambda connection: _save_checked(connection, org_id, one))

    async def resolve(self, org_id: OrgId, flow_id: str, reference: int | str | None = None) -> Flow:
        """The version that a reference means."""
        parsed = parse_version(reference)
        return await self._database.read(lambda connection: _found(connection, org_id, flow_id, parsed))

    async def change(
        self, org_id: OrgId, flow_id: str, reference: int | str | None, change: Callable[[Flow], Flow], now_ms: int
    ) -> Flow:
        """Change one version in one go; when the latest is meant and is published, a new draft of it.

        `change` runs in the writer's thread. Raises what it raises, and PreconditionFailed for a published version;
        nothing is changed then.
        """
        parsed = parse_version(reference)

        def work(connection: Connection) -> Flow:
            one = _found(connection, org_id, flow_id, parsed)
            if one.is_published and parsed == LATEST:
                one = draft_flow(connection, org_id, one, now_ms)
            if one.is_published:
                raise PreconditionFailed(
                    f"version {one.version} of conversation flow {flow_id} is published and cannot change",
                    field="version",
                    fix="POST /create-agent-version makes a draft of an agent and its flow",
                )
            changed = change(one)
            _save_checked(connection, org_id, changed)
            return changed

        return await self._database.write(work)

    async def delete(self, org_id: OrgId, flow_id: str, *, is_forced: bool) -> None:
        """Forget all versions. Raises InvalidRequest while an agent uses one, unless forced."""

        def work(connection: Connection) -> None:
            _found(connection, org_id, flow_id, LATEST)
            user = agent_rows.is_used(connection, org_id, flow_id)
            if user is not None and not is_forced:
                raise InvalidRequest(
                    f"conversation flow {flow_id} is used by agent {user}",
                    field="conversation_flow_id",
                    fix="delete the agent or give it another response engine, or send force_delete=true",
                )
            flow_rows.delete_flow(connection, org_id, flow_id)

        await self._database.write(work)

    async def page(self, org_id: OrgId, query: PageQuery) -> Page[Flow]:
        """The newest version of each flow by last change."""
        wanted = select(conversation_flow.c.body).where(VERSIONS.newest(org_id))
        order = (conversation_flow.c.last_modification_timestamp, conversation_flow.c.conversation_flow_id)
        return await self._database.read(lambda connection: read_page(connection, wanted, order, query, _flow))

    async def all_versions(
        self, org_id: OrgId, *, limit: int, after: tuple[str, int | None] | None
    ) -> list[Flow] | None:
        """Versions of all flows, by id; the page begins after a flow (and version). None when `after` names none."""

        def read(connection: Connection) -> list[Flow] | None:
            columns = conversation_flow.c
            wanted = select(columns.body).where(columns.org_id == org_id)
            if after is not None:
                flow_id, version = after
                last = flow_rows.find_flow(connection, org_id, flow_id, LATEST if version is None else version)
                if last is None:
                    return None
                is_older = (columns.conversation_flow_id == flow_id) & (
                    columns.version < (-1 if version is None else version)
                )
                wanted = wanted.where((columns.conversation_flow_id > flow_id) | is_older)
            wanted = wanted.order_by(columns.conversation_flow_id, columns.version.desc()).limit(limit)
            return [Flow.model_validate_json(body) for body in connection.scalars(wanted)]

        return await self._database.read(read)


class ComponentStore:
    """Shared components by organisation; every write returns once it is committed with fsync.

    Methods that name one raise NotFound when it is not there. What is written is checked in the same transaction: a
    component that cannot run raises InvalidRequest.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, org_id: OrgId, one: SharedComponent) -> None:
        """Keep a component, in place of what was kept of it."""
        await self._database.write(lambda connection: _save_checked_component(connection, org_id, one))

    async def find(self, org_id: OrgId, component_id: str) -> tuple[SharedComponent, list[str]]:
        """A component, and the ids of the flows that use it."""
        return await self._database.read(
            lambda connection: (
                flow_rows.find_component(connection, org_id, component_id),
                flow_rows.flow_ids_naming(connection, org_id, component_id),
            )
        )

    async def named_by(self, org_id: OrgId, flow: Flow) -> dict[str, SharedComponent]:
        """The shared components that a flow goes through, by id."""
        return await self._database.read(
            lambda connection: flow_rows.components_named(connection, org_id, shared_ids(flow))
        )

    async def change(
        self, org_id: OrgId, component_id: str, change: Callable[[SharedComponent], SharedComponent]
    ) -> tuple[SharedComponent, list[str]]:
        """Change a component in one go; it is changed in all flows that use it, published ones included.

        `change` runs in the writer's thread.
        """

        def work(connection: Connection) -> tuple[SharedComponent, list[str]]:
            changed = change(flow_rows.find_component(connection, org_id, component_id))
            _save_checked_component(connection, org_id, changed)
            return changed, flow_rows.flow_ids_naming(connection, org_id, component_id)

        return await self._database.write(work)

    async def delete(self, org_id: OrgId, component_id: str) -> None:
        """Forget a component; flows that use it get a copy of their own.

        Raises InvalidRequest while another shared component uses it, which can have no copy.
        """

        def work(connection: Connection) -> None:
            component = flow_rows.find_component(connection, org_id, component_id)
            user = flow_rows.component_naming(connection, org_id, component_id)
            if user is not None:
                raise InvalidRequest(
                    f"component {component_id} is used by component {user}",
                    field="conversation_flow_component_id",
                    fix="change that component first",
                )
            for flow in flow_rows.flows_naming(connection, org_id, component_id):
                flow_rows.save_flow(connection, org_id, as_local(flow, component))
            flow_rows.delete_component(connection, org_id, component_id)

        await self._database.write(work)

    async def page(self, org_id: OrgId, query: PageQuery) -> Page[tuple[SharedComponent, list[str]]]:
        """The components by last change, each with the ids of the flows that use it."""
        columns = flow_component.c
        wanted = select(columns.body).where(columns.org_id == org_id)
        order = (columns.user_modified_timestamp, columns.conversation_flow_component_id)

        def read(connection: Connection) -> Page[tuple[SharedComponent, list[str]]]:
            page = read_page(connection, wanted, order, query, _component)
            ids = [one.conversation_flow_component_id for one in page.items]
            users = [flow_rows.flow_ids_naming(connection, org_id, one) for one in ids]
            return Page(list(zip(page.items, users, strict=True)), page.pagination_key)

        return await self._database.read(read)


def _found(connection: Connection, org_id: OrgId, flow_id: str, reference: int | str) -> Flow:
    found = flow_rows.find_flow(connection, org_id, flow_id, reference)
    if found is None:
        raise flow_rows.unknown_flow(flow_id, reference, near=VERSIONS.near(connection, org_id, flow_id))
    return found


def _save_checked(connection: Connection, org_id: OrgId, one: Flow) -> None:
    check_flow(one, flow_rows.components_named(connection, org_id, shared_ids(one)))
    flow_rows.save_flow(connection, org_id, one)


def _save_checked_component(connection: Connection, org_id: OrgId, one: SharedComponent) -> None:
    check_component(one, flow_rows.components_named(connection, org_id, shared_ids(one)))
    flow_rows.save_component(connection, org_id, one)


def _flow(row: Any) -> Flow:
    return Flow.model_validate_json(row.body)


def _component(row: Any) -> SharedComponent:
    return SharedComponent.model_validate_json(row.body)
