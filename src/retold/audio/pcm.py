"""PCM signed 16-bit little-endian mono: levels, fades, edges of sound and mixing, as pure functions on bytes.

Full scale is 32768: 0 dBFS is the loudest square wave, a full sine has -3 dBFS. Results saturate, they never wrap.
"""

import math

import numpy as np
from numpy.typing import NDArray

from retold.audio.native import audioop

BYTES_PER_SAMPLE = 2
FULL_SCALE = 32768.0
SILENCE_DBFS = -120.0
"""Level given for digital silence; below anything 16 bits can hold."""

Samples = NDArray[np.int16]


def to_samples(pcm: bytes | bytearray | memoryview) -> Samples:
    """View PCM as int16 samples without copying; read-only when `pcm` is. Raises ValueError on half a sample."""
    if len(pcm) % BYTES_PER_SAMPLE:
        raise ValueError(f"PCM of {len(pcm)} bytes ends in half a sample; give whole 16-bit samples")
    return np.frombuffer(pcm, dtype="<i2")


def to_pcm(samples: NDArray[np.floating] | NDArray[np.integer]) -> bytes:
    """Round samples (scale of int16) to PCM, saturating at full scale."""
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def sample_count(pcm: bytes) -> int:
    """How many whole samples `pcm` holds."""
    return len(pcm) // BYTES_PER_SAMPLE


def duration_ms(pcm: bytes, rate_hz: int) -> float:
    """How long `pcm` sounds."""
    return sample_count(pcm) * 1000 / rate_hz


def silence(samples: int) -> bytes:
    """`samples` samples of digital silence; nothing for zero or less."""
    return bytes(max(samples, 0) * BYTES_PER_SAMPLE)


def gain(pcm: bytes, factor: float) -> bytes:
    """Multiply by `factor` (1 leaves it as it is, 0 is silence)."""
    return pcm if factor == 1 else audioop.mul(pcm, BYTES_PER_SAMPLE, factor)


def fade(pcm: bytes, from_factor: float, to_factor: float) -> bytes:
    """Move the gain evenly over the whole of `pcm`, so that a following piece at `to_factor` joins without a click."""
    samples = to_samples(pcm)
    ramp = np.linspace(from_factor, to_factor, num=len(samples) + 1, dtype=np.float32)[1:]
    return to_pcm(samples * ramp)


def fade_in(pcm: bytes, samples: int) -> bytes:
    """Let the first `samples` samples rise from silence; a shorter piece rises over all of it."""
    edge = min(max(samples, 0), sample_count(pcm)) * BYTES_PER_SAMPLE
    return fade(pcm[:edge], 0.0, 1.0) + pcm[edge:]


def fade_out(pcm: bytes, samples: int) -> bytes:
    """Let the last `samples` samples sink to silence; a shorter piece sinks over all of it."""
    edge = len(pcm) - min(max(samples, 0), sample_count(pcm)) * BYTES_PER_SAMPLE
    return pcm[:edge] + fade(pcm[edge:], 1.0, 0.0)


def rms(pcm: bytes) -> int:
    """Root mean square of the samples, 0 to 32768, rounded down; 0 for nothing."""
    return audioop.rms(pcm, BYTES_PER_SAMPLE)


def rms_dbfs(pcm: bytes) -> float:
    """Root mean square level; SILENCE_DBFS for silence and for nothing."""
    samples = to_samples(pcm)
    if not len(samples):
        return SILENCE_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * math.log10(power / FULL_SCALE**2) if power else SILENCE_DBFS


def peak_dbfs(pcm: bytes) -> float:
    """Level of the loudest sample; SILENCE_DBFS for silence and for nothing."""
    peak = int(np.max(np.abs(to_samples(pcm).astype(np.int32)), initial=0))
    return 20 * math.log10(peak / FULL_SCALE) if peak else SILENCE_DBFS


def first_audible(pcm: bytes, threshold_dbfs: float = -50.0) -> int | None:
    """Index of the first sample at or over the threshold, None when there is none."""
    level = _level(threshold_dbfs)
    if audioop.max(pcm, BYTES_PER_SAMPLE) < level:
        return None
    first, last = 0, sample_count(pcm) - 1
    while first < last:
        middle = (first + last) // 2
        if audioop.max(_part(pcm, first, middle), BYTES_PER_SAMPLE) < level:
            first = middle + 1
        else:
            last = middle
    return first


def last_audible(pcm: bytes, threshold_dbfs: float = -50.0) -> int | None:
    """Index of the last sample at or over the threshold, None when there is none."""
    level = _level(threshold_dbfs)
    if audioop.max(pcm, BYTES_PER_SAMPLE) < level:
        return None
    first, last = 0, sample_count(pcm) - 1
    while first < last:
        middle = (first + last + 1) // 2
        if audioop.max(_part(pcm, middle, last), BYTES_PER_SAMPLE) < level:
            last = middle - 1
        else:
            first = middle
    return first


def mix(one: bytes, other: bytes) -> bytes:
    """Add two pieces that start together; the shorter is followed by silence."""
    size = max(len(one), len(other))
    return audioop.add(one.ljust(size, b"\0"), other.ljust(size, b"\0"), BYTES_PER_SAMPLE)


def interleave(left: bytes, right: bytes) -> bytes:
    """Two channels as one stereo stream; the shorter is followed by silence."""
    first, second = to_samples(left), to_samples(right)
    frames = np.zeros((max(len(first), len(second)), 2), dtype="<i2")
    frames[: len(first), 0] = first
    frames[: len(second), 1] = second
    return frames.tobytes()


def _part(pcm: bytes, first: int, last: int) -> memoryview:
    return memoryview(pcm)[first * BYTES_PER_SAMPLE : (last + 1) * BYTES_PER_SAMPLE]


def _level(dbfs: float) -> float:
    return max(1.0, FULL_SCALE * 10 ** (dbfs / 20))
