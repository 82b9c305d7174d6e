"""When a job of the background is tried again, and when it is given up."""

from typing import Final

_S: Final = 1_000
_MIN: Final = 60 * _S
DELAYS_MS: Final = (2 * _S, 15 * _S, 2 * _MIN, 15 * _MIN, 60 * _MIN, 6 * 60 * _MIN)
"""After each failed attempt but the last."""
ATTEMPTS: Final = len(DELAYS_MS) + 1


def retry_in_ms(attempts: int) -> int | None:
    """How long to wait after this many attempts; None when the job is given up."""
    return DELAYS_MS[attempts - 1] if attempts <= len(DELAYS_MS) else None
