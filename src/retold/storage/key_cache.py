"""The keys that were asked for lately, by the hash of their secret: so many at most, read anew after five seconds."""

import math
from collections import OrderedDict
from dataclasses import dataclass

from retold.clock import Clock
from retold.domain.api_key import ApiKey
from retold.ids import KeyId

MAX_KEYS = 10_000
MAX_AGE_MS = 5_000
"""What another process revoked is honoured here no longer than this."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: ApiKey
    read_ms: float


class KeyCache:
    """Keys that exist; those that do not are never kept, so that guessing fills nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.changes = 0
        """Counts what was outdated: a key read before such a change must not be kept after it."""

    def fresh(self, key_hash: str) -> ApiKey | None:
        """The key, if it was read within the last five seconds."""
        entry = self._entries.get(key_hash)
        if entry is None or self._clock.monotonic_ms() - entry.read_ms > MAX_AGE_MS:
            return None
        return entry.key

    def known(self, key_hash: str) -> ApiKey | None:
        """The key as it was last read, however long ago."""
        entry = self._entries.get(key_hash)
        return None if entry is None else entry.key

    def keep(self, key_hash: str, key: ApiKey | None, changes: int) -> None:
        """Keep what was read when `changes` had this value; None is forgotten."""
        if key is None:
            self._entries.pop(key_hash, None)
        elif changes == self.changes:
            self._entries[key_hash] = _Entry(key, self._clock.monotonic_ms())
            self._entries.move_to_end(key_hash)
            if len(self._entries) > MAX_KEYS:
                self._entries.popitem(last=False)

    def outdate(self, key_id: KeyId) -> None:
        """Have this key read anew when it is next asked for."""
        self.changes += 1
        for key_hash, entry in self._entries.items():
            if entry.key.api_key_id == key_id:
                self._entries[key_hash] = _Entry(entry.key, read_ms=-math.inf)
