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


SPEECH_PAIRS = [(a, b) for a in (8000, 16_000, 24_000, 48_000) for b in (8000, 16_000, 24_000, 48_000) if a != b]


def spectrum_db(out: bytes, hz: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int]:
    """Power per hertz of the middle half second, relative to the tone of level 10000 that went in; hertz per bin."""
    samples = to_samples(out)[hz // 4 : hz // 4 + hz // 2].astype(float) * np.blackman(hz // 2)
    level = np.abs(np.fft.rfft(samples)) / (10_000 * np.blackman(hz // 2).sum() / 2)
    return 20 * np.log10(np.maximum(level, 1e-9)), 2


@pytest.mark.parametrize(("from_hz", "to_hz"), SPEECH_PAIRS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.85], ids=["low", "middle", "high"])
def test_a_tone_below_both_limits_comes_out_alone_and_as_loud(from_hz: int, to_hz: int, share: float) -> None:
    tone_hz = round(share * min(from_hz, to_hz) / 2 / 2) * 2
    wave = to_pcm(10_000 * np.sin(2 * np.pi * tone_hz * np.arange(from_hz) / from_hz))
    power, bin_hz = spectrum_db(resample(wave, from_hz, to_hz), to_hz)
    at = tone_hz // bin_hz
    assert power[at] == pytest.approx(0, abs=0.05)
    power[at - 3 : at + 4] = -200
    assert power.max() < -60


@pytest.mark.parametrize(("from_hz", "to_hz"), [pair for pair in SPEECH_PAIRS if pair[0] > pair[1]])
def test_a_tone_above_the_new_limit_is_gone(from_hz: int, to_hz: int) -> None:
    tone_hz = to_hz * 0.58
    wave = to_pcm(10_000 * np.sin(2 * np.pi * tone_hz * np.arange(from_hz) / from_hz))
    power, _ = spectrum_db(resample(wave, from_hz, to_hz), to_hz)
    assert power.max() < -60


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPEECH_PAIRS), st.integers(0, 2**32), st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_how_a_stream_is_cut_changes_no_sample(pair: tuple[int, int], seed: int, pieces: list[int]) -> None:
    noise = np.random.default_rng(seed).integers(-32_768, 32_768, sum(pieces))
    resampler, parts = StreamResampler(*pair), np.split(noise, np.cumsum(pieces)[:-1])
    in_parts = b"".join(resampler.feed(to_pcm(part)) for part in parts) + resampler.flush()
    assert in_parts == resample(to_pcm(noise), *pair)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPEECH_PAIRS), st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_odd_pieces_hold_back_four_milliseconds_at_most(pair: tuple[int, int], pieces: list[int]) -> None:
    from_hz, to_hz = pair
    resampler = StreamResampler(from_hz, to_hz)
    given_samples = sum(sample_count(resampler.feed(silence(piece))) for piece in pieces)
    assert sum(pieces) / from_hz - given_samples / to_hz <= 0.004


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16_000), (44_100, 16_000)], ids=["ours", "swresample"])
def test_half_a_sample_is_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="half a sample"):
        StreamResampler(from_hz, to_hz).feed(bytes(321))


def test_full_scale_saturates_and_does_not_wrap() -> None:
    square = to_pcm(np.where(np.arange(800) // 20 % 2, 32_767, -32_768))
    out = to_samples(resample(square, 8000, 16_000)).astype(float)
    assert out.max() == 32_767
    assert out.min() == -32_768
    assert np.abs(np.diff(out)).max() < 65_536


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
