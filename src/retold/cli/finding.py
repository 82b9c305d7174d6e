"""What a check of `retold doctor` has found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `fix` is the command or change that mends it."""

    name: str
    state: Literal["ok", "warning", "broken"]
    detail: str
    fix: str | None = None
