"""The audit log of each organisation: written with the change it tells of, in one transaction.

Who acts is said once around a request or a command (`acting`), and the functions that change rows note what they did.
Outside of any, the server acts by itself.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, insert, select

from retold.domain.audit import FIRST_HASH, SERVER, Act, Actor, AuditEntry, changes, first_fault
from retold.domain.page import Page, PageQuery, Place
from retold.ids import OrgId
from retold.storage.audit_tables import audit

T = TypeVar("T")

_AT_A_TIME: Final = 1_000
_actor: ContextVar[Actor] = ContextVar("actor", default=SERVER)


class _Moment(NamedTuple):
    """By whom and when a transaction's change is made."""

    actor: Actor
    at_ms: int


_moment: ContextVar[_Moment | None] = ContextVar("moment", default=None)


@contextmanager
def acting(actor: Actor) -> Generator[None]:
    """Whoever changes something inside is this one."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def act_as(actor: Actor) -> None:
    """The same for all that the running task does from here on."""
    _actor.set(actor)


def by_whom(work: Callable[[Connection], T], at_ms: int) -> Callable[[Connection], T]:
    """The work as the one who asks for it here and now: the writer's thread does it for many."""
    moment = _Moment(_actor.get(), at_ms)

    def done(connection: Connection) -> T:
        token = _moment.set(moment)
        try:
            return work(connection)
        finally:
            _moment.reset(token)

    return done


def note(  # noqa: PLR0913 - an entry has as many parts
    connection: Connection,
    org_id: OrgId,
    act: Act,
    object_type: str,
    object_id: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to the organisation's log, in the transaction of the change it tells of.

    Of two servers that add one at once, one is tried again: the number is taken.
    """
    last = connection.execute(_LAST, {"org": org_id}).first()
    actor, at_ms = _moment.get() or _Moment(SERVER, 0)
    entry = AuditEntry(
        org_id=org_id,
        sequence=1 if last is None else last.sequence + 1,
        at_ms=at_ms,
        actor=actor,
        act=act,
        object_type=object_type,
        object_id=object_id,
        changes=changes(before, after),
        previous_hash=FIRST_HASH if last is None else last.hash,
        hash="",
    )
    connection.execute(
        insert(audit).values(
            org_id=org_id,
            sequence=entry.sequence,
            at_ms=at_ms,
            actor_kind=actor.kind,
            actor_name=actor.name,
            actor_ip=actor.ip,
            act=entry.act,
            object_type=object_type,
            object_id=object_id,
            changes=entry.changes,
            previous_hash=entry.previous_hash,
            hash=entry.computed_hash(),
        )
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of going through an organisation's log."""

    entries: int
    """That were found to follow from each other."""
    head: str
    """The hash of the last of them: kept elsewhere, it shows later that none was taken away behind it."""
    fault: int | None
    """The number of the first entry that was altered, or taken away; None when none was."""
    has_known: bool = True
    """Whether the hash that was asked for is that of one of them."""

    @property
    def is_good(self) -> bool:
        """Whether nothing shows that the log was altered."""
        return self.fault is None and self.has_known


def verify(connection: Connection, org_id: OrgId, known: str | None = None) -> Verdict:
    """Go through the whole log of an organisation, and look for a hash that is known to have been in it."""
    sequence, head = 0, FIRST_HASH
    has_known = known is None or known == FIRST_HASH
    while True:
        wanted = _OF_ORG.where(audit.c.org_id == org_id, audit.c.sequence > sequence)
        rows = connection.execute(wanted.order_by(audit.c.sequence).limit(_AT_A_TIME)).all()
        entries = [_entry(row) for row in rows]
        fault = first_fault(entries, head, sequence)
        if fault is not None:
            return Verdict(fault - 1, head if fault == sequence + 1 else entries[fault - sequence - 2].hash, fault)
        has_known = has_known or any(entry.hash == known for entry in entries)
        if entries:
            sequence, head = entries[-1].sequence, entries[-1].hash
        if len(rows) < _AT_A_TIME:
            return Verdict(sequence, head, None, has_known)


def read_entries(connection: Connection, org_id: OrgId, query: PageQuery, object_id: str | None) -> Page[AuditEntry]:
    """One page of the log by number, of one thing or of all."""
    wanted = _OF_ORG.where(audit.c.org_id == org_id)
    if object_id is not None:
        wanted = wanted.where(audit.c.object_id == object_id)
    if query.after is not None:
        after = query.after.number
        wanted = wanted.where(audit.c.sequence < after if query.is_descending else audit.c.sequence > after)
    order = audit.c.sequence.desc() if query.is_descending else audit.c.sequence
    rows = connection.execute(wanted.order_by(order).limit(query.limit + 1)).all()
    shown = [_entry(row) for row in rows[: query.limit]]
    return Page(shown, Place(shown[-1].sequence, "").key() if len(rows) > query.limit else None)


def _entry(row: Row[*tuple[Any, ...]]) -> AuditEntry:
    return AuditEntry(
        org_id=row.org_id,
        sequence=row.sequence,
        at_ms=row.at_ms,
        actor=Actor(row.actor_kind, row.actor_name, row.actor_ip),
        act=row.act,
        object_type=row.object_type,
        object_id=row.object_id,
        changes=row.changes,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


_OF_ORG: Select[*tuple[Any, ...]] = select(audit)
_LAST = (
    select(audit.c.sequence, audit.c.hash)
    .where(audit.c.org_id == bindparam("org"))
    .order_by(audit.c.sequence.desc())
    .limit(1)
)
