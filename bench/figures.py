"""What a bench gives back: figures with their targets, and how much effort it may spend on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from retold.domain.latency import percentile


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to run: `quick` proves that a bench works, `long` takes the time the targets speak of."""

    is_quick: bool = False
    is_long: bool = False
    calls: int = 1_000_000
    """How many are stored in the large database of bench `million`."""
    databases: tuple[str, ...] = ("SQLite", "PostgreSQL")
    """Where it keeps them."""

    def pick(self, usual: int, quick: int, long: int | None = None) -> int:
        """The size that fits; `long` is `usual` unless said."""
        return quick if self.is_quick else long if self.is_long and long is not None else usual


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; a figure without a target is there for the reader."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The target as text."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}"
        return f">= {self.at_least:g} {self.unit}" if self.at_least is not None else ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; -1 without values."""
    return percentile(sorted(values), share) if values else -1.0
