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
SPEECH_UNDER_PEAK_DB: Final = 40.0
"""Speech ends with the last 10 ms that come this near to the loudest of the passage (reference/turn-taking.md)."""
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


def passages(channel: Floats, rate_hz: int) -> list[Passage]:
    """What sounds above -50 dBFS, to the sample; silences of up to 600 ms are part of a passage."""
    loud = np.flatnonzero(np.abs(channel) >= 10 ** (AUDIBLE_DBFS / 20))
    if not len(loud):
        return []
    gaps = np.flatnonzero(np.diff(loud) > _PAUSE_MS * rate_hz / 1000)
    spans = zip(loud[np.r_[0, gaps + 1]].tolist(), (loud[np.r_[gaps, len(loud) - 1]] + 1).tolist(), strict=True)
    return [Passage(start * 1000 / rate_hz, end * 1000 / rate_hz) for start, end in spans]


def speech_end_ms(channel: Floats, rate_hz: int, before_ms: float) -> float:
    """When speech ended for the last time before a moment; its inaudible tail does not count."""
    audible = [passage for passage in passages(channel, rate_hz) if passage.start_ms < before_ms]
    first, last = (
        round(at_ms * rate_hz / 1000) for at_ms in (audible[-1].start_ms, min(audible[-1].end_ms, before_ms))
    )
    slot = rate_hz * _SLOT_MS // 1000
    squares = np.r_[0.0, np.cumsum(channel[first : last + slot] ** 2)]
    power = squares[slot:] - squares[:-slot]
    near = np.flatnonzero(power >= power.max() * 10 ** (-SPEECH_UNDER_PEAK_DB / 10))
    return (first + int(near[-1]) + slot) * 1000 / rate_hz


def gap_before_ms(recording: TwoChannels, agent_start_ms: float) -> float:
    """How long the caller had been silent when the agent began to sound."""
    return agent_start_ms - speech_end_ms(recording.caller, recording.rate_hz, agent_start_ms)


def position_ms(clip: Floats, channel: Floats, rate_hz: int) -> float:
    """Where a clip of the same rate lies in a channel: the lag at which the two are most alike."""
    size = 1 << (len(channel) + len(clip)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(channel, size) * np.conj(np.fft.rfft(clip, size)), size)
    return float(np.argmax(likeness[: len(channel)])) * 1000 / rate_hz
