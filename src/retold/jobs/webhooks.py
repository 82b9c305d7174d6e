"""Delivers webhooks: takes what is due, sends it, writes down what came of it.

```
commit of an event --bell--> claim (lease) -> sign -> POST -> note: delivered, later, dead or dropped
        next due, lease or rest over --^                       '--bell--> the next of the call
```
A process that dies at any point leaves the event to the next one: it arrives at least once, under the same id. Whoever
loses its lease lets go of the attempt, so that there are never two.
"""

import importlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus
from structlog.stdlib import get_logger

from retold.clock import Clock
from retold.crash import crash_point
from retold.domain.call import CallRecord
from retold.domain.http_answer import HttpAnswer
from retold.domain.webhook_schedule import Verdict, next_delay_ms, retry_after_ms, verdict_on
from retold.errors import OutboundError, StorageBroken, StorageError
from retold.ids import OrgId
from retold.jobs.webhook_request import WebhookRequest, request_for
from retold.ports import Http
from retold.storage.claims import LEASE_MS, RENEW_MS
from retold.storage.store import Store
from retold.storage.webhook_claims import DueEvent
from retold.storage.webhooks import Attempt

IN_FLIGHT: Final = 100
"""Attempts of this process at a time; more events wait in the database."""
READ_BYTES: Final = 64 * 1024
"""Of an answer, so much is read."""
KEPT_BYTES: Final = 1024
"""And so much of it kept."""
KEPT_ERROR_CHARS: Final = 500
LOOK_S: Final = 60.0
"""A server that has its database to itself looks this often, even when nothing is known to wait."""
SHARED_LOOK_S: Final = 5.0
"""One of several: the events of others that died are found no later than this after their leases end."""
RETRY_S: Final = 1.0
"""After the database refused."""
SWEEP_S: Final = 600.0
_DAY_MS: Final = 86_400_000
_LEAST_WAIT_S: Final = 0.02

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParts:
    """What deliveries are made with."""

    store: Store
    clock: Clock
    http: Http
    whole: Callable[[str], CallRecord | None]
    """The call of this id with what may not be stored, while somebody has it in memory."""
    base_url: Callable[[], str]
    """The address of this server, as receivers are shown it."""
    kept_days: float
    dead_kept_days: float
    chance: Callable[[], float] = random.random
    """From 0 to 1, for jitter."""


@dataclass(slots=True)
class _UnderWay:
    """An attempt, from its claim to its note."""

    renewed_ms: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Webhooks:
    """The deliveries of one process."""

    def __init__(self, parts: WebhookParts) -> None:
        self._parts = parts
        self._store = parts.store.webhooks
        self._clock = parts.clock
        self._under_way: dict[int, _UnderWay] = {}
        self._busy = anyio.Event()
        self._idle = anyio.Event()
        self._is_closing = False
        self._is_ready = False
        """Whether what sends is imported: it takes a moment, and memory, that a server without webhooks spares."""

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Deliver; runs until cancelled."""
        try:
            await self._persist(self._store.release_former)
        except StorageBroken:
            task_status.started()
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renew)
            tasks.start_soon(self._sweep)
            task_status.started()
            while not self._is_closing:
                await self._hand_out(tasks)

    async def close(self, grace_s: float) -> None:
        """Take nothing more, and let go of what is not answered within `grace_s` seconds; call it before cancelling."""
        self._is_closing = True
        self._store.ring()
        with anyio.move_on_after(grace_s):
            while self._under_way:
                await self._idle.wait()
        left = list(self._under_way)
        for one in self._under_way.values():
            one.scope.cancel()
        await self._give_back(left)

    async def _hand_out(self, tasks: TaskGroup) -> None:
        """Start what is due, then wait until there may be more."""
        news = self._store.news
        try:
            claimed = await self._store.claim(IN_FLIGHT - len(self._under_way), self._under_way.keys())
        except StorageBroken:
            self._is_closing = True
            return
        except StorageError as error:
            log.warning("webhooks_not_claimed", error=str(error))
            await anyio.sleep(RETRY_S)
            return
        if self._is_closing:
            await self._give_back([event.row_id for event in claimed.events])
            return
        for event in claimed.events:
            self._under_way[event.row_id] = _UnderWay(self._clock.monotonic_ms())
            tasks.start_soon(self._deliver, event)
        self._busy.set()
        if claimed.is_cut:
            return
        look_s = SHARED_LOOK_S if self._parts.store.is_shared else LOOK_S
        if claimed.wake_ms is not None:
            left_s = (claimed.wake_ms - self._clock.wall_ms()) / 1000
            look_s = min(look_s, max(left_s, _LEAST_WAIT_S))
        with anyio.move_on_after(look_s):
            await news.wait()

    async def _deliver(self, event: DueEvent) -> None:
        """One attempt, from what was claimed to what is noted."""
        under_way = self._under_way[event.row_id]
        try:
            with under_way.scope:
                note = await self._attempt(event)
                if note is not None:
                    await self._persist(note)
        except StorageBroken:
            # The server is going down, and says why elsewhere.
            return
        except Exception:  # the border of a delivery: the others go on, and this one is tried again after its lease
            log.exception("webhook_not_noted", event_id=event.event_id)
        finally:
            del self._under_way[event.row_id]
            self._idle.set()
            self._idle = anyio.Event()
            self._store.ring()

    async def _attempt(self, event: DueEvent) -> Callable[[], Awaitable[None]] | None:
        """Send an event; gives how to write down what came of it, None when its call was deleted meanwhile."""
        began_wall_ms, began_ms = self._clock.wall_ms(), self._clock.monotonic_ms()
        answer, error = None, None
        try:
            request = await self._request(event)
            if request is None:
                return None
            began_wall_ms, began_ms = self._clock.wall_ms(), self._clock.monotonic_ms()
            answer = await self._send(event, request)
        except (OutboundError, StorageError) as failure:
            error = str(failure)[:KEPT_ERROR_CHARS]
        except Exception as failure:  # the border of a delivery: whatever it was, it is tried again
            log.exception("webhook_failed", event_id=event.event_id)
            error = type(failure).__name__
        crash_point("webhook_sent")
        attempt = Attempt(
            at_ms=began_wall_ms,
            took_ms=round(self._clock.monotonic_ms() - began_ms),
            status=None if answer is None else answer.status,
            error=error,
            reply=b"" if answer is None else answer.body[:KEPT_BYTES],
        )
        return self._noting(event, attempt, None if answer is None else answer.headers.get("retry-after"))

    def _noting(self, event: DueEvent, attempt: Attempt, retry_after: str | None) -> Callable[[], Awaitable[None]]:
        facts = {"webhook_event": event.event, "event_id": event.event_id, "call_id": event.call_id}
        match verdict_on(attempt.status):
            case Verdict.DELIVERED:
                log.debug("webhook_delivered", **facts, took_ms=attempt.took_ms)
                return partial(self._store.delivered, event, attempt)
            case Verdict.GONE:
                log.warning("webhook_endpoint_gone", **facts)
                return partial(self._store.gone, event, attempt)
            case Verdict.FAILED:
                now_ms = self._clock.wall_ms()
                asked_ms = retry_after_ms(retry_after, now_ms)
                delay_ms = next_delay_ms(event.attempts + 1, self._parts.chance(), retry_after_ms=asked_ms)
                failed = "webhook_dead" if delay_ms is None else "webhook_failed"
                log.warning(failed, **facts, status=attempt.status, error=attempt.error, retry_in_ms=delay_ms)
                return partial(self._store.failed, event, attempt, None if delay_ms is None else now_ms + delay_ms)

    async def _request(self, event: DueEvent) -> WebhookRequest | None:
        """What to send; None when there is nothing any more. Raises StorageError."""
        content = await self._store.content(event.row_id)
        if content is None:
            return None
        whole = None if content.is_whole else self._parts.whole(event.call_id)
        key = await self._parts.store.keys.webhook_secret(OrgId(event.org_id))
        links = self._parts.store.links(self._parts.base_url())
        make = partial(request_for, event, content, whole, links, key=key, now_ms=self._clock.wall_ms())
        return await anyio.to_thread.run_sync(make)

    async def _send(self, event: DueEvent, request: WebhookRequest) -> HttpAnswer:
        """The answer. Raises OutboundError."""
        if not self._is_ready:
            # In a thread: calls go on meanwhile.
            await anyio.to_thread.run_sync(importlib.import_module, "retold.outbound.http")
            self._is_ready = True
        return await self._parts.http.request(
            "POST",
            event.url,
            headers=request.headers,
            body=request.body,
            timeout_s=event.timeout_ms / 1000,
            max_bytes=READ_BYTES,
        )

    async def _renew(self) -> None:
        """Hold what takes long; let go of what somebody else may have taken."""
        while True:
            await self._busy.wait()
            if not self._under_way:
                self._busy = anyio.Event()
                continue
            await anyio.sleep(RENEW_MS / 1000)
            held = list(self._under_way)
            if not held:
                continue
            now_ms = self._clock.monotonic_ms()
            try:
                kept = await self._store.renew(held)
            except StorageError as error:
                log.warning("webhooks_not_renewed", error=str(error))
                kept = set[int]()
            else:
                self._let_go({row_id for row_id in held if row_id not in kept})
            for row_id in kept & self._under_way.keys():
                self._under_way[row_id].renewed_ms = now_ms
            last_ms = self._clock.monotonic_ms() - LEASE_MS + RENEW_MS / 2
            self._let_go({row_id for row_id, one in self._under_way.items() if one.renewed_ms < last_ms})

    def _let_go(self, row_ids: set[int]) -> None:
        for row_id in row_ids & self._under_way.keys():
            log.warning("webhook_lease_lost", row_id=row_id)
            self._under_way[row_id].scope.cancel()

    async def _give_back(self, row_ids: list[int]) -> None:
        """Have others do what this process has claimed and will not do."""
        if not row_ids:
            return
        try:
            with anyio.move_on_after(RETRY_S):
                await self._store.let_go(row_ids)
        except StorageError as error:
            # Their leases end by themselves, and at once when this server is back.
            log.warning("webhooks_not_given_back", events=len(row_ids), error=str(error))

    async def _sweep(self) -> None:
        """Forget what is old."""
        while True:
            await anyio.sleep(SWEEP_S)
            kept_ms, dead_ms = (round(days * _DAY_MS) for days in (self._parts.kept_days, self._parts.dead_kept_days))
            try:
                await self._store.sweep(kept_ms=kept_ms, dead_kept_ms=dead_ms)
            except StorageError as error:
                log.warning("webhooks_not_swept", error=str(error))

    async def _persist(self, write: Callable[[], Awaitable[object]]) -> None:
        """Write something that must be written, as often as it takes. Raises StorageBroken."""
        while True:
            try:
                await write()
            except StorageBroken:
                raise
            except StorageError as error:
                log.warning("webhooks_not_written", error=str(error))
                await anyio.sleep(RETRY_S)
            else:
                return
