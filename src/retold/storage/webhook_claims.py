"""Which of the waiting events may be sent now: SQL and arithmetic, inside the caller's transactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, select, update

from retold.domain.webhook_schedule import AT_ONCE, NO_TROUBLE, Trouble
from retold.storage.claims import Claims
from retold.storage.webhook_tables import webhook_endpoint, webhook_event

CANDIDATES: Final = 200
"""Events that are looked at together; more are due than are ever sent at once."""
TRANSCRIPT_UPDATED: Final = "transcript_updated"
"""Of these, only the newest of a call is worth sending."""
PENDING: Final = webhook_event.c.state == "pending"
_EARLIER: Final = webhook_event.alias("earlier")


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that is to be sent."""

    row_id: int
    event_id: str
    org_id: str
    call_id: str
    event: str
    endpoint: str
    url: str
    timeout_ms: int
    attempts: int
    """That have failed since it was put in line."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for its webhooks."""

    due: Sequence[DueEvent]
    """In the order in which they are to be sent, as many as are looked at."""
    rooms: Mapping[str, int]
    """How many more attempts may go to an endpoint, where it is not the usual number."""
    gone: Sequence[str]
    """Endpoints that want nothing any more."""
    wake_ms: int | None
    """When there may be more to do; None when nothing waits."""


def look(connection: Connection, claims: Claims, now_ms: int) -> Waiting:
    """What may be sent at this moment; reads only."""
    troubles, gone, rests = _troubles(connection, now_ms)
    leased = PENDING & webhook_event.c.lease_until_ms.is_not(None) & ~claims.is_free(now_ms)
    counted = select(webhook_event.c.endpoint, func.count()).where(leased).group_by(webhook_event.c.endpoint)
    in_flight = {endpoint: int(count) for endpoint, count in connection.execute(counted)}
    rooms = {
        endpoint: troubles.get(endpoint, NO_TROUBLE).room(in_flight.get(endpoint, 0), now_ms)
        for endpoint in {*in_flight, *troubles}
    }
    shut = [endpoint for endpoint, room in rooms.items() if room == 0] + gone
    due = [DueEvent(*row) for row in connection.execute(_due(claims, shut, now_ms))]
    return Waiting(due, rooms, gone, _wake_ms(connection, rests, now_ms))


def chosen(waiting: Waiting, room: int) -> list[DueEvent]:
    """The first events that fit into the room there is, here and at their endpoints."""
    left = dict(waiting.rooms)
    found: list[DueEvent] = []
    for event in waiting.due:
        at_endpoint = left.get(event.endpoint, AT_ONCE)
        if at_endpoint > 0 and len(found) < room:
            left[event.endpoint] = at_endpoint - 1
            found.append(event)
    return found


def supersede(connection: Connection, newer: Mapping[str, Any]) -> None:
    """Forget the transcripts of a call that a newer one makes pointless, but for one that is under way."""
    mine = webhook_event.c
    older = (mine.call_id == newer["call_id"]) & (mine.event == TRANSCRIPT_UPDATED) & PENDING & mine.leased_by.is_(None)
    connection.execute(delete(webhook_event).where(older))


def is_superseded(connection: Connection, event: DueEvent) -> bool:
    """Whether an event that failed need not be tried again, as a newer transcript of its call is there."""
    if event.event != TRANSCRIPT_UPDATED:
        return False
    mine = webhook_event.c
    newer = (mine.call_id == event.call_id) & (mine.event == TRANSCRIPT_UPDATED) & (mine.row_id > event.row_id)
    return connection.scalar(select(mine.row_id).where(newer).limit(1)) is not None


def drop(connection: Connection, which: ColumnElement[bool], now_ms: int) -> None:
    """Take events out of the line, as their endpoint wants nothing any more."""
    values = {"state": "dropped", "settled_ms": now_ms}
    connection.execute(update(webhook_event).where(PENDING & which).values(values))


def note_failure(connection: Connection, event: DueEvent, now_ms: int) -> None:
    """Count a failure of an endpoint."""
    this = webhook_endpoint.c.endpoint == event.endpoint
    row = connection.execute(select(webhook_endpoint.c.failures, webhook_endpoint.c.open_until_ms).where(this)).first()
    after = (NO_TROUBLE if row is None else Trouble(row.failures, row.open_until_ms)).after_failure(now_ms)
    values = {"failures": after.failures, "open_until_ms": after.open_until_ms, "changed_ms": now_ms}
    if row is None:
        # A claim of another server may write the row at the same time: who comes second then changes nothing.
        _insert(connection, event, values)
    else:
        connection.execute(update(webhook_endpoint).where(this).values(values))


def disable(connection: Connection, event: DueEvent, now_ms: int) -> None:
    """Note that an endpoint wants nothing any more."""
    connection.execute(delete(webhook_endpoint).where(webhook_endpoint.c.endpoint == event.endpoint))
    _insert(connection, event, {"failures": 1, "changed_ms": now_ms, "disabled_ms": now_ms})


def _insert(connection: Connection, event: DueEvent, values: Mapping[str, Any]) -> None:
    row = {"endpoint": event.endpoint, "org_id": event.org_id, "url": event.url, **values}
    connection.execute(insert(webhook_endpoint).values(row))


def _due(claims: Claims, shut: Sequence[str], now_ms: int) -> Select[Any]:
    mine, earlier = webhook_event.c, _EARLIER.c
    # In order: nothing is tried for the first time while something of the same call, before it, was never tried.
    waits = exists().where(
        earlier.call_id == mine.call_id,
        earlier.row_id < mine.row_id,
        earlier.endpoint == mine.endpoint,
        earlier.state == "pending",
        earlier.attempts == 0,
    )
    may_go = PENDING & (mine.due_ms <= now_ms) & claims.is_free(now_ms) & mine.endpoint.not_in(shut) & ~waits
    columns = [mine[name] for name in DueEvent.__slots__]
    # As the index has them: sorted otherwise, all that is due would be read for the first few.
    return select(*columns).where(may_go).order_by(mine.due_ms, mine.endpoint, mine.row_id).limit(CANDIDATES)


def _troubles(connection: Connection, now_ms: int) -> tuple[dict[str, Trouble], list[str], list[int]]:
    """The endpoints in trouble, those that are gone, and when the next ones have rested enough."""
    columns = webhook_endpoint.c
    serious = columns.open_until_ms.is_not(None) | columns.disabled_ms.is_not(None)
    rows = connection.execute(select(webhook_endpoint).where(serious)).all()
    troubles = {row.endpoint: Trouble(row.failures, row.open_until_ms) for row in rows if row.disabled_ms is None}
    gone = [row.endpoint for row in rows if row.disabled_ms is not None]
    rests = [one.open_until_ms for one in troubles.values() if one.open_until_ms and one.open_until_ms > now_ms]
    return troubles, gone, rests


def _wake_ms(connection: Connection, rests: Sequence[int], now_ms: int) -> int | None:
    columns = webhook_event.c
    later = connection.scalar(select(func.min(columns.due_ms)).where(PENDING & (columns.due_ms > now_ms)))
    until = columns.lease_until_ms
    leased = connection.scalar(select(func.min(until)).where(until.is_not(None), until > now_ms))
    return min((moment for moment in (later, leased, *rests) if moment is not None), default=None)
