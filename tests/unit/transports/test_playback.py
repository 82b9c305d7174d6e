"""The simulated loudspeaker of a client."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.transports.playback import PlaybackBuffer

RATE = 8_000


def tone(ms: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * (ms * RATE // 1000)


def test_audio_is_heard_from_its_arrival() -> None:
    buffer = PlaybackBuffer(RATE)
    assert buffer.push(100, tone(20)) == 100
    [run] = buffer.runs()
    assert (run.start_ms, run.end_ms, run.pcm) == (100, 120, tone(20))


def test_audio_that_comes_early_waits_for_its_turn() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(0, tone(100))
    assert buffer.push(20, tone(20, 2)) == 100
    [run] = buffer.runs()
    assert (run.end_ms, run.pcm) == (120, tone(100) + tone(20, 2))


def test_audio_that_comes_late_leaves_a_gap() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(0, tone(20))
    buffer.push(50, tone(20))
    assert [(run.start_ms, run.end_ms) for run in buffer.runs()] == [(0, 20), (50, 70)]


def test_clear_drops_what_was_not_heard() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(0, tone(100))
    assert buffer.clear(40) == 60
    assert buffer.clear(40) == 0
    buffer.push(40, tone(10))
    assert sum(len(run.pcm) for run in buffer.runs()) == len(tone(50))


def test_what_waits_in_the_buffer_is_not_heard_yet() -> None:
    buffer = PlaybackBuffer(RATE)
    buffer.push(0, tone(100))
    [run] = buffer.runs(until_ms=30)
    assert run.end_ms == 30
    assert buffer.ahead_ms(30) == 70


@pytest.mark.parametrize("at_ms", [0.0, 15.0])
def test_clearing_an_empty_buffer_is_nothing(at_ms: float) -> None:
    buffer = PlaybackBuffer(RATE)
    assert buffer.clear(at_ms) == 0
    assert buffer.runs() == []


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.booleans()), max_size=40))
def test_heard_runs_never_overlap_and_never_outrun_time(steps: list[tuple[int, int, bool]]) -> None:
    buffer, at = PlaybackBuffer(RATE), 0
    for pause_ms, audio_ms, is_clear in steps:
        at += pause_ms
        if is_clear:
            buffer.clear(at)
        else:
            buffer.push(at, tone(audio_ms))
    runs = buffer.runs(until_ms=at)
    assert all(run.start_ms < run.end_ms <= at for run in runs)
    assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(runs))
