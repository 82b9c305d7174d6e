"""The calls of this process: who waits to be joined, who talks, and how they are told to stop."""

import heapq
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from structlog.stdlib import get_logger

from retold.calls.finish import Archive, end_unjoined, salvage
from retold.clock import CallClock, Clock
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.engine.timeline import AnyEvent, Timeline
from retold.errors import Conflict, StorageBroken, StorageError, Unavailable
from retold.ports import Transport
from retold.storage.disk import StorageHealth
from retold.storage.tape import SpoolTape

RETRY_MS = 1_000.0
"""A call whose end could not be written is tried again this often."""
LOOK_MS = 5_000.0
"""The watcher looks this often whether the disk has recovered."""
HURRY_S = 4.0
"""What `end_all` gives the calls, and all that is done after them, to end; what takes longer is left to recovery."""


class Steerable(Protocol):
    """A conversation that can be told what to do; each of these returns at once."""

    def stop(self, reason: DisconnectionReason, detail: str) -> None:
        """End it."""
        ...

    def look(self) -> None:
        """Take note of what was added to its timeline."""
        ...

    def trigger(self) -> None:
        """Have the agent speak, if nobody else does."""
        ...


@dataclass(frozen=True, slots=True)
class Course:
    """What a call leaves behind while it goes on."""

    clock: CallClock
    timeline: Timeline
    tape: SpoolTape


@dataclass(slots=True)
class LiveCall:
    """A call somebody has joined."""

    record: CallRecord
    transport: Transport
    is_granted: bool
    """Whether it holds a slot: False when all were taken, and again when the conversation is over."""
    stopped: tuple[DisconnectionReason, str] | None = None
    """With which reason and detail it was told to end."""
    preparing: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """What is done before the conversation can begin; a stop ends it."""
    over: anyio.Event = field(default_factory=anyio.Event)
    """Set when the call is written down and gone from here."""
    course: Course | None = None
    """Set when the call is connected."""
    told: CallRecord | None = None
    """The call as it was last announced in mid-call, with what may not be stored."""
    changing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held by who changes the record; once the conversation is over nobody may."""
    _session: Steerable | None = None

    def attach(self, session: Steerable) -> None:
        """Connect the conversation; a stop that came earlier takes effect."""
        self._session = session
        if self.stopped is not None:
            session.stop(*self.stopped)

    def detach(self) -> None:
        """Let go of a conversation that is over: its responder may hold this call, and neither would be freed."""
        self._session = None

    def stop(self, reason: DisconnectionReason, detail: str) -> None:
        """End the conversation, also one that is only about to begin."""
        self.stopped = (reason, detail)
        if self._session is not None:
            self._session.stop(reason, detail)
        else:
            self.preparing.cancel()

    def note(self, event: AnyEvent) -> None:
        """Add what came from outside to the timeline of a connected call, and have it told."""
        if self.course is not None:
            self.course.timeline.append(event)
        if self._session is not None:
            self._session.look()

    def trigger(self) -> None:
        """Have the agent speak; nothing happens before the conversation has begun."""
        if self._session is not None:
            self._session.trigger()

    async def hang_up(self) -> None:
        """Say that the conversation is over: nobody talks any more, and the record is changed only by its end."""
        async with self.changing:
            self.is_granted = False
        if self.course is not None:
            self.course.timeline.ring()


@dataclass(slots=True, order=True)
class _Deadline:
    """Outlives the waiting of a call that was joined, so it must not hold the call's record."""

    at_ms: float
    call_id: str


class LiveCalls:
    """Registry of expected and running calls; its `run()` watches the join deadlines."""

    def __init__(self, archive: Archive, clock: Clock, *, concurrency_limit: int) -> None:
        self._archive = archive
        self._clock = clock
        self._limit = concurrency_limit
        self._live: dict[str, LiveCall] = {}
        self._expected: dict[str, CallRecord] = {}
        self._deadlines: list[_Deadline] = []
        self._news = anyio.Event()
        self._empty = anyio.Event()
        self._leave_by_s: float | None = None
        self.is_draining = False

    @property
    def active(self) -> int:
        """Calls that hold a slot."""
        return sum(call.is_granted for call in self._live.values())

    def active_of(self, org_id: str) -> int:
        """Those of one organisation."""
        return sum(call.is_granted for call in self._live.values() if call.record.org_id == org_id)

    def find(self, call_id: str) -> LiveCall | None:
        """The running call, None when nobody has joined it or it is over."""
        return self._live.get(call_id)

    def told(self, call_id: str) -> CallRecord | None:
        """A running call as it was last announced, with what may not be stored; None when it was not."""
        live = self._live.get(call_id)
        return None if live is None else live.told

    def knows(self, call_id: str) -> bool:
        """Whether the call is running here, or waited for."""
        return call_id in self._live or call_id in self._expected

    def expect(self, record: CallRecord) -> None:
        """Wait for the call to be joined until its deadline.

        The deadline is kept on the monotonic clock: a wall clock that jumped (also across a restart) can shorten
        the wait, but never stretch it beyond what the call was given.
        """
        given_ms = record.join_deadline_wall_ms - record.created_wall_ms
        left_ms = record.join_deadline_wall_ms - self._clock.wall_ms()
        self._expect_until(record, self._clock.monotonic_ms() + min(max(left_ms, 0), given_ms))

    @contextmanager
    def seat(self, record: CallRecord, transport: Transport) -> Generator[LiveCall]:
        """Hold a slot for a call that was joined. Raises Unavailable while draining and Conflict for a live call."""
        call_id = record.call.call_id
        if self.is_draining:
            raise Unavailable("the server is draining", fix="try again later or elsewhere")
        if call_id in self._live:
            raise Conflict(f"call {call_id} is connected already")
        live = LiveCall(record, transport, is_granted=self.active < self._limit)
        self._expected.pop(call_id, None)
        self._live[call_id] = live
        try:
            yield live
        finally:
            del self._live[call_id]
            live.detach()
            live.over.set()
            if not self._live:
                self._empty.set()
                self._empty = anyio.Event()

    async def stop(self, record: CallRecord, detail: str = "stopped by the API") -> bool:
        """End a call as `manual_stopped`; False when it is over already. Raises StorageError."""
        if self._stop_live(record, detail):
            return True
        if record.call.call_status is not CallStatus.REGISTERED:
            return False
        ended = await end_unjoined(record, DisconnectionReason.MANUAL_STOPPED, self._clock.wall_ms(), self._archive)
        if ended is None:
            # Somebody may have joined it meanwhile.
            return self._stop_live(record, detail)
        # Not before it is written: a call whose end found no disk still has its deadline.
        self._expected.pop(record.call.call_id, None)
        return True

    def forget(self, record: CallRecord) -> None:
        """Wait no longer for a call that was deleted."""
        self._expected.pop(record.call.call_id, None)

    async def silence(self, record: CallRecord, timeout_s: float = HURRY_S) -> None:
        """End the conversation of a call that is to be deleted, and wait until it is over."""
        live = self._live.get(record.call.call_id)
        if live is not None:
            live.stop(DisconnectionReason.MANUAL_STOPPED, "deleted by the API")
            with anyio.move_on_after(timeout_s):
                await live.over.wait()

    async def drain(self) -> None:
        """Take no more calls and return when the last one is finished."""
        self.is_draining = True
        while self._live:
            await self._empty.wait()

    async def end_all(self, detail: str = "the server is going down") -> bool:
        """Take no more calls, tell all of them to end, and wait until the last one is finished.

        Gives up after HURRY_S, counted from the first time somebody asks: False then, and recovery does the rest.
        """
        self.is_draining = True
        if self._leave_by_s is None:
            self._leave_by_s = anyio.current_time() + HURRY_S
        for live in list(self._live.values()):
            if live.stopped is None:
                live.stop(DisconnectionReason.ERROR_RETELL, detail)
        with anyio.move_on_after(self.left_s(HURRY_S)):
            await self.drain()
        return not self._live

    def left_s(self, at_most_s: float) -> float:
        """How long a step may take, in seconds: less than it wants when the server is to be gone before."""
        if self._leave_by_s is None:
            return at_most_s
        return min(at_most_s, max(0.0, self._leave_by_s - anyio.current_time()))

    async def run(self) -> None:
        """End calls that nobody joins in time, and catch up after a full disk; runs until cancelled."""
        was_well = True
        while True:
            await self.end_overdue()
            is_well = self._archive.store.health is StorageHealth.OK
            if is_well and not was_well:
                await self._catch_up()
            was_well = is_well
            now_ms = self._clock.monotonic_ms()
            due_ms = self._deadlines[0].at_ms if self._deadlines else now_ms + LOOK_MS
            with anyio.move_on_after(max(0.0, min(due_ms - now_ms, LOOK_MS)) / 1000):
                await self._news.wait()

    async def end_overdue(self) -> None:
        """End the calls that nobody has joined in time."""
        while self._deadlines and self._deadlines[0].at_ms <= self._clock.monotonic_ms():
            record = self._expected.pop(heapq.heappop(self._deadlines).call_id, None)
            if record is not None:
                await self._end(record)

    def _stop_live(self, record: CallRecord, detail: str) -> bool:
        live = self._live.get(record.call.call_id)
        if live is not None:
            live.stop(DisconnectionReason.MANUAL_STOPPED, detail)
        return live is not None

    def _expect_until(self, record: CallRecord, at_ms: float) -> None:
        self._expected[record.call.call_id] = record
        heapq.heappush(self._deadlines, _Deadline(at_ms, record.call.call_id))
        if len(self._deadlines) > 2 * len(self._expected):
            # Most were joined: their deadlines would stay until they pass, five minutes of calls.
            self._deadlines = [deadline for deadline in self._deadlines if deadline.call_id in self._expected]
            heapq.heapify(self._deadlines)
        self._news.set()
        self._news = anyio.Event()

    async def _end(self, record: CallRecord) -> None:
        try:
            await end_unjoined(record, record.unjoined_reason, record.join_deadline_wall_ms, self._archive)
        except StorageBroken as error:
            get_logger().error("call_end_lost", call_id=record.call.call_id, error=str(error))
        except StorageError as error:
            get_logger().warning("call_end_delayed", call_id=record.call.call_id, error=str(error))
            self._expect_until(record, self._clock.monotonic_ms() + RETRY_MS)

    async def _catch_up(self) -> None:
        try:
            await salvage(self._archive, is_live=self._live.__contains__)
        except (StorageError, OSError) as error:
            get_logger().warning("recordings_not_caught_up", error=str(error))
