"""Lays the caller's audio on the call clock by counting samples from the first chunk. Pure.

Sockets deliver in bursts, so arrival times say little; the caller's own sample count says when a sound was made.
Only two things move the count: a *gap* (the caller sent nothing for a while; what follows belongs
later) and a caller whose clock runs ahead of ours. After a stall it is not yet known whether a gap or a
late burst follows: chunks are held for a moment and then laid where they belong. So are those that come together at the
beginning: they waited while the call was made ready, and were spoken before they arrived.

    BEGUN --chunk that comes at its own pace, or HOLD_MS--> FLOWING (what was held ends when the last of it arrived)
    FLOWING --chunk later than STALL_MS--> HELD --burst caught up--> FLOWING (same count: it was only late)
                                            '--real time for HOLD_MS--> FLOWING (count jumps: it was a gap)
"""

from dataclasses import dataclass, field
from typing import NamedTuple

STALL_MS = 200.0
"""A chunk this much later than the count says starts a stall."""
HOLD_MS = 60.0
"""How long chunks are held after a stall to see whether a burst follows."""
MAX_AHEAD_MS = 20.0
"""Sound cannot arrive before it was made: samples further ahead of now than this say that the count began too late, or
that the caller's clock runs fast. The surplus is dropped; what follows lies right."""
SETTLE_MS = 1000.0
"""Joining is a busy moment: the first chunk, which begins the count, is often read late. For so long after it the count
follows the chunk that came soonest, as long as nothing is said and nothing lost by it; from then on it stands."""
SETTLING_AHEAD_MS = 1.0
"""`MAX_AHEAD_MS` in that time: no more than a caller's timer may be early by."""


class Placed(NamedTuple):
    """A chunk and the call sample at which its first sample lies."""

    start_sample: int
    pcm: bytes


@dataclass(slots=True)
class CallerClock:
    """Sample positions for the chunks of one caller; s16le mono at `sample_rate`."""

    sample_rate: int
    dropped_samples: int = 0
    gap_samples: int = 0
    _next_sample: int | None = None
    _held: list[bytes] = field(default_factory=list[bytes])
    _held_since_ms: float = 0.0
    _held_until_ms: float = 0.0
    _settled_ms: float = 0.0

    def place(self, pcm: bytes, now_ms: float, *, is_speech: bool = False) -> list[Placed]:
        """Where each chunk that is ready lies; empty while chunks are held at the beginning or after a stall.

        `is_speech` tells whether the caller is known to be speaking.
        """
        if self._next_sample is None:
            if self._comes_with_the_first(pcm, now_ms):
                return []
            return [*self._begin(), *self.place(pcm, now_ms, is_speech=is_speech)]
        samples = len(pcm) // 2
        arrived_at = self._sample(now_ms) - samples
        if self._held:
            self._held.append(pcm)
            return self._release(now_ms)
        if arrived_at - self._next_sample > self._sample(STALL_MS):
            self._held, self._held_since_ms = [pcm], now_ms
            return []
        surplus = self._surplus(samples, now_ms, is_speech=is_speech)
        self.dropped_samples += min(surplus, samples)
        return [self._lay(pcm[2 * surplus :])] if surplus < samples else []

    def _comes_with_the_first(self, pcm: bytes, now_ms: float) -> bool:
        """Hold a chunk that is the first, or comes with those before it in less than half its time."""
        if not self._held:
            self._held_since_ms = now_ms
        elif now_ms - self._held_since_ms >= HOLD_MS or 2 * self._sample(now_ms - self._held_until_ms) >= len(pcm) // 2:
            return False
        self._held.append(pcm)
        self._held_until_ms = now_ms
        return True

    def _begin(self) -> list[Placed]:
        """Lay what was held so that it ends when the last of it arrived; nothing lies before the call."""
        pcm, self._held = b"".join(self._held), []
        samples, arrived = len(pcm) // 2, self._sample(self._held_until_ms)
        self._next_sample, self._settled_ms = max(0, arrived - samples), self._held_until_ms + SETTLE_MS
        early = max(0, samples - arrived)
        self.dropped_samples += early
        return [self._lay(pcm[2 * early :])] if early < samples else []

    def _surplus(self, samples: int, now_ms: float, *, is_speech: bool) -> int:
        ahead = (self._next_sample or 0) + samples - self._sample(now_ms)
        if now_ms < self._settled_ms and not is_speech:
            return ahead if ahead > self._sample(SETTLING_AHEAD_MS) else 0
        return max(0, ahead - self._sample(MAX_AHEAD_MS))

    def _release(self, now_ms: float) -> list[Placed]:
        held = sum(len(pcm) for pcm in self._held) // 2
        next_sample = self._next_sample or 0
        late_by = self._sample(now_ms) - (next_sample + held)
        is_burst = late_by <= self._sample(STALL_MS)
        if not is_burst and now_ms - self._held_since_ms < HOLD_MS:
            return []
        if not is_burst:
            gap = max(0, self._sample(now_ms) - held - next_sample)
            self.gap_samples += gap
            self._next_sample = next_sample + gap
        placed = [self._lay(pcm) for pcm in self._held]
        self._held = []
        return placed

    def _lay(self, pcm: bytes) -> Placed:
        start = self._next_sample or 0
        self._next_sample = start + len(pcm) // 2
        return Placed(start, pcm)

    def _sample(self, ms: float) -> int:
        return round(ms * self.sample_rate / 1000)
