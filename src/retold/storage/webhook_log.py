"""What an organisation may see of its webhook events, and how it has them sent again.

Delivering them is the work of storage/webhooks.py; here nothing is claimed. An event that is under way while it is sent
again is not delivered twice at once: it only gets a whole schedule more.
"""

import zlib
from collections.abc import Callable
from typing import Any, Final, cast

import anyio.to_thread
from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, update

from retold.clock import Clock
from retold.domain import json_text
from retold.domain.page import Page, PageQuery
from retold.domain.webhook_events import body_of, endpoint_of
from retold.domain.webhook_log import (
    EventFilter,
    EventState,
    WebhookEndpoint,
    WebhookEvent,
    WebhookEventDetails,
)
from retold.errors import Conflict
from retold.ids import OrgId
from retold.storage.call_json import with_links
from retold.storage.database import Database
from retold.storage.file_links import FileLinks
from retold.storage.pages import read_page
from retold.storage.webhook_endpoints import ATTEMPT_COLUMNS, as_attempt, endpoints_of
from retold.storage.webhook_tables import webhook_attempt, webhook_endpoint, webhook_event
from retold.storage.webhooks import EventContent, WebhookStore

_REPLAYED_AT_A_TIME: Final = 500
"""Written together: between two such writes, others have their turn."""
_E: Final = webhook_event.c
_NEWEST: Final = webhook_attempt.alias("newest")
_IS_LAST: Final = (webhook_attempt.c.row_id == _E.row_id) & (
    webhook_attempt.c.number
    == select(func.max(_NEWEST.c.number)).where(_NEWEST.c.row_id == _E.row_id).scalar_subquery()
)
_SHOWN: Final[tuple[ColumnElement[Any], ...]] = (
    _E.row_id,
    _E.event_id,
    _E.event,
    _E.call_id,
    _E.state,
    _E.url,
    _E.timeout_ms,
    _E.at_ms,
    _E.queued_ms,
    _E.due_ms,
    _E.settled_ms,
    _E.attempts,
)
_EVENTS: Final = cast(
    "Select[Any]", select(*_SHOWN, *ATTEMPT_COLUMNS).select_from(webhook_event.outerjoin(webhook_attempt, _IS_LAST))
)
"""Events with their last attempt."""


class WebhookLog:
    """The webhook events of one database; `links` says how files are shown to who reaches the server by an address."""

    def __init__(
        self, database: Database, webhooks: WebhookStore, clock: Clock, links: Callable[[str], FileLinks]
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._clock = clock
        self._links = links

    async def page(self, wanted: EventFilter, query: PageQuery) -> Page[WebhookEvent]:
        """Events in the order in which they were put down. Raises StorageError."""
        chosen = _EVENTS.where(_meant(wanted))
        return await self._database.read(
            lambda connection: read_page(connection, chosen, (_E.row_id, _E.event_id), query, _as_event)
        )

    async def details(self, org_id: OrgId, event_id: str, base_url: str) -> WebhookEventDetails | None:
        """One event and all that is known of it; None when this organisation has none of this id. Raises StorageError.

        The body is what is stored: what may not be stored of a call is not in it.
        """
        this = _EVENTS.where(_E.org_id == org_id, _E.event_id == event_id)
        row = await self._database.read(lambda connection: connection.execute(this).one_or_none())
        if row is None:
            return None
        wanted: Select[Any] = select(*ATTEMPT_COLUMNS).where(webhook_attempt.c.row_id == row.row_id)
        in_order = wanted.order_by(webhook_attempt.c.number)
        attempts = await self._database.read(lambda connection: connection.execute(in_order).all())
        content = await self._webhooks.content(row.row_id)
        if content is None:
            return None
        event = _as_event(row)
        body = await anyio.to_thread.run_sync(lambda: _body(event, content, self._links(base_url)))
        return WebhookEventDetails(event, [as_attempt(one) for one in attempts], body)

    async def resend(self, org_id: OrgId, event_id: str, url: str | None) -> bool:
        """Put one event in line anew, to be sent at once; False when there is none of this id.

        An endpoint that is left in peace gets this one attempt. Raises Conflict when it is disabled, StorageError.
        """
        now_ms = self._clock.wall_ms()

        def work(connection: Connection) -> bool:
            this = (_E.org_id == org_id) & (_E.event_id == event_id)
            row = connection.execute(select(_E.url, _E.endpoint).where(this)).one_or_none()
            if row is None:
                return False
            endpoint = row.endpoint if url is None else endpoint_of(org_id, url)
            _refuse_disabled(connection, endpoint)
            connection.execute(update(webhook_event).where(this).values(_in_line(org_id, url, now_ms)))
            resting = (webhook_endpoint.c.endpoint == endpoint) & (webhook_endpoint.c.open_until_ms > now_ms)
            connection.execute(update(webhook_endpoint).where(resting).values(open_until_ms=now_ms))
            return True

        is_resent = await self._write(work)
        self._webhooks.ring()
        return is_resent

    async def replay(self, wanted: EventFilter, url: str | None) -> int:
        """Put all these events in line anew; gives how many. Raises Conflict when `url` is disabled, StorageError.

        Without `url`, events of disabled endpoints stay what they are.
        """
        now_ms = self._clock.wall_ms()
        meant = _meant(wanted)
        if url is None:
            disabled = select(webhook_endpoint.c.endpoint).where(webhook_endpoint.c.disabled_ms.is_not(None))
            meant &= _E.endpoint.not_in(disabled)
        replayed, last_row_id = 0, 0
        while True:

            def work(connection: Connection, after: int = last_row_id) -> list[int]:
                if url is not None:
                    _refuse_disabled(connection, endpoint_of(wanted.org_id, url))
                some = select(_E.row_id).where(meant, _E.row_id > after).order_by(_E.row_id)
                row_ids = list(connection.scalars(some.limit(_REPLAYED_AT_A_TIME)))
                if row_ids:
                    change = update(webhook_event).where(_E.row_id.in_(row_ids))
                    connection.execute(change.values(_in_line(wanted.org_id, url, now_ms)))
                return row_ids

            row_ids = await self._write(work)
            if not row_ids:
                return replayed
            replayed, last_row_id = replayed + len(row_ids), row_ids[-1]
            self._webhooks.ring()

    async def endpoints(self, org_id: OrgId) -> list[WebhookEndpoint]:
        """The receivers for which events wait, and those in trouble, by address. Raises StorageError."""
        now_ms = self._clock.wall_ms()
        found = await self._database.read(lambda connection: list(endpoints_of(connection, org_id, now_ms)))
        return sorted(found, key=lambda endpoint: (endpoint.url, endpoint.endpoint_id))

    async def enable(self, org_id: OrgId, endpoint_id: str) -> bool:
        """Let an endpoint have events again, as if it had never failed; False when it is not in trouble.

        Raises StorageError.
        """
        this = (webhook_endpoint.c.org_id == org_id) & (webhook_endpoint.c.endpoint == endpoint_id)
        change = webhook_endpoint.delete().where(this)
        is_enabled = await self._write(lambda connection: connection.execute(change).rowcount == 1)
        self._webhooks.ring()
        return is_enabled

    async def _write(self, work: Callable[[Connection], Any]) -> Any:
        # What is kept in memory of agents, keys and the like stays true.
        return await self._database.write(work, is_of_calls=True)


def _body(event: WebhookEvent, content: EventContent, links: FileLinks) -> JsonValue:
    files = {"files_token": content.files_token, "signed_url_expiration_ms": content.link_lifetime_ms}
    call = with_links(zlib.decompress(content.call).decode(), files, links).encode()
    body = body_of(event.event, call, at_ms=event.event_timestamp, extra=content.extra, is_available=content.is_whole)
    return json_text.parsed(body)


def _meant(wanted: EventFilter) -> ColumnElement[bool]:
    conditions = [_E.org_id == wanted.org_id]
    for column, value in ((_E.call_id, wanted.call_id), (_E.state, wanted.state), (_E.event, wanted.event)):
        if value is not None:
            conditions.append(column == str(value))
    if wanted.since_ms is not None:
        conditions.append(_E.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        conditions.append(_E.at_ms < wanted.until_ms)
    return and_(*conditions)


def _in_line(org_id: OrgId, url: str | None, now_ms: int) -> dict[str, Any]:
    anew = {"state": EventState.PENDING.value, "attempts": 0, "queued_ms": now_ms, "due_ms": now_ms, "settled_ms": None}
    return anew if url is None else anew | {"url": url, "endpoint": endpoint_of(org_id, url)}


def _refuse_disabled(connection: Connection, endpoint: str) -> None:
    this = select(webhook_endpoint.c.disabled_ms).where(webhook_endpoint.c.endpoint == endpoint)
    if connection.scalar(this) is not None:
        raise Conflict(
            "this webhook has answered 410, so nothing is sent there any more",
            fix=f"POST /enable-webhook-endpoint/{endpoint}, or send another url",
        )


def _as_event(row: Any) -> WebhookEvent:
    is_pending = row.state == EventState.PENDING
    return WebhookEvent(
        event_id=row.event_id,
        event=row.event,
        call_id=row.call_id,
        state=EventState(row.state),
        url=row.url,
        timeout_ms=row.timeout_ms,
        event_timestamp=row.at_ms,
        queued_timestamp=row.queued_ms,
        next_attempt_timestamp=row.due_ms if is_pending else None,
        settled_timestamp=row.settled_ms,
        attempt_count=row.attempts,
        last_attempt=None if row.attempt_number is None else as_attempt(row),
    )
