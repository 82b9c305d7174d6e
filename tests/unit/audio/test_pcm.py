import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.audio import pcm

pieces = st.lists(st.integers(-32768, 32767), max_size=200).map(lambda values: np.array(values, dtype="<i2").tobytes())


def tone(amplitude: int, samples: int = 1600) -> bytes:
    return pcm.to_pcm(np.sin(np.arange(samples) * 0.3) * amplitude)


@given(pieces)
def test_samples_and_bytes_round_trip(piece: bytes) -> None:
    assert pcm.to_pcm(pcm.to_samples(piece)) == piece
    assert pcm.sample_count(piece) == len(pcm.to_samples(piece))


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="half a sample"):
        pcm.to_samples(b"\0\0\0")


def test_conversion_saturates_and_rounds() -> None:
    samples = pcm.to_samples(pcm.to_pcm(np.array([1e9, -1e9, 1.6, -1.6])))
    assert samples.tolist() == [32767, -32768, 2, -2]


def test_duration_counts_samples() -> None:
    assert pcm.duration_ms(pcm.silence(320), 16_000) == 20
    assert pcm.silence(-1) == b""


@given(pieces)
def test_gain_of_one_changes_nothing_and_of_zero_silences(piece: bytes) -> None:
    assert pcm.gain(piece, 1) == piece
    assert pcm.gain(piece, 0) == pcm.silence(pcm.sample_count(piece))


def test_gain_saturates_instead_of_wrapping() -> None:
    loud = np.array([20_000, -20_000], dtype="<i2").tobytes()
    assert pcm.to_samples(pcm.gain(loud, 2)).tolist() == [32767, -32768]


def test_a_fade_ends_exactly_at_its_target() -> None:
    flat = np.full(100, 10_000, dtype="<i2").tobytes()
    faded = pcm.to_samples(pcm.fade(flat, 1.0, 0.2))
    assert faded[-1] == 2000
    assert (np.diff(faded) < 0).all()


@given(pieces, st.integers(-5, 400))
def test_fades_keep_the_length_and_the_rest(piece: bytes, samples: int) -> None:
    edge = min(max(samples, 0), pcm.sample_count(piece)) * 2
    rising, sinking = pcm.fade_in(piece, samples), pcm.fade_out(piece, samples)
    assert len(rising) == len(sinking) == len(piece)
    assert rising[edge:] == piece[edge:]
    assert sinking[: len(piece) - edge] == piece[: len(piece) - edge]


def test_levels_of_a_full_sine_a_square_and_silence() -> None:
    assert pcm.rms_dbfs(tone(32767, 16_000)) == pytest.approx(-3.01, abs=0.02)
    assert pcm.peak_dbfs(tone(16384, 16_000)) == pytest.approx(-6.02, abs=0.02)
    assert pcm.rms_dbfs(np.full(10, -32768, dtype="<i2").tobytes()) == 0
    for nothing in (b"", pcm.silence(10)):
        assert pcm.rms_dbfs(nothing) == pcm.peak_dbfs(nothing) == pcm.SILENCE_DBFS


def test_audible_edges_are_sample_exact() -> None:
    piece = pcm.silence(700) + np.full(50, -5000, dtype="<i2").tobytes() + pcm.silence(90)
    assert (pcm.first_audible(piece), pcm.last_audible(piece)) == (700, 749)


@given(st.lists(st.integers(-300, 300), max_size=60), st.integers(1, 300))
def test_audible_edges_are_the_first_and_the_last_loud_sample(samples: list[int], level: int) -> None:
    piece = np.array(samples, dtype="<i2").tobytes()
    loud = [index for index, sample in enumerate(samples) if abs(sample) >= level]
    threshold_dbfs = 20 * math.log10((level - 0.5) / 32768)
    assert pcm.first_audible(piece, threshold_dbfs) == (loud[0] if loud else None)
    assert pcm.last_audible(piece, threshold_dbfs) == (loud[-1] if loud else None)


def test_silence_has_no_audible_edge() -> None:
    hiss = np.full(100, 20, dtype="<i2").tobytes()
    assert pcm.first_audible(hiss) is None
    assert pcm.last_audible(hiss) is None
    assert pcm.first_audible(hiss, threshold_dbfs=-70) == 0
    assert pcm.first_audible(pcm.silence(5), threshold_dbfs=-200) is None


@given(pieces, pieces)
def test_mixing_is_symmetric_and_as_long_as_the_longer(one: bytes, other: bytes) -> None:
    mixed = pcm.mix(one, other)
    assert mixed == pcm.mix(other, one)
    assert len(mixed) == max(len(one), len(other))
    assert pcm.mix(one, b"") == one


def test_mixing_saturates() -> None:
    loud = np.array([30_000, -30_000], dtype="<i2").tobytes()
    assert pcm.to_samples(pcm.mix(loud, loud)).tolist() == [32767, -32768]


@given(pieces, pieces)
def test_interleaving_keeps_both_channels(left: bytes, right: bytes) -> None:
    frames = pcm.to_samples(pcm.interleave(left, right)).reshape(-1, 2)
    assert frames[: pcm.sample_count(left), 0].tolist() == pcm.to_samples(left).tolist()
    assert frames[: pcm.sample_count(right), 1].tolist() == pcm.to_samples(right).tolist()
    assert not frames[pcm.sample_count(left) :, 0].any()
