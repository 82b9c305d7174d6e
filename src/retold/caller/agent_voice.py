"""When the agent speaks, judged by ear: runs of audible sound in what a client hears; pure."""

import numpy as np

from retold.audio.pcm import FULL_SCALE, duration_ms, to_samples

DONE_AFTER_MS = 300.0
"""Silence after which the agent has finished, and after which sound is a new run."""

PAUSE_MS = 1_000.0
"""Silence as part of audio that goes on, as between two sentences, ends nothing until it is this long."""

AUDIBLE_DBFS = -50.0
_AUDIBLE = FULL_SCALE * 10 ** (AUDIBLE_DBFS / 20)


class AgentVoice:
    """Runs of audible agent speech; sound may be told ahead of the time at which it will be heard."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._runs: list[tuple[float, float]] = []
        self._audio_ends_ms = 0.0

    def hear(self, start_ms: float, pcm: bytes) -> None:
        """Take agent audio that is heard from `start_ms` on; pieces come in order."""
        self._audio_ends_ms = start_ms + duration_ms(pcm, self._sample_rate)
        loud = np.flatnonzero(np.abs(to_samples(pcm).astype(np.int32)) >= _AUDIBLE)
        if not len(loud):
            return
        gaps = np.flatnonzero(np.diff(loud) >= DONE_AFTER_MS * self._sample_rate / 1000)
        first, last = loud[np.r_[0, gaps + 1]], loud[np.r_[gaps, len(loud) - 1]]
        for begin, end in zip(first.tolist(), last.tolist(), strict=True):
            self._add(start_ms + begin * 1000 / self._sample_rate, start_ms + (end + 1) * 1000 / self._sample_rate)

    def clear(self, at_ms: float) -> None:
        """Forget sound that would have been heard after `at_ms`."""
        self._runs = [(start, min(end, at_ms)) for start, end in self._runs if start < at_ms]
        self._audio_ends_ms = min(self._audio_ends_ms, at_ms)

    @property
    def latest_start_ms(self) -> float | None:
        """When the latest run starts, heard or not yet; None before any."""
        return self._runs[-1][0] if self._runs else None

    def runs(self, until_ms: float) -> list[tuple[float, float]]:
        """Start and end of each run that was heard by `until_ms`."""
        return [(start, min(end, until_ms)) for start, end in self._runs if start < until_ms]

    def started_ms(self, since_ms: float, now_ms: float) -> float | None:
        """When the agent first began to speak at or after `since_ms`; None while it has not."""
        return next((start for start, _ in self._runs if since_ms <= start <= now_ms), None)

    def done_ms(self, since_ms: float, now_ms: float) -> float | None:
        """When the agent, having begun at or after `since_ms`, fell silent; None until that is 300 ms ago."""
        latest = next(((start, end) for start, end in reversed(self._runs) if start <= now_ms), None)
        if latest is None or latest[0] < since_ms:
            return None
        silence_ms = now_ms - latest[1]
        is_done = silence_ms >= (DONE_AFTER_MS if now_ms >= self._audio_ends_ms else PAUSE_MS)
        return latest[1] if is_done else None

    def _add(self, start_ms: float, end_ms: float) -> None:
        if self._runs and start_ms - self._runs[-1][1] < DONE_AFTER_MS:
            self._runs[-1] = (self._runs[-1][0], end_ms)
        else:
            self._runs.append((start_ms, end_ms))
