"""The playback buffer of a client: what of the received audio was heard, and when; pure.

Audio plays in real time from its arrival, gapless while the buffer lasts, and `clear` empties the buffer.
"""

from dataclasses import dataclass

from retold.audio.pcm import BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class HeardRun:
    """Audio that came out of the loudspeaker without a gap; times in milliseconds of the owner's clock."""

    start_ms: float
    end_ms: float
    pcm: bytes


class PlaybackBuffer:
    """Every method takes the time at which it happens; times never go back."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._starts_ms: list[float] = []
        self._runs: list[bytearray] = []

    def push(self, at_ms: float, pcm: bytes) -> float:
        """Take audio that arrived; gives the time at which its first sample is heard."""
        ends_ms = self.ends_ms()
        if not self._runs or ends_ms < at_ms:
            self._starts_ms.append(at_ms)
            self._runs.append(bytearray(pcm))
            return at_ms
        self._runs[-1] += pcm
        return ends_ms

    def clear(self, at_ms: float) -> float:
        """Drop what is not heard by now; gives how many milliseconds were dropped."""
        dropped_ms = self.ahead_ms(at_ms)
        if dropped_ms > 0:
            heard_samples = int(max(at_ms - self._starts_ms[-1], 0) * self.sample_rate / 1000)
            del self._runs[-1][heard_samples * BYTES_PER_SAMPLE :]
        return dropped_ms

    def ends_ms(self) -> float:
        """When the buffer runs out, or ran out; 0 before any audio."""
        if not self._runs:
            return 0.0
        return self._starts_ms[-1] + len(self._runs[-1]) * 1000 / (self.sample_rate * BYTES_PER_SAMPLE)

    def ahead_ms(self, at_ms: float) -> float:
        """How much audio waits to be heard."""
        return max(self.ends_ms() - at_ms, 0.0)

    def runs(self, until_ms: float | None = None) -> list[HeardRun]:
        """What was heard, or up to `until_ms`: later audio is still in the buffer."""
        heard: list[HeardRun] = []
        for start_ms, audio in zip(self._starts_ms, self._runs, strict=True):
            pcm = bytes(audio)
            if until_ms is not None:
                samples = int(max(until_ms - start_ms, 0) * self.sample_rate / 1000)
                pcm = pcm[: samples * BYTES_PER_SAMPLE]
            if pcm:
                end_ms = start_ms + len(pcm) * 1000 / (self.sample_rate * BYTES_PER_SAMPLE)
                heard.append(HeardRun(start_ms, end_ms, pcm))
        return heard
