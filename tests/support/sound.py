"""Where sound begins and ends in a recording, by its energy alone: what tests and benches hold the records against.

All positions are milliseconds from the start of the recording, which is the start of the call.
"""

import io
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AUDIBLE_DBFS: Final = -50.0
SPEECH_UNDER_PEAK_DB: Final = 24.0
"""Speech is what is less than this under the loudest part of its passage (docs/reference/turn-taking.md)."""
_SLOT_MS: Final = 10
_PAUSE_MS: Final = 600
"""Silence that parts two passages."""


@dataclass(frozen=True, slots=True)
class TwoChannels:
    """A two-channel recording, samples in -1 to 1."""

    caller: Floats
    agent: Floats
    rate_hz: int

    @property
    def length_ms(self) -> float:
        """How long it is."""
        return len(self.caller) * 1000 / self.rate_hz


@dataclass(frozen=True, slots=True)
class Passage:
    """Sound between two pauses."""

    start_ms: float
    end_ms: float


def two_channels(data: bytes) -> TwoChannels:
    """Read `recording_multi_channel.wav`: caller left, agent right."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32_768
    return TwoChannels(samples[:, 0], samples[:, 1], rate_hz)


def passages(channel: Floats, rate_hz: int, *, under_peak_db: float | None = None) -> list[Passage]:
    """What sounds above -50 dBFS, sample by sample; with `under_peak_db`, only as far as slots of 10 ms come that near.

    The first finds the edges of a voice that comes from a synthesiser, the second those of speech in a room.
    """
    loud = np.flatnonzero(np.abs(channel) >= 10 ** (AUDIBLE_DBFS / 20))
    if not len(loud):
        return []
    gaps = np.flatnonzero(np.diff(loud) > _PAUSE_MS * rate_hz / 1000)
    spans = zip(loud[np.r_[0, gaps + 1]].tolist(), (loud[np.r_[gaps, len(loud) - 1]] + 1).tolist(), strict=True)
    if under_peak_db is not None:
        spans = (_near_peak(channel, span, rate_hz, under_peak_db) for span in spans)
    return [Passage(start * 1000 / rate_hz, end * 1000 / rate_hz) for start, end in spans]


def _near_peak(channel: Floats, span: tuple[int, int], rate_hz: int, under_peak_db: float) -> tuple[int, int]:
    slot = rate_hz * _SLOT_MS // 1000
    squares = np.r_[0.0, np.cumsum(channel[span[0] : span[1] + slot] ** 2)]
    power = squares[slot:] - squares[:-slot]
    near = np.flatnonzero(power >= power.max() * 10 ** (-under_peak_db / 10))
    return span[0] + int(near[0]), span[0] + int(near[-1]) + slot


def gap_before_ms(recording: TwoChannels, agent_start_ms: float) -> float:
    """How long the caller had been silent when the agent began to sound."""
    caller = passages(recording.caller, recording.rate_hz, under_peak_db=SPEECH_UNDER_PEAK_DB)
    return agent_start_ms - max(passage.end_ms for passage in caller if passage.start_ms < agent_start_ms)


def position_ms(clip: Floats, channel: Floats, rate_hz: int) -> float:
    """Where a clip of the same rate lies in a channel: the lag at which the two are most alike."""
    size = 1 << (len(channel) + len(clip)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(channel, size) * np.conj(np.fft.rfft(clip, size)), size)
    return float(np.argmax(likeness[: len(channel)])) * 1000 / rate_hz
