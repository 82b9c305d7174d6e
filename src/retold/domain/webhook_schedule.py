"""When a webhook is tried again, when its endpoint is left in peace, and what an answer means.

Four quick attempts like Retell's, then eight more over three days. Ten failures in a row, of whichever events, and an
endpoint gets one attempt at a time, at growing distances, until one succeeds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

_S: Final = 1_000
_MIN: Final = 60 * _S
_HOUR: Final = 60 * _MIN
DELAYS_MS: Final = (
    1 * _S,
    5 * _S,
    30 * _S,
    5 * _MIN,
    30 * _MIN,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""After each failed attempt but the last."""
ATTEMPTS: Final = len(DELAYS_MS) + 1
LONGEST_WAIT_MS: Final = 24 * _HOUR
"""Nobody is asked to wait longer by a `Retry-After`."""
GIVEN_UP_MS: Final = 96 * _HOUR
"""An event that has waited so long behind an endpoint in trouble is dead."""
_JITTER: Final = 0.2
"""A delay is up to so much longer, so that what failed together does not come back together."""

FAILURES_TO_OPEN: Final = 10
PROBES_MS: Final = (30 * _S, 1 * _MIN, 2 * _MIN, 5 * _MIN, 10 * _MIN)
"""How long an endpoint in trouble is left in peace, failure by failure; the last one repeats."""
AT_ONCE: Final = 4
"""Attempts in flight to one endpoint."""

_GONE: Final = 410


class Verdict(StrEnum):
    """What an answer means for its event."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """It is tried again."""
    GONE = "gone"
    """The endpoint wants nothing any more."""


def verdict_on(status: int | None) -> Verdict:
    """What a status means, None being no answer; a redirect is a failure, as it is not followed."""
    if status == _GONE:
        return Verdict.GONE
    return Verdict.DELIVERED if status is not None and 200 <= status < 300 else Verdict.FAILED


def next_delay_ms(attempts: int, chance: float, *, retry_after_ms: int | None = None) -> int | None:
    """How long to wait after so many failed attempts, None when that was the last; `chance` is from 0 to 1."""
    if attempts >= ATTEMPTS:
        return None
    delay_ms = round(DELAYS_MS[attempts - 1] * (1 + _JITTER * chance))
    return max(delay_ms, min(retry_after_ms or 0, LONGEST_WAIT_MS))


def retry_after_ms(value: str | None, now_ms: int) -> int | None:
    """How long a `Retry-After` header asks to wait: it has seconds or a date (RFC 9110, 10.2.3); None for neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # More digits than any delay that is honoured has.
        return int(text[:9]) * _S
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, round((at - datetime.fromtimestamp(now_ms / _S, UTC)).total_seconds() * _S))


@dataclass(frozen=True, slots=True)
class Trouble:
    """An endpoint whose last attempt failed."""

    failures: int = 0
    """In a row, of any of its events."""
    open_until_ms: int | None = None
    """Until then nothing is sent there."""

    def after_failure(self, now_ms: int) -> "Trouble":
        """What it is after another failure; those of attempts that were under way when its rest began do not count."""
        if self.open_until_ms is not None and self.open_until_ms > now_ms:
            return self
        failures = self.failures + 1
        if failures < FAILURES_TO_OPEN:
            return Trouble(failures)
        return Trouble(failures, now_ms + PROBES_MS[min(failures - FAILURES_TO_OPEN, len(PROBES_MS) - 1)])

    def room(self, in_flight: int, now_ms: int) -> int:
        """How many more attempts may go there at this moment, beside those in flight."""
        if self.open_until_ms is None:
            return max(0, AT_ONCE - in_flight)
        return max(0, 1 - in_flight) if self.open_until_ms <= now_ms else 0


NO_TROUBLE: Final = Trouble()
