import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.audio.pcm import sample_count, silence, to_pcm, to_samples
from retold.audio.resample import StreamResampler, resample

RATES = [8000, 16_000, 22_050, 24_000, 44_100, 48_000]
PAIRS = [(a, b) for a in RATES for b in RATES]


def in_pieces(pcm: bytes, resampler: StreamResampler, samples: int) -> bytes:
    size = samples * 2
    fed = [resampler.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    return b"".join(fed) + resampler.flush()


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_an_impulse_stays_where_it_is(from_hz: int, to_hz: int) -> None:
    at_s = 0.5
    time = np.arange(from_hz) / from_hz - at_s
    bump = to_pcm(20_000 * np.exp(-((time / 0.0005) ** 2)))
    out = to_samples(in_pieces(bump, StreamResampler(from_hz, to_hz), from_hz // 50)).astype(float)
    centre_s = (out * np.arange(len(out))).sum() / out.sum() / to_hz
    assert centre_s == pytest.approx(at_s, abs=0.00005)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PAIRS), st.integers(0, 3000), st.integers(1, 900))
def test_the_total_is_exact_after_flush(pair: tuple[int, int], samples: int, piece: int) -> None:
    from_hz, to_hz = pair
    out = in_pieces(silence(samples), StreamResampler(from_hz, to_hz), piece)
    assert sample_count(out) == round(samples * to_hz / from_hz)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_no_more_than_two_milliseconds_are_held_back(from_hz: int, to_hz: int) -> None:
    resampler = StreamResampler(from_hz, to_hz)
    given = sum(sample_count(resampler.feed(silence(from_hz // 50))) for _ in range(50))
    assert to_hz / 1 * (50 * (from_hz // 50) / from_hz) - given <= 0.0021 * to_hz


def test_a_tone_keeps_level_and_shape() -> None:
    time = np.arange(24_000) / 24_000
    out = to_samples(resample(to_pcm(12_000 * np.sin(2 * np.pi * 440 * time)), 24_000, 16_000))
    want = 12_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(out[100:-100] - want[100:-100]).max() < 60


def test_the_same_rate_passes_bytes_through() -> None:
    resampler = StreamResampler(16_000, 16_000)
    pcm = to_pcm(np.arange(100))
    assert resampler.feed(pcm) == pcm
    assert resampler.flush() == b""


def test_a_flushed_resampler_begins_anew() -> None:
    resampler = StreamResampler(16_000, 8000)
    pcm = to_pcm(np.arange(1000))
    assert in_pieces(pcm, resampler, 320) == in_pieces(pcm, resampler, 320)
    assert resampler.flush() == b""


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8000), (8000, -1)])
def test_rates_of_zero_or_less_are_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="rates are over 0"):
        StreamResampler(from_hz, to_hz)
