"""The caller's samples on the call clock: late is not lost, and a gap is a gap."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retold.engine.caller_clock import (
    HOLD_MS,
    MAX_AHEAD_MS,
    SETTLE_MS,
    STALL_MS,
    CallerClock,
    Placed,
)

RATE = 8000
CHUNK_MS = 20
SAMPLES = RATE * CHUNK_MS // 1000


def chunk(number: int, samples: int = SAMPLES) -> bytes:
    return number.to_bytes(2, "little") * samples


@dataclass
class Line:
    """Feeds a clock and keeps what it laid."""

    clock: CallerClock = field(default_factory=lambda: CallerClock(RATE))
    placed: list[Placed] = field(default_factory=list[Placed])

    def arrive(self, number: int, at_ms: float, *, is_speech: bool = False) -> int:
        """One chunk arrives; gives how many were laid by it."""
        laid = self.clock.place(chunk(number), at_ms, is_speech=is_speech)
        self.placed += laid
        return len(laid)

    def starts_ms(self) -> list[float]:
        return [placed.start_sample * 1000 / RATE for placed in self.placed]

    def numbers(self) -> list[int]:
        return [int.from_bytes(placed.pcm[:2], "little") for placed in self.placed]


def steady(count: int, *, first_ms: float = 20) -> Line:
    """A line that has carried `count` chunks on time; the first lies at `first_ms` - 20."""
    line = Line()
    for number in range(count):
        line.arrive(number, first_ms + number * CHUNK_MS)
    return line


def test_the_first_chunk_ends_when_it_arrives() -> None:
    assert steady(3, first_ms=170).starts_ms() == [150, 170, 190]


def test_of_a_first_chunk_from_before_the_call_its_end_is_laid_and_those_after_it_lie_right() -> None:
    line = steady(3, first_ms=5)
    assert line.starts_ms() == [0, 5, 5 + CHUNK_MS]
    assert line.clock.dropped_samples == (CHUNK_MS - 5) * RATE / 1000


def test_what_was_said_while_the_call_was_made_ready_lies_where_it_was_said() -> None:
    line = Line()
    for number in range(20):
        line.arrive(number, max(260, (number + 1) * CHUNK_MS))
    sound = b"".join(placed.pcm for placed in line.placed)
    assert line.placed[0].start_sample == 0
    assert sound == b"".join(chunk(number) for number in range(20))
    assert line.clock.dropped_samples == 0


def test_of_what_was_said_before_the_call_nothing_is_laid() -> None:
    line = Line()
    for number in range(10):
        line.arrive(number, 50)
    line.arrive(10, 70)
    assert [(placed.start_sample, len(placed.pcm) // 2) for placed in line.placed] == [
        (0, 50 * RATE // 1000),
        (50 * RATE // 1000, SAMPLES),
    ]
    assert line.placed[0].pcm[-2 * SAMPLES :] == chunk(9)
    assert line.clock.dropped_samples == (200 - 50) * RATE // 1000


def test_who_never_comes_at_his_own_pace_is_heard_all_the_same() -> None:
    line = Line()
    for number in range(int(HOLD_MS) + 1):
        line.arrive(number, 5_001 + number)
    assert line.starts_ms()[0] == 5_000 + HOLD_MS - HOLD_MS * CHUNK_MS


def test_jitter_does_not_move_anything() -> None:
    line = Line()
    for number, late_ms in enumerate([0, 150, 130, 30, 0, 199, 0]):
        line.arrive(number, 20 + number * CHUNK_MS + late_ms)
    assert line.starts_ms() == [0, 20, 40, 60, 80, 100, 120]


def test_a_late_burst_lies_where_it_was_spoken() -> None:
    line = steady(10)
    laid = [line.arrive(number, 700 + number * 0.1) for number in range(10, 35)]
    assert laid[0] == 0
    assert line.numbers() == list(range(35))
    assert line.starts_ms() == [number * CHUNK_MS for number in range(35)]
    assert line.clock.gap_samples == line.clock.dropped_samples == 0


def test_after_a_gap_sound_lies_where_it_arrived() -> None:
    line = steady(10)
    for number in range(10, 20):
        line.arrive(number, 1220 + (number - 10) * CHUNK_MS)
    assert line.numbers() == list(range(20))
    assert line.starts_ms()[10] == 1200
    assert line.clock.gap_samples == RATE


def test_chunks_are_held_no_longer_than_needed() -> None:
    line = steady(10)
    laid = [line.arrive(10 + index, 1220 + index * CHUNK_MS) for index in range(5)]
    assert laid == [0, 0, 0, 4, 1]
    assert HOLD_MS == 60


def test_a_caller_that_runs_ahead_is_held_back() -> None:
    line = steady(2)
    laid = [line.arrive(number, 40, is_speech=True) for number in range(2, 20)]
    assert sum(laid) == MAX_AHEAD_MS / CHUNK_MS
    assert line.clock.dropped_samples == (18 - sum(laid)) * SAMPLES
    assert line.arrive(99, 80, is_speech=True) == 1


def test_once_settled_the_count_stands_although_a_chunk_comes_sooner() -> None:
    late = int(SETTLE_MS) // CHUNK_MS + 2
    line = Line()
    for number in range(late + 20):
        line.arrive(number, (number + 1) * CHUNK_MS + (5 if number < late else 0))
    assert line.starts_ms() == [number * CHUNK_MS + 5 for number in range(late + 20)]
    assert line.clock.dropped_samples == 0


# --- properties -----------------------------------------------------------------------------------

delays = st.lists(st.floats(0, STALL_MS - 1), min_size=1, max_size=60)


@settings(max_examples=40)
@given(delays, st.floats(0, 500))
def test_any_jitter_below_a_stall_leaves_a_steady_count(late_ms: list[float], first_ms: float) -> None:
    line, now_ms = Line(), 0.0
    line.arrive(0, first_ms + CHUNK_MS)
    for number, late in enumerate(late_ms, start=1):
        now_ms = max(now_ms, first_ms + (number + 1) * CHUNK_MS + late)
        line.arrive(number, now_ms)
    first = round(first_ms * RATE / 1000)
    starts = [placed.start_sample - line.placed[0].start_sample for placed in line.placed]
    assert starts == [number * SAMPLES for number in range(len(late_ms) + 1)]
    assert abs(line.placed[0].start_sample - first) <= 1


@settings(max_examples=30)
@given(st.integers(0, 20), st.floats(STALL_MS + CHUNK_MS + 1, 3000), st.floats(0, 0.01))
def test_a_pure_burst_loses_nothing_and_shifts_nothing(before: int, stall_ms: float, spread_ms: float) -> None:
    line = steady(before + 1)
    now_ms = (before + 1) * CHUNK_MS + stall_ms
    missing = int(stall_ms // CHUNK_MS)
    for index in range(missing):
        line.arrive(before + 1 + index, now_ms + index * spread_ms)
    for index in range(20):
        line.arrive(before + 1 + missing + index, now_ms + (index + 1) * CHUNK_MS)
    assert line.starts_ms() == [number * CHUNK_MS for number in range(before + 1 + missing + 20)]


@settings(max_examples=50)
@given(st.integers(0, 20), st.floats(STALL_MS + 1, 60_000))
def test_a_gap_shifts_by_the_gap(before: int, gap_ms: float) -> None:
    line = steady(before + 1)
    since_ms = (before + 1) * CHUNK_MS + gap_ms
    for index in range(20):
        line.arrive(before + 1 + index, since_ms + (index + 1) * CHUNK_MS)
    after = line.starts_ms()[before + 1 :]
    assert len(after) == 20
    assert all(abs(start - since_ms - index * CHUNK_MS) <= 0.2 for index, start in enumerate(after))


@settings(max_examples=5)
@given(st.floats(-0.02, 0.02))
@example(-0.02)
@example(0.02)
def test_a_drifting_caller_stays_near_real_time(drift: float) -> None:
    line, skew_ms = Line(), 0.0
    for number in range(1000):
        now_ms = (number + 1) * CHUNK_MS * (1 + drift)
        if line.arrive(number, now_ms):
            skew_ms = max(skew_ms, abs(line.starts_ms()[-1] + CHUNK_MS - now_ms))
    assert skew_ms <= max(STALL_MS, MAX_AHEAD_MS) + CHUNK_MS


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 600)), min_size=1, max_size=40), st.sampled_from([0.1, 1.0])
)
def test_positions_never_overlap_or_go_back(arrivals: list[tuple[int, float]], scale: float) -> None:
    clock, now_ms, reached, sent, laid = CallerClock(RATE), 0.0, 0, 0, 0
    released_by = [(1, 10_000.0), (1, HOLD_MS)]
    for number, (samples, pause_ms) in enumerate([*((size, pause * scale) for size, pause in arrivals), *released_by]):
        now_ms += pause_ms
        sent += samples
        for placed in clock.place(chunk(number, samples), now_ms):
            assert placed.start_sample >= reached
            reached = placed.start_sample + len(placed.pcm) // 2
            laid += len(placed.pcm) // 2
    assert laid + clock.dropped_samples == sent


@pytest.mark.parametrize("held_up_ms", [3, 18, 120])
def test_a_first_chunk_that_was_held_up_does_not_make_the_rest_late(held_up_ms: float) -> None:
    line = Line()
    for number in range(20):
        line.arrive(number, max(CHUNK_MS + held_up_ms, (number + 1) * CHUNK_MS))
    end_ms = (line.placed[-1].start_sample + SAMPLES) * 1000 / RATE
    assert end_ms == 20 * CHUNK_MS
