"""The events that wait for their webhooks: who takes which, and what is written of each attempt.

```
pending --2xx--> delivered
   |  ^--another try--'
   |--all attempts failed, or four days behind an endpoint in trouble--> dead
   '--its endpoint said 410--> dropped
```
An event is claimed by lease, so each has at most one attempt in flight, over all servers.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from retold.clock import Clock
from retold.crash import crash_point
from retold.domain.audit import Act
from retold.domain.webhook_events import OrgWebhook
from retold.domain.webhook_schedule import GIVEN_UP_MS
from retold.ids import OrgId
from retold.storage.audit import note
from retold.storage.claims import Claims
from retold.storage.database import Database
from retold.storage.owners import Owners
from retold.storage.tables import org
from retold.storage.webhook_claims import (
    CANDIDATES,
    PENDING,
    DueEvent,
    chosen,
    disable,
    drop,
    is_superseded,
    look,
    note_failure,
)
from retold.storage.webhook_tables import webhook_attempt, webhook_endpoint, webhook_event

T = TypeVar("T")

_SWEPT_AT_A_TIME: Final = 500
_ORG_MAX_AGE_MS: Final = 1_000
"""What another server of the same database has set for an organisation is seen here no later than this."""


@dataclass(frozen=True, slots=True)
class EventContent:
    """What an event says, as it was stored."""

    call: bytes
    """The call as compressed JSON."""
    extra: str | None
    is_whole: bool
    files_token: str
    link_lifetime_ms: int | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What there is to do."""

    events: list[DueEvent]
    wake_ms: int | None
    """When there may be more to do, if nothing else happens; None when nothing waits."""
    is_cut: bool
    """Whether more may be due at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one attempt."""

    at_ms: int
    took_ms: int
    status: int | None
    """None when there was no answer."""
    error: str | None
    """Why not."""
    reply: bytes
    """The beginning of the answer's body."""


class WebhookStore:
    """The webhook events of one database."""

    def __init__(self, database: Database, owners: Owners, clock: Clock) -> None:
        self._database = database
        self._owners = owners
        self._clock = clock
        self._orgs: dict[str, tuple[float, int, OrgWebhook]] = {}
        self.news = anyio.Event()
        """Set, and replaced, when there may be something to deliver."""

    def ring(self) -> None:
        """Say that there may be something to deliver."""
        self.news.set()
        self.news = anyio.Event()

    # --- what an organisation has set ---

    async def org_webhook(self, org_id: OrgId) -> OrgWebhook:
        """What an organisation has set; kept for a second, as every call asks twice. Raises StorageError."""
        changes, now_ms = self._database.changes, self._clock.monotonic_ms()
        known = self._orgs.get(org_id)
        if known is not None and known[1] == changes and now_ms - known[0] <= _ORG_MAX_AGE_MS:
            return known[2]
        wanted = select(org.c.webhook_url, org.c.webhook_events, org.c.webhook_timeout_ms).where(org.c.org_id == org_id)
        row = await self._database.read(lambda connection: connection.execute(wanted).first())
        found = OrgWebhook() if row is None else OrgWebhook(row[0], row[1] and orjson.loads(row[1]), row[2])
        self._orgs[org_id] = (now_ms, changes, found)
        return found

    async def set_org_webhook(self, org_id: OrgId, webhook: OrgWebhook) -> None:
        """Set the webhook of an organisation. Raises StorageError."""
        events = None if webhook.events is None else orjson.dumps(list(webhook.events)).decode()
        values = {"webhook_url": webhook.url, "webhook_events": events, "webhook_timeout_ms": webhook.timeout_ms}
        mine = org.c.org_id == org_id

        def work(connection: Connection) -> None:
            before = connection.execute(select(*(org.c[name] for name in values)).where(mine)).mappings().first()
            connection.execute(update(org).where(mine).values(values))
            note(connection, org_id, Act.UPDATE, "organisation", org_id, before=dict(before or {}), after=values)

        await self._database.write(work)

    # --- delivery ---

    async def release_former(self) -> int:
        """End what an earlier process of this server had under way; to be called before the first claim."""
        return await self._write(self._claims.release_former)

    async def claim(self, room: int, mine: Collection[int]) -> Claimed:
        """Take up to `room` due events, none of `mine`, which are under way here. Raises StorageError."""
        now_ms, claims = self._clock.wall_ms(), self._claims
        waiting = await self._database.read(lambda connection: look(connection, claims, now_ms))
        wanted = [event for event in chosen(waiting, room) if event.row_id not in mine]
        if wanted or waiting.gone:

            def work(connection: Connection) -> set[int]:
                if waiting.gone:
                    drop(connection, webhook_event.c.endpoint.in_(waiting.gone) & claims.is_free(now_ms), now_ms)
                taken = claims.take(connection, [event.row_id for event in wanted], now_ms)
                crash_point("webhook_claim_in_transaction")
                return taken

            taken = await self._write(work)
            wanted = [event for event in wanted if event.row_id in taken]
            crash_point("webhook_claimed")
        is_cut = bool(wanted) and len(waiting.due) == CANDIDATES
        return Claimed(wanted, waiting.wake_ms, is_cut)

    async def renew(self, row_ids: Collection[int]) -> set[int]:
        """Hold events that take long; gives those that are still this process's. Raises StorageError."""
        now_ms, claims = self._clock.wall_ms(), self._claims
        return await self._write(lambda connection: claims.renew(connection, row_ids, now_ms), is_essential=True)

    async def let_go(self, row_ids: Collection[int]) -> None:
        """Give events back that were not sent. Raises StorageError."""
        claims = self._claims
        await self._write(lambda connection: claims.let_go(connection, row_ids))

    async def content(self, row_id: int) -> EventContent | None:
        """What an event says; None when its call was deleted meanwhile. Raises StorageError."""
        wanted = select(*(webhook_event.c[name] for name in EventContent.__slots__))
        this = wanted.where(webhook_event.c.row_id == row_id)
        row = await self._database.read(lambda connection: connection.execute(this).first())
        return None if row is None else EventContent(*row)

    async def delivered(self, event: DueEvent, attempt: Attempt) -> None:
        """Write down a success, which also ends the trouble of its endpoint. Raises StorageError."""
        now_ms = self._clock.wall_ms()

        def follow(connection: Connection) -> None:
            connection.execute(delete(webhook_endpoint).where(webhook_endpoint.c.endpoint == event.endpoint))

        await self._note(event, attempt, {"state": "delivered", "settled_ms": now_ms}, follow)

    async def failed(self, event: DueEvent, attempt: Attempt, due_ms: int | None) -> None:
        """Write down a failure; it is tried again at `due_ms`, None when that was the last attempt.

        Raises StorageError.
        """
        now_ms = self._clock.wall_ms()
        later = {"due_ms": due_ms} if due_ms is not None else {"state": "dead", "settled_ms": now_ms}

        def follow(connection: Connection) -> None:
            note_failure(connection, event, now_ms)
            if is_superseded(connection, event):
                drop(connection, webhook_event.c.row_id == event.row_id, now_ms)

        await self._note(event, attempt, later, follow)

    async def gone(self, event: DueEvent, attempt: Attempt) -> None:
        """Write down that an endpoint wants nothing any more, and drop all that waits for it. Raises StorageError."""
        now_ms, claims = self._clock.wall_ms(), self._claims

        def follow(connection: Connection) -> None:
            disable(connection, event, now_ms)
            drop(connection, (webhook_event.c.endpoint == event.endpoint) & claims.is_free(now_ms), now_ms)

        await self._note(event, attempt, {"state": "dropped", "settled_ms": now_ms}, follow)

    async def sweep(self, *, kept_ms: int, dead_kept_ms: int) -> None:
        """Forget what was settled long ago, and give up what has waited for days. Raises StorageError.

        Dead events are kept longer than others: somebody may want them sent again.
        """
        now_ms, claims = self._clock.wall_ms(), self._claims
        waited = PENDING & (webhook_event.c.queued_ms <= now_ms - GIVEN_UP_MS) & claims.is_free(now_ms)
        given_up = update(webhook_event).where(waited).values(state="dead", settled_ms=now_ms)
        columns = webhook_endpoint.c
        healed = columns.disabled_ms.is_(None) & (columns.changed_ms <= now_ms - GIVEN_UP_MS)
        for change in (given_up, delete(webhook_endpoint).where(healed)):
            await self._changed(change)
        settled, is_dead = webhook_event.c.settled_ms, webhook_event.c.state == "dead"
        for old in (settled <= now_ms - dead_kept_ms, (settled <= now_ms - kept_ms) & ~is_dead):
            some = select(webhook_event.c.row_id).where(settled.is_not(None), old).limit(_SWEPT_AT_A_TIME)
            while await self._changed(delete(webhook_event).where(webhook_event.c.row_id.in_(some))):
                pass

    async def _note(
        self, event: DueEvent, attempt: Attempt, values: dict[str, Any], follow: Callable[[Connection], None]
    ) -> None:
        """Write an attempt down, let go of its event, and do what follows; nothing if it is not ours any more."""
        claims = self._claims

        def work(connection: Connection) -> None:
            this = (webhook_event.c.row_id == event.row_id) & claims.is_mine
            free = {"leased_by": None, "lease_until_ms": None, "attempts": webhook_event.c.attempts + 1}
            if connection.execute(update(webhook_event).where(this).values({**free, **values})).rowcount:
                _insert_attempt(connection, event.row_id, attempt)
                follow(connection)
            crash_point("webhook_note_in_transaction")

        await self._write(work, is_essential=True)
        crash_point("webhook_noted")

    @property
    def _claims(self) -> Claims:
        return Claims(webhook_event, webhook_event.c.row_id, self._owners.holder)

    async def _changed(self, change: Any) -> int:
        return await self._write(lambda connection: connection.execute(change).rowcount)

    async def _write(self, work: Callable[[Connection], T], *, is_essential: bool = False) -> T:
        # Nothing else that is kept in memory is touched.
        return await self._database.write(work, is_essential=is_essential, is_of_calls=True)


def _insert_attempt(connection: Connection, row_id: int, attempt: Attempt) -> None:
    made = webhook_attempt.c.row_id == row_id
    number = (connection.scalar(select(func.max(webhook_attempt.c.number)).where(made)) or 0) + 1
    values = {name: getattr(attempt, name) for name in Attempt.__slots__}
    connection.execute(insert(webhook_attempt).values(row_id=row_id, number=number, **values))
