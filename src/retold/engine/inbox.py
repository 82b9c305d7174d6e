"""The one queue of events that turn taking reads.

A thing of its own, because the parts of a call hold its `post`: holding the session's, they would form a cycle with
it, and a call that is over would stay in memory until Python's cycle collector came by, a thousand calls later.
"""

import anyio
from structlog.stdlib import get_logger

from retold.engine.mailbox import Mailbox
from retold.engine.turn_events import TurnEvent

MAX_EVENTS = 1000
"""Events waiting for turn taking; a session that falls this far behind has failed."""


class Inbox:
    """The events of one call that turn taking has not seen yet."""

    def __init__(self) -> None:
        self._events: Mailbox[TurnEvent] = Mailbox(MAX_EVENTS)
        self.is_overrun = False
        """Whether an event was lost because turn taking fell behind."""

    def post(self, event: TurnEvent) -> None:
        """Queue an event; never waits, and does nothing once the call is over."""
        if not self._events.put(event):
            get_logger().error("inbox_full", events=MAX_EVENTS)
            self.is_overrun = True

    async def next(self, wait_ms: float) -> TurnEvent | None:
        """The next event, or None when none comes in time; what has happened goes before what is due."""
        event = self._events.take()
        if event is None:
            with anyio.move_on_after(max(0.0, wait_ms) / 1000):
                await self._events.news()
            event = self._events.take()
        return event

    def close(self) -> None:
        """Drop what waits and take no more."""
        self._events.close()
        self._events.clear()
