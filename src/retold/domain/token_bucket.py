"""Token buckets by name: so many at once, then so many a second."""

from collections import OrderedDict

MAX_NAMES = 10_000
"""Buckets that are kept; beyond it the one that was asked longest ago is forgotten, and is full again."""


class TokenBuckets:
    """One bucket for each name; time is handed in, in seconds of any clock that does not go back."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_s: float) -> float:
        """Take a token: 0 when there was one, else the seconds until there is."""
        level = self._level(name, now_s)
        if level < 1:
            self._keep(name, level, now_s)
            return (1 - level) / self._per_s
        self._keep(name, level - 1, now_s)
        return 0.0

    def give_back(self, name: str, now_s: float) -> None:
        """Undo a taking that turned out to be none."""
        self._keep(name, min(self._burst, self._level(name, now_s) + 1), now_s)

    def _level(self, name: str, now_s: float) -> float:
        level, then_s = self._levels.get(name, (self._burst, now_s))
        return min(self._burst, level + (now_s - then_s) * self._per_s)

    def _keep(self, name: str, level: float, now_s: float) -> None:
        self._levels[name] = (level, now_s)
        self._levels.move_to_end(name)
        if len(self._levels) > MAX_NAMES:
            self._levels.popitem(last=False)
