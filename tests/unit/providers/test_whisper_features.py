"""The log-mel spectrogram against what is known of it."""

import numpy as np
import numpy.typing as npt
import pytest

from retold.providers.whisper_features import HOP, SAMPLE_RATE_HZ, LogMel, mel_filters

BANDS = 80


def tone(hz: float, seconds: float = 1.0, amplitude: float = 0.5) -> npt.NDArray[np.float32]:
    at = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def band_of(hz: float) -> int:
    """The band whose filter answers a frequency most."""
    return int(np.argmax(mel_filters(BANDS)[:, round(hz / 40)]))


@pytest.mark.parametrize("hz", [200, 440, 1000, 2000, 4000, 7000])
def test_a_tone_is_loudest_in_its_own_band(hz: int) -> None:
    features = LogMel(BANDS)(tone(hz), 100)
    assert abs(int(np.argmax(features[:, 50])) - band_of(hz)) <= 1


def test_bands_rise_with_frequency_and_cover_the_range_without_holes() -> None:
    filters = mel_filters(BANDS)
    assert filters.shape == (BANDS, 201)
    assert np.all(np.diff(np.argmax(filters, axis=1)) >= 0)
    assert np.all(filters[:, 1:-1].sum(axis=0) > 0)


def test_filters_have_equal_area() -> None:
    areas = mel_filters(40).sum(axis=1) * 40
    assert areas == pytest.approx(np.ones(40), abs=0.15)


def test_what_the_audio_does_not_fill_is_zero() -> None:
    features = LogMel(BANDS)(tone(440, 0.5), 100)
    assert features.shape == (BANDS, 100)
    assert features.dtype == np.float32
    assert np.any(features[:, 49] != 0)
    assert not np.any(features[:, 50:])


def test_the_range_from_loudest_to_quietest_is_eight_decades_at_most() -> None:
    samples = np.concatenate((tone(440), np.zeros(SAMPLE_RATE_HZ, np.float32)))
    features = LogMel(BANDS)(samples, 200)
    assert float(features.max() - features.min()) == pytest.approx(2.0)


def test_ten_times_the_amplitude_is_half_a_unit_more() -> None:
    quiet, loud = (LogMel(BANDS)(tone(1000, amplitude=amplitude), 100) for amplitude in (0.05, 0.5))
    assert float(loud.max() - quiet.max()) == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("samples", [0, 100, HOP, HOP + 1, 401])
def test_any_length_of_audio_is_taken(samples: int) -> None:
    features = LogMel(BANDS)(np.zeros(samples, np.float32), 10)
    assert np.all(np.isfinite(features))


def test_more_audio_than_asked_for_is_cut() -> None:
    long, short = tone(440, 2.0), tone(440, 2.0)[: 50 * HOP]
    assert LogMel(BANDS)(long, 50) == pytest.approx(LogMel(BANDS)(short, 50))
