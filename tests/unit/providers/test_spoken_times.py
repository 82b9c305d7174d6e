import numpy as np
import pytest
from numpy.typing import NDArray

from retold.providers.spoken_times import LEAD_MS, Phoneme, Span, word_spans

RATE = 24_000
FRAME_MS = 25.0


def phonemes(text: str) -> list[Phoneme]:
    """One phoneme per character; words are numbered."""
    return [Phoneme(symbol, text[:at].count(" ")) for at, symbol in enumerate(text)]


def sound(*stretches: tuple[float, float], length_ms: float) -> NDArray[np.float32]:
    samples = np.zeros(int(length_ms * RATE / 1000), np.float32)
    for start_ms, end_ms in stretches:
        samples[int(start_ms * RATE / 1000) : int(end_ms * RATE / 1000)] = 0.3
    return samples


def spans(text: str, lengths: list[int], samples: NDArray[np.float32]) -> list[Span]:
    return word_spans(phonemes(text), [length * FRAME_MS for length in lengths], samples, RATE)


def test_words_in_flowing_speech_touch_each_other_ahead_of_their_frames() -> None:
    first, second = spans("ab cd", [4, 4, 4, 2, 4, 4, 4], sound((70, 540), length_ms=650))
    assert first.end_ms == second.start_ms == 300 - LEAD_MS


def test_the_sound_decides_at_the_edges_of_the_speech() -> None:
    [only] = spans("ab", [8, 4, 4, 8], sound((230, 355), length_ms=600))
    assert (only.start_ms, only.end_ms) == (230, 355)


def test_the_sound_decides_at_a_pause_and_the_pause_belongs_to_nobody() -> None:
    samples = sound((170, 380), (610, 800), length_ms=1000)
    first, second = spans("ab, cd", [8, 4, 6, 6, 2, 4, 4, 6], samples)
    assert (first.start_ms, first.end_ms) == (170, 380)
    assert (second.start_ms, second.end_ms) == (610, 800)


def test_a_pause_inside_a_written_word_is_no_edge() -> None:
    inside = [Phoneme("a", 0), Phoneme(",", 0), Phoneme(" ", 0), Phoneme("b", 0)]
    [only] = word_spans(inside, [FRAME_MS * 4] * 6, sound((70, 150), (350, 470), length_ms=600), RATE)
    assert (only.start_ms, only.end_ms) == (70, 470)


def test_without_sound_the_frames_decide() -> None:
    first, second = spans("a, b", [4, 4, 4, 2, 4, 4], sound(length_ms=550))
    assert (first.start_ms, first.end_ms) == (100 - LEAD_MS, 200 - LEAD_MS)
    assert (second.start_ms, second.end_ms) == (350 - LEAD_MS, 450 - LEAD_MS)


@pytest.mark.parametrize("text", ["", "...", " "], ids=repr)
def test_nothing_that_sounds_has_no_span(text: str) -> None:
    assert spans(text, [4] * (len(text) + 2), sound(length_ms=100)) == []


def test_spans_never_overlap_or_run_backwards() -> None:
    random = np.random.default_rng(7)
    for _ in range(300):
        text = "".join(random.choice(list("ab ,."), size=12))
        lengths = random.integers(0, 9, size=14).tolist()
        total_ms = sum(lengths) * FRAME_MS
        edges = np.sort(random.uniform(0, total_ms, size=6)).tolist()
        samples = sound(*zip(edges[::2], edges[1::2], strict=True), length_ms=total_ms)
        times = [time for span in spans(text, lengths, samples) for time in (span.start_ms, span.end_ms)]
        assert times == sorted(times), (text, lengths, edges)
        assert all(0 <= time <= total_ms for time in times)
