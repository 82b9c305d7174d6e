"""The phone numbers that a server keeps; the passwords of their trunks are sealed with the master key."""

from collections.abc import Callable
from typing import Any

import anyio.to_thread
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from retold.domain.audit import Act
from retold.domain.page import Page, PageQuery
from retold.domain.phone_number import PhoneNumber
from retold.domain.version_reference import parse_version, unknown
from retold.errors import InvalidRequest, NotFound, PreconditionFailed
from retold.ids import OrgId
from retold.storage.agent_rows import resolve_agent
from retold.storage.audit import note
from retold.storage.database import Database
from retold.storage.master_key import MasterKey
from retold.storage.near import near_id
from retold.storage.pages import read_page
from retold.storage.resource_tables import phone_number


class NumberStore:
    """Phone numbers by organisation; every write returns once it is committed with fsync."""

    def __init__(self, database: Database, master_key: MasterKey) -> None:
        self._database = database
        self._master_key = master_key

    async def create(self, org_id: OrgId, one: PhoneNumber, password: str | None) -> None:
        """Keep a new number. Raises InvalidRequest when it is there already, NotFound for an agent that is not."""
        sealed = await self._sealed(org_id, one.phone_number, password)

        def work(connection: Connection) -> None:
            if _body(connection, org_id, one.phone_number) is not None:
                raise InvalidRequest(
                    f"phone number {one.phone_number} is there already",
                    field="phone_number",
                    fix="PATCH /update-phone-number changes it",
                )
            _check(connection, org_id, one)
            names = {"org_id": org_id, "phone_number": one.phone_number}
            connection.execute(insert(phone_number).values(**names, **_values(one), sealed_password=sealed))
            _note(connection, org_id, None, one, is_password_set=sealed is not None)

        await self._database.write(work)

    async def find(self, org_id: OrgId, number: str, *, field: str = "phone_number") -> PhoneNumber:
        """The number. Raises NotFound, which names the `field` of the request that the number stood in."""
        return await self._database.read(lambda connection: _found(connection, org_id, number, field))

    async def change(
        self, org_id: OrgId, number: str, change: Callable[[PhoneNumber], PhoneNumber], password: str | None
    ) -> PhoneNumber:
        """Change a number in one go, and its password unless that is None. Raises what `change` raises too."""
        sealed = await self._sealed(org_id, number, password)

        def work(connection: Connection) -> PhoneNumber:
            before = _found(connection, org_id, number)
            changed = change(before)
            _check(connection, org_id, changed)
            _note(connection, org_id, before, changed, is_password_set=sealed is not None)
            values = _values(changed) | ({} if sealed is None else {"sealed_password": sealed})
            connection.execute(update(phone_number).where(_is(org_id, number)).values(values))
            return changed

        return await self._database.write(work)

    async def password(self, org_id: OrgId, number: str) -> str | None:
        """What the number's trunk asks for, None when it has no password."""
        wanted = select(phone_number.c.sealed_password).where(_is(org_id, number))
        sealed = await self._database.read(lambda connection: connection.scalar(wanted))
        if sealed is None:
            return None
        return await anyio.to_thread.run_sync(
            lambda: self._master_key.open(sealed, owner=owner_of_password(org_id, number))
        )

    async def delete(self, org_id: OrgId, number: str) -> None:
        """Forget a number. Raises NotFound."""

        def work(connection: Connection) -> None:
            _note(connection, org_id, _found(connection, org_id, number), None)
            connection.execute(delete(phone_number).where(_is(org_id, number)))

        await self._database.write(work)

    async def page(self, org_id: OrgId, query: PageQuery) -> Page[PhoneNumber]:
        """Numbers by last change."""
        wanted = select(phone_number.c.body).where(phone_number.c.org_id == org_id)
        order = (phone_number.c.last_modification_timestamp, phone_number.c.phone_number)
        return await self._database.read(lambda connection: read_page(connection, wanted, order, query, _number))

    async def _sealed(self, org_id: OrgId, number: str, password: str | None) -> str | None:
        if password is None:
            return None
        owner = owner_of_password(org_id, number)
        return await anyio.to_thread.run_sync(lambda: self._master_key.seal(password, owner=owner))


def unbind_agent(connection: Connection, org_id: OrgId, agent_id: str, now_ms: int) -> list[str]:
    """Have no number name this agent any more; gives the numbers that did."""
    bound = _bound(connection, org_id, agent_id)
    for one in bound:
        changed = one.without_agent(agent_id, now_ms)
        connection.execute(update(phone_number).where(_is(org_id, one.phone_number)).values(_values(changed)))
        _note(connection, org_id, one, changed)
    return [one.phone_number for one in bound]


def check_bound(connection: Connection, org_id: OrgId, agent_id: str, what: str) -> None:
    """Raise PreconditionFailed when a number names a version of this agent that is not there any more.

    `what` was taken away says the message, such as `version 3 of agent agent_1`.
    """
    for one in _bound(connection, org_id, agent_id):
        for agent in one.agents():
            try:
                resolve_agent(connection, org_id, agent.agent_id, parse_version(agent.agent_version))
            except NotFound as error:
                raise PreconditionFailed(
                    f"{what} is bound to phone number {one.phone_number}",
                    field="version",
                    fix=f"PATCH /update-phone-number/{one.phone_number} binds another",
                ) from error


def _bound(connection: Connection, org_id: OrgId, agent_id: str) -> list[PhoneNumber]:
    """The numbers that name this agent."""
    wanted = select(phone_number.c.body).where(
        phone_number.c.org_id == org_id, phone_number.c.body.contains(agent_id, autoescape=True)
    )
    numbers = [PhoneNumber.model_validate_json(body) for body in connection.scalars(wanted)]
    return [one for one in numbers if any(agent.agent_id == agent_id for agent in one.agents())]


def owner_of_password(org_id: OrgId, number: str) -> str:
    """What a password is sealed to: moved to another row, it does not open."""
    return f"phone_number:{org_id}:{number}"


def _is(org_id: OrgId, number: str) -> ColumnElement[bool]:
    return (phone_number.c.org_id == org_id) & (phone_number.c.phone_number == number)


def _body(connection: Connection, org_id: OrgId, number: str) -> str | None:
    return connection.scalar(select(phone_number.c.body).where(_is(org_id, number)))


def _found(connection: Connection, org_id: OrgId, number: str, field: str = "phone_number") -> PhoneNumber:
    body = _body(connection, org_id, number)
    if body is None:
        near = near_id(connection, phone_number.c.phone_number, phone_number.c.org_id == org_id, number)
        raise unknown("phone number", number, field=field, lists="GET /v2/list-phone-numbers", near=near)
    return PhoneNumber.model_validate_json(body)


def _check(connection: Connection, org_id: OrgId, one: PhoneNumber) -> None:
    """Every agent is there, and the fallback is the end of the line."""
    for agent in one.agents():
        resolve_agent(connection, org_id, agent.agent_id, parse_version(agent.agent_version))
    if one.fallback_number is None:
        return
    try:
        fallback = _found(connection, org_id, one.fallback_number)
    except NotFound:  # a number elsewhere
        return
    if fallback.fallback_number is not None:
        raise InvalidRequest(
            f"fallback_number {one.fallback_number} has a fallback of its own",
            field="fallback_number",
            fix="use a number without one",
        )


def _note(
    connection: Connection,
    org_id: OrgId,
    before: PhoneNumber | None,
    after: PhoneNumber | None,
    *,
    is_password_set: bool = False,
) -> None:
    """Have the audit log tell what became of a number; of its password, that it was set."""
    act = Act.CREATE if before is None else Act.DELETE if after is None else Act.UPDATE
    old, new = ({} if one is None else one.model_dump(mode="json", exclude_none=True) for one in (before, after))
    if is_password_set:
        new["password"] = True
    number = old.get("phone_number") or new["phone_number"]
    note(connection, org_id, act, "phone_number", number, before=old, after=new)


def _values(one: PhoneNumber) -> dict[str, Any]:
    return {
        "last_modification_timestamp": one.last_modification_timestamp,
        "body": one.model_dump_json(exclude_none=True),
    }


def _number(row: Any) -> PhoneNumber:
    return PhoneNumber.model_validate_json(row.body)
