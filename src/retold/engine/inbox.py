"""The one queue of events that turn taking reads.

A thing of its own, because the parts of a call hold its `post`: holding the session's, they would form a cycle with
it, and a call that is over would stay in memory until Python's cycle collector came by, a thousand calls later.
"""

import anyio
from structlog.stdlib import get_logger

from retold.engine.turn_events import TurnEvent

MAX_EVENTS = 1000
"""Events waiting for turn taking; a session that falls this far behind has failed."""


class Inbox:
    """The events of one call that turn taking has not seen yet."""

    def __init__(self) -> None:
        self._in, self._out = anyio.create_memory_object_stream[TurnEvent](MAX_EVENTS)
        self.is_overrun = False
        """Whether an event was lost because turn taking fell behind."""

    def post(self, event: TurnEvent) -> None:
        """Queue an event; never waits, and does nothing once the call is over."""
        try:
            self._in.send_nowait(event)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # nobody needs the event any more
        except anyio.WouldBlock:
            get_logger().error("inbox_full", events=MAX_EVENTS)
            self.is_overrun = True

    async def next(self, wait_ms: float) -> TurnEvent | None:
        """The next event, or None when none comes in time; what has happened goes before what is due."""
        try:
            return self._out.receive_nowait()
        except anyio.WouldBlock:
            pass
        with anyio.move_on_after(max(0.0, wait_ms) / 1000):
            return await self._out.receive()
        return None

    def close(self) -> None:
        """Drop what waits and take no more."""
        self._in.close()
        self._out.close()
