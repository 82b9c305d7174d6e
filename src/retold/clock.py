"""Wall time for the API, monotonic time for everything that is measured, and the time zones of the machine."""

import time
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Clock(Protocol):
    """Both clocks of the machine; tests pass one that moves with the virtual event loop."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch; may jump, so never subtract two of them."""
        ...

    def monotonic_ms(self) -> float:
        """Milliseconds since an unknown moment; never goes back."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        """Milliseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() / 1e6


class CallClock:
    """Milliseconds since one call connected; the only time a call's record knows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin_ms = clock.monotonic_ms()
        self.started_wall_ms = clock.wall_ms()

    def now_ms(self) -> float:
        """Milliseconds since the call connected."""
        return self._clock.monotonic_ms() - self._origin_ms

    def wall_ms(self, at_ms: float) -> int:
        """The wall time of a moment of the call: start plus monotonic time, so that clock jumps do not show."""
        return self.started_wall_ms + round(at_ms)


def find_zone(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, None when this machine knows none of that name; any text is safe."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
