"""Log-mel spectrogram as Whisper was trained on: 16 kHz, 25 ms Hann windows every 10 ms.

Source: "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022), section 2.2,
with the Slaney mel scale and area normalisation its models use.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ: Final = 16_000
HOP: Final = 160
"""Samples from one frame to the next: 10 ms."""
_WINDOW: Final = 400
_SLICE: Final = 16
_DYNAMIC_RANGE: Final = 8.0
_LINEAR_HZ_PER_MEL: Final = 200 / 3
_LOG_FROM_HZ: Final = 1000.0
_LOG_FROM_MEL: Final = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP: Final = float(np.log(6.4)) / 27

Floats = npt.NDArray[np.float32]


class LogMel:
    """Turns audio into the features of a Whisper model; holds only constant tables, so threads may share it."""

    def __init__(self, bands: int) -> None:
        self.bands = bands
        self._filters = mel_filters(bands)
        self._hann = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)

    def __call__(self, samples: Floats, frames: int) -> Floats:
        """Features of shape (bands, frames) for float32 audio in -1 to 1, at most `frames` * 10 ms of it.

        What the audio does not fill is zero *in the features*: measured on telephone speech with short
        windows, that misleads the model far less than features of silence do.
        """
        used = min(frames, len(samples) // HOP)
        features = np.zeros((self.bands, frames), np.float32)
        if used:
            features[:, :used] = self._log_mel(samples[: used * HOP])
        return features

    def _log_mel(self, samples: Floats) -> Floats:
        count = len(samples) // HOP
        half = _WINDOW // 2
        mode = "reflect" if len(samples) > half else "constant"
        padded = np.pad(samples, half, mode=mode)
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:count]
        spectrum = np.fft.rfft(windows * self._hann, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        log = np.log10(np.maximum(self._mel(power), 1e-10))
        floored = np.maximum(log, log.max() - _DYNAMIC_RANGE)
        return ((floored + 4.0) / 4.0).astype(np.float32)

    def _mel(self, power: Floats) -> Floats:
        """Filtered power, shape (bands, frames); in slices so small that BLAS does not wake its threads for them."""
        slices = [self._filters @ power[at : at + _SLICE].T for at in range(0, len(power), _SLICE)]
        return np.concatenate(slices, axis=1)


def mel_filters(bands: int) -> Floats:
    """Triangular filters of shape (bands, 201), evenly spaced in mel from 0 to 8 kHz, each of equal area."""
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), bands + 2))
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE_HZ)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    return _LOG_FROM_MEL + float(np.log(hz / _LOG_FROM_HZ)) / _LOG_STEP


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - _LOG_FROM_MEL))
    return np.where(mel < _LOG_FROM_MEL, mel * _LINEAR_HZ_PER_MEL, above)
