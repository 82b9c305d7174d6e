"""Speech starts and ends, timed by the sound."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.engine.segmenter import END_AFTER_MS, SpeechBegan, SpeechSegmenter, SpeechStopped

Block = tuple[float, float, float]
"""RMS of both halves and the probability of speech, for 20 ms."""

SILENCE: Block = (10, 10, 0.01)
SPEECH: Block = (3000, 3000, 0.9)
UNNOTICED: Block = (3000, 3000, 0.1)
"""Sound that the detector has not recognised yet."""
TRAILING: Block = (10, 10, 0.9)
"""Silence that the detector still takes for speech."""


def edges(*blocks: Block) -> list[SpeechBegan | SpeechStopped]:
    segmenter = SpeechSegmenter()
    found = (
        segmenter.feed(index * 20.0, (first, second), probability)
        for index, (first, second, probability) in enumerate(blocks)
    )
    return [edge for edge in found if edge is not None]


def test_speech_is_timed_by_its_loudness() -> None:
    assert edges(*[SILENCE] * 10, *[SPEECH] * 10, *[SILENCE] * 20) == [SpeechBegan(200), SpeechStopped(400)]


def test_times_are_exact_to_half_a_block() -> None:
    late_start, early_end = (10, 3000, 0.1), (3000, 10, 0.9)
    blocks = [*[SILENCE] * 10, late_start, *[SPEECH] * 8, early_end, *[SILENCE] * 20]
    assert edges(*blocks) == [SpeechBegan(210), SpeechStopped(390)]


def test_a_slow_detector_does_not_delay_the_onset() -> None:
    blocks = [*[SILENCE] * 20, *[UNNOTICED] * 6, *[SPEECH] * 10, *[SILENCE] * 20]
    assert edges(*blocks)[0] == SpeechBegan(400)


def test_a_detector_that_holds_on_does_not_delay_the_end() -> None:
    blocks = [*[SILENCE] * 10, *[SPEECH] * 10, *[TRAILING] * 15, *[SILENCE] * 20]
    assert edges(*blocks)[1] == SpeechStopped(400)


def test_a_click_is_no_speech() -> None:
    assert edges(*[SILENCE] * 10, *[SPEECH] * 2, *[SILENCE] * 20, *[SPEECH] * 2, *[SILENCE] * 20) == []


def test_a_short_pause_stays_inside_the_speech() -> None:
    pause = [SILENCE] * (int(END_AFTER_MS) // 20 - 1)
    assert edges(*[SILENCE] * 10, *[SPEECH] * 10, *pause, *[SPEECH] * 10, *[SILENCE] * 20) == [
        SpeechBegan(200),
        SpeechStopped(740),
    ]


def test_a_sound_well_before_the_speech_is_not_its_onset() -> None:
    blocks = [*[SILENCE] * 10, UNNOTICED, *[SILENCE] * 4, *[SPEECH] * 10]
    assert edges(*blocks) == [SpeechBegan(300)]


def test_speech_that_never_stands_out_is_timed_by_the_detector() -> None:
    hiss: Block = (60, 60, 0.01)
    murmur: Block = (70, 70, 0.9)
    began, stopped = edges(*[hiss] * 60, *[murmur] * 10, *[hiss] * 20)
    assert began == SpeechBegan(1200)
    assert stopped == SpeechStopped(1400)


def test_audio_that_stops_ends_the_speech() -> None:
    segmenter = SpeechSegmenter()
    assert segmenter.stop(0) is None
    for index in range(10):
        segmenter.feed(index * 20.0, SPEECH[:2], SPEECH[2])
    assert segmenter.is_speech
    assert segmenter.stop(200) == SpeechStopped(200)
    assert not segmenter.is_speech
    assert segmenter.stop(220) is None


def test_no_speech_at_all() -> None:
    assert edges(*[SILENCE] * 50) == []


@pytest.mark.parametrize("loudness", [300.0, 3000.0, 30_000.0])
def test_loudness_of_the_voice_does_not_move_the_edges(loudness: float) -> None:
    voice: Block = (loudness, loudness, 0.9)
    assert edges(*[SILENCE] * 10, *[voice] * 10, *[SILENCE] * 20) == [SpeechBegan(200), SpeechStopped(400)]


blocks = st.tuples(st.floats(0, 32768), st.floats(0, 32768), st.floats(0, 1))


@settings(max_examples=40)
@given(st.lists(st.tuples(blocks, st.integers(1, 12)), max_size=25))
def test_starts_and_ends_alternate_in_order(runs: list[tuple[Block, int]]) -> None:
    segmenter, now_ms, last_ms, found = SpeechSegmenter(), 0.0, 0.0, list[SpeechBegan | SpeechStopped]()
    for (first, second, probability), count in runs:
        for _ in range(count):
            edge = segmenter.feed(now_ms, (first, second), probability)
            now_ms += 20
            if edge is None:
                continue
            assert isinstance(edge, SpeechStopped) == bool(len(found) % 2)
            at_ms = edge.end_ms if isinstance(edge, SpeechStopped) else edge.onset_ms
            assert at_ms <= now_ms
            if isinstance(edge, SpeechStopped):
                assert at_ms >= last_ms
            found.append(edge)
            last_ms = at_ms
    assert segmenter.is_speech == bool(len(found) % 2)
