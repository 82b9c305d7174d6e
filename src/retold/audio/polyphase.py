"""Change of sample rate by a small whole ratio, as one product of matrices: a quarter of FFmpeg's time per frame.

The filter is a sinc under a Kaiser window, HALF_LENGTH zero crossings to each side at the lower of both rates. Its
taps for a whole block of output samples are the columns of one banded matrix, so that a block is its own samples
and those of its two neighbours, times the matrix. All blocks lie at fixed places of the stream: how it is cut
into pieces changes nothing.
"""

from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from retold.audio.pcm import BYTES_PER_SAMPLE, silence, to_samples

HALF_LENGTH = 16
"""Samples of the lower rate: the delay, 2 ms at 8 kHz, that the stream holds back and then makes up for."""
_KAISER_BETA = 6.0
"""Images and aliases lie 65 dB down from 15 % above the lower Nyquist frequency on; flat to 15 % below it."""
_MAX_TERM = 6


def is_small_ratio(from_hz: int, to_hz: int) -> bool:
    """Whether `SmallRatio` can do it: the ratios among 8, 16, 24 and 48 kHz."""
    ratio = Fraction(to_hz, from_hz)
    return max(ratio.numerator, ratio.denominator) <= _MAX_TERM


class SmallRatio:
    """One stream; sample m of the output lies at the time of sample m * from / to of the input."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        ratio = Fraction(to_hz, from_hz)
        self._block, self._taps = _filter(ratio.numerator, ratio.denominator)
        self._held = silence(self._block)

    def feed(self, pcm: bytes) -> bytes:
        """Give all blocks whose right neighbour is complete. Raises ValueError on half a sample."""
        held = self._held + pcm
        blocks = len(to_samples(held)) // self._block - 2
        if blocks < 1:
            self._held = held
            return b""
        self._held = held[blocks * self._block * BYTES_PER_SAMPLE :]
        samples = np.frombuffer(held, "<i2", (blocks + 2) * self._block).astype(np.float64)
        with_neighbours = np.ndarray(
            (blocks, 3 * self._block), np.float64, samples, strides=(self._block * samples.itemsize, samples.itemsize)
        )
        out = np.ascontiguousarray(with_neighbours) @ self._taps
        np.rint(out, out=out)
        out.clip(-32768, 32767, out=out)
        return out.astype("<i2").tobytes()

    def flush(self) -> bytes:
        """Give the rest, as if silence followed: a whole block or two, so more than the input is long."""
        return self.feed(silence(2 * self._block))


@cache
def _filter(up: int, down: int) -> tuple[int, NDArray[np.float64]]:
    """Input samples per block, and taps of shape (3 blocks of input, 1 block of output)."""
    block = HALF_LENGTH * max(up, down) // up
    out = np.arange(block * up // down) * down / up
    offsets = out[None, :] - np.arange(-block, 2 * block)[:, None]
    inside = np.clip(1 - (offsets / block) ** 2, 0, None)
    window = np.where(np.abs(offsets) < block, np.i0(_KAISER_BETA * np.sqrt(inside)), 0)
    taps = np.sinc(offsets * min(1, up / down)) * window
    return block, taps / taps.sum(axis=0)
