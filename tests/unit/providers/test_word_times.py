"""Word times are moved to where sound is; the sound here is noise with known edges."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.transcript import Word
from retold.providers.word_times import audible, fit, levels_db, runs, silence_at_end_ms

EDGE_MS = 20


def sound(*parts: tuple[int, float]) -> npt.NDArray[np.float32]:
    """Noise of the given lengths (ms) and amplitudes, one after the other."""
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(0, 1, ms * 16) * amplitude for ms, amplitude in parts]).astype(np.float32)


def fitted(words: list[Word], samples: npt.NDArray[np.float32]) -> list[Word]:
    return fit(words, audible(levels_db(samples)))


def test_sound_is_told_from_silence_and_from_background_noise() -> None:
    for background in (0.0, 0.002):
        mask = audible(levels_db(sound((300, background), (500, 0.1), (200, background))))
        assert runs(mask, of=True) == [(30, 80)]
        assert silence_at_end_ms(mask) == 200


def test_a_click_is_not_speech() -> None:
    mask = audible(levels_db(sound((300, 0.0), (10, 0.1), (300, 0.0), (500, 0.1))))
    assert runs(mask, of=True) == [(61, 111)]


def test_no_audio_has_no_sound() -> None:
    assert len(audible(levels_db(np.zeros(0, np.float32)))) == 0
    assert silence_at_end_ms(np.zeros(0, np.bool_)) == 0


def test_the_first_word_starts_with_the_sound_and_the_last_ends_with_it() -> None:
    samples = sound((300, 0.0), (600, 0.1), (400, 0.0))
    words = fitted([Word("good", 40, 620), Word("morning", 620, 1280)], samples)
    assert words[0].start_ms == pytest.approx(300, abs=EDGE_MS)
    assert words[1].end_ms == pytest.approx(900, abs=EDGE_MS)


def test_a_boundary_in_a_pause_becomes_both_its_edges() -> None:
    samples = sound((500, 0.1), (400, 0.0), (500, 0.1))
    words = fitted([Word("well,", 0, 780), Word("yes", 780, 1400)], samples)
    assert words[0].end_ms == pytest.approx(500, abs=EDGE_MS)
    assert words[1].start_ms == pytest.approx(900, abs=EDGE_MS)


def test_the_silent_part_of_a_plosive_moves_nothing() -> None:
    samples = sound((300, 0.1), (60, 0.0), (640, 0.1))
    words = fitted([Word("second", 0, 600), Word("page", 600, 1000)], samples)
    assert words[1].start_ms == pytest.approx(550, abs=EDGE_MS)


def test_a_word_after_the_last_sound_was_not_said() -> None:
    samples = sound((500, 0.1), (500, 0.0))
    assert [word.text for word in fitted([Word("bye", 0, 500), Word("you", 700, 900)], samples)] == ["bye"]


def test_without_any_words_there_is_nothing_to_fit() -> None:
    assert fitted([], sound((500, 0.1))) == []


times = st.lists(st.floats(0, 2500), min_size=2, max_size=12).map(sorted)


@given(times, st.lists(st.tuples(st.integers(20, 600), st.sampled_from([0.0, 0.1])), min_size=1, max_size=5))
def test_words_stay_in_order_and_do_not_overlap(edges: list[float], parts: list[tuple[int, float]]) -> None:
    words = [Word("w", start, end) for start, end in pairwise(edges)]
    result = fitted(words, sound(*parts))
    for word, following in pairwise(result):
        assert word.start_ms <= word.end_ms <= following.start_ms
