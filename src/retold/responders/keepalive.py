"""When to send ping_pong to an LLM server, when its silence counts as loss, and what a round trip took; pure.

Times in seconds are those of the event loop, which may count whole milliseconds only; round trips are measured in
milliseconds of a finer clock.
"""

import math
from collections import OrderedDict
from typing import Final

_MAX_UNANSWERED: Final = 16


class Keepalive:
    """The ping_pong of one call; off until the server's config asks for it."""

    def __init__(self, *, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._is_on = False
        self._heard_s = 0.0
        self._next_ping_s = 0.0
        self._unanswered: OrderedDict[float, float] = OrderedDict()

    def start(self, now_s: float) -> None:
        """Begin, with a ping at once, or go on over another connection."""
        self._is_on = True
        self.reopened(now_s)

    def stop(self) -> None:
        """The server asks for no pings any more."""
        self._is_on = False

    def reopened(self, now_s: float) -> None:
        """The connection is a fresh one: its silence counts from here, and old pings have no answer."""
        self._heard_s = self._next_ping_s = now_s
        self._unanswered.clear()

    def deadline_s(self) -> float:
        """When to look again: a ping is due or silence has become loss; infinite while off."""
        return min(self._next_ping_s, self._heard_s + self._timeout_s) if self._is_on else math.inf

    def is_ping_due(self, now_s: float) -> bool:
        """Whether a ping should go out."""
        return self._is_on and now_s >= self._next_ping_s

    def is_lost(self, now_s: float) -> bool:
        """Whether the server has been silent for too long."""
        return self._is_on and now_s >= self._heard_s + self._timeout_s

    def sent(self, timestamp_ms: int, now_s: float, fine_ms: float) -> None:
        """A ping with this timestamp goes out."""
        self._next_ping_s = now_s + self._interval_s
        self._unanswered[timestamp_ms] = fine_ms
        if len(self._unanswered) > _MAX_UNANSWERED:
            self._unanswered.popitem(last=False)

    def heard(self, timestamp_ms: float, now_s: float, fine_ms: float) -> float | None:
        """A ping_pong came; gives the round trip in milliseconds when it answers one of ours.

        A server may also ping with timestamps of its own: that is a sign of life, but not a measurement.
        """
        self._heard_s = now_s
        sent_ms = self._unanswered.pop(timestamp_ms, None)
        return None if sent_ms is None else fine_ms - sent_ms
