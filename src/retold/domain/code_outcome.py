"""What running the code of a tool comes to; a pure value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeOutcome:
    """What a piece of JavaScript came to: the JSON text of its value, or what went wrong."""

    value_json: str | None
    error: str | None = None
    log: str = ""
    """What it wrote to the console, cut where it is too long."""
