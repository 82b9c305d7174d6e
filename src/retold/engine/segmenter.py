"""Speech probabilities in, speech starts and ends out, timed by the sound itself. Pure.

The detector decides *whether* there is speech; loudness decides exactly *when* it began and ended, in slots of 10 ms,
because a detector's answer trails the sound by a varying time.
"""

from collections import deque
from dataclasses import dataclass, field

SLOT_MS = 10.0
START_PROBABILITY = 0.5
END_PROBABILITY = 0.35
START_AFTER_MS = 60.0
"""Speech must be likely for this long to count: single clicks do not."""
END_AFTER_MS = 160.0
"""Speech must be unlikely for this long to have ended."""
LOOK_BACK_MS = 240.0
"""How far before the detector's answer the onset is searched."""
ONSET_RATIO = 0.06
"""Speech begins with a slot over this share of the loudness so far (-24 dB)."""
TAIL_RATIO = 0.01
"""Speech ends with the last slot over this share of the passage's loudest (-40 dB): the soft end of "insurance" is
still speech. Of synthesised speech, whose end is known, -24 dB missed up to 130 ms."""


FLOOR_LEAST = 1.0
FLOOR_RISE = 1.05
"""The noise floor doubles in 300 ms at most; the onset of speech, unrecognised for 100 ms, hardly lifts it."""
FLOOR_FALL = 0.2


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech since `onset_ms`."""

    onset_ms: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The last audible slot of the passage ended at `end_ms`."""

    end_ms: float


def _followed(floor: float, rms: float) -> float:
    """The noise floor after 20 ms that are not speech yet: slow to rise, because they may turn out to be its onset."""
    return max(FLOOR_LEAST, min(rms, floor * FLOOR_RISE) if rms > floor else floor + FLOOR_FALL * (rms - floor))


@dataclass(slots=True)
class SpeechSegmenter:
    """Follows one caller; feed it every 20 ms in order."""

    is_speech: bool = False
    _likely_ms: float = 0.0
    _unlikely_ms: float = 0.0
    _floor: float = 50.0
    _peak: float = 0.0
    _slots: deque[tuple[float, float]] = field(default_factory=lambda: deque[tuple[float, float]](maxlen=100))
    _onset_ms: float = 0.0

    def feed(
        self, at_ms: float, slot_rms: tuple[float, float], probability: float
    ) -> SpeechBegan | SpeechStopped | None:
        """Take 20 ms that begin at `at_ms`: RMS (0 to 32768) of its two halves, and the probability of speech."""
        for index, rms in enumerate(slot_rms):
            self._slots.append((at_ms + index * SLOT_MS, rms))
        if self.is_speech:
            return self._in_speech(at_ms, max(slot_rms), probability)
        return self._in_silence(at_ms, min(slot_rms), probability)

    def _in_silence(self, at_ms: float, rms: float, probability: float) -> SpeechBegan | None:
        if probability < START_PROBABILITY:
            self._likely_ms = 0.0
            self._floor = _followed(self._floor, rms)
            return None
        self._likely_ms += 2 * SLOT_MS
        if self._likely_ms < START_AFTER_MS:
            return None
        self.is_speech, self._likely_ms, self._unlikely_ms = True, 0.0, 0.0
        recent = [slot for slot in self._slots if slot[0] >= at_ms - LOOK_BACK_MS]
        self._peak = max(rms for _, rms in recent)
        self._onset_ms = self._loud_run_start(recent, at_ms)
        return SpeechBegan(self._onset_ms)

    def _loud_run_start(self, slots: list[tuple[float, float]], at_ms: float) -> float:
        """The start of the sound that goes on at the end of `slots`, over pauses of up to 60 ms."""
        onset, quiet = at_ms - START_AFTER_MS + 2 * SLOT_MS, 0
        threshold = self._threshold(ONSET_RATIO)
        for start_ms, rms in reversed(slots):
            quiet = 0 if rms > threshold else quiet + 1
            if quiet > 6:
                break
            if quiet == 0:
                onset = min(onset, start_ms)
        return onset

    def _in_speech(self, at_ms: float, rms: float, probability: float) -> SpeechStopped | None:
        self._peak = max(rms, self._peak)
        self._unlikely_ms = self._unlikely_ms + 2 * SLOT_MS if probability < END_PROBABILITY else 0.0
        if self._unlikely_ms < END_AFTER_MS:
            return None
        return self._stop(at_ms + 2 * SLOT_MS)

    def stop(self, at_ms: float) -> SpeechStopped | None:
        """The audio itself stopped: end the passage at its last audible slot, if there is one."""
        return self._stop(at_ms) if self.is_speech else None

    def _stop(self, at_ms: float) -> SpeechStopped:
        self.is_speech, self._likely_ms, self._unlikely_ms = False, 0.0, 0.0
        threshold = self._threshold(TAIL_RATIO)
        loud = [start_ms for start_ms, rms in self._slots if rms > threshold]
        end_ms = loud[-1] + SLOT_MS if loud else at_ms - END_AFTER_MS
        return SpeechStopped(max(min(end_ms, at_ms), self._onset_ms))

    def _threshold(self, ratio: float) -> float:
        return max(3.0 * self._floor, ratio * self._peak)
