"""What holds of every language model, wherever it runs: how long it may be silent, and which failures may pass."""

from dataclasses import dataclass
from typing import Final

from retold.errors import ModelFailed

_PASSING: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a model may be silent: from the request to its first event, and then between two."""

    first_byte_s: float
    between_s: float


def silence(allowed_s: float) -> ModelFailed:
    """The failure of a model that says nothing for so long."""
    return ModelFailed(f"the model said nothing for {allowed_s * 1000:.0f} ms", is_retryable=True)


def is_passing(status: int) -> bool:
    """Whether a refusal with this HTTP status may pass by itself: too many requests, or the server's own trouble."""
    return status in _PASSING or status >= 500
