"""Time that jumps: an event loop on which a ten-minute call takes a moment, and the clock that goes with it.

A test module asks for it with `pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]`. Nothing else
changes: `anyio.sleep`, deadlines and timers work as ever, but when every task waits the loop's clock moves to the
next timer instead of sleeping. The order of events is therefore the same on each run.

Time also jumps while a thread works or a peer outside this loop has yet to answer, because the loop cannot see
them. Tests with threads or sockets between processes belong on real time.
"""

import asyncio
import selectors
from typing import Any, Final

STUCK_AFTER_S: Final = 5.0
"""Real seconds without any timer or event after which a test counts as stuck."""

START_WALL_MS: Final = 1_760_000_000_000
"""What a VirtualClock's wall shows when the loop's time is 0 (October 2025)."""


class Stuck(RuntimeError):
    """Every task waits for another one and no timer is set: the test would never end."""


class _JumpingSelector(selectors.PollSelector):
    """Polls without waiting; a wait for the next timer becomes a jump of `now_s`."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # Only a thread can wake the loop from here; without one this is a deadlock.
            ready = super().select(STUCK_AFTER_S)
            if not ready:
                msg = f"every task waits and no timer is set, at {self.now_s:.3f} s of virtual time"
                raise Stuck(msg)
            return ready
        self.now_s += max(timeout, 0.0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock starts at 0 and moves only when nothing is ready to run."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now_s


VIRTUAL_BACKEND: Final[tuple[str, dict[str, Any]]] = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""The value an `anyio_backend` fixture returns to run its tests on virtual time."""


class VirtualClock:
    """A `retold.clock.Clock` that follows the running loop; its wall clock can be made to jump."""

    def __init__(self, start_wall_ms: int = START_WALL_MS) -> None:
        self._wall_offset_ms = start_wall_ms

    def wall_ms(self) -> int:
        """Milliseconds since the epoch: the start plus the loop's time, plus all jumps so far."""
        return self._wall_offset_ms + int(self.monotonic_ms())

    def monotonic_ms(self) -> float:
        """Milliseconds of the running loop's time."""
        return asyncio.get_running_loop().time() * 1000

    def jump_wall(self, by_ms: int) -> None:
        """Set the wall clock forwards or back, as an operator or NTP would; monotonic time does not notice."""
        self._wall_offset_ms += by_ms
