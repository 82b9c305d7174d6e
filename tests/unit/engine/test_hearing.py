"""The caller's ear alone, where a whole conversation would take too long."""

from collections.abc import AsyncIterator
from itertools import pairwise

import anyio
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retold.clock import CallClock
from retold.engine.caller_clock import MAX_AHEAD_MS
from retold.engine.hearing import BLOCK_MS, MAX_QUEUED_PIECES, PIECE_BLOCKS, Hearing
from retold.engine.leg import Leg
from retold.engine.segmenter import END_AFTER_MS
from retold.engine.timeline import Timeline
from retold.engine.turn_events import SpeechEnded, SpeechStarted, TurnEvent
from retold.errors import RecognitionFailed
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, SpeechToText, Transcribed
from retold.providers.energy_vad import EnergyVad
from retold.storage.journal import MemoryJournal
from retold.transports.loopback import LoopbackTransport
from support.dialogue import RATE_HZ, ArrayTape, KnownWords

LOUD_SECOND = np.full(RATE_HZ, 8000, "<i2").tobytes()


class SetClock:
    """A clock that shows what it is set to."""

    now_ms = 0.0

    def wall_ms(self) -> int:
        return round(self.now_ms)

    def monotonic_ms(self) -> float:
        return self.now_ms


def ear(stt: SpeechToText | None = None) -> tuple[SetClock, Hearing, list[TurnEvent]]:
    """A caller's ear, its clock, and what it tells turn taking."""
    clock, posted = SetClock(), list[TurnEvent]()
    timeline = Timeline(MemoryJournal(), stores_sensitive_data=True)
    leg = Leg(LoopbackTransport(clock, sample_rate=RATE_HZ), ArrayTape(), timeline, CallClock(clock), posted.append)
    return (
        clock,
        Hearing(leg, vad=EnergyVad(), stt=stt or KnownWords([]), on_partial=lambda _utterance, _words: None),
        posted,
    )


def test_recognition_that_falls_a_minute_behind_has_failed() -> None:
    clock, hearing, posted = ear()

    def speak_for(seconds: int) -> None:
        for _ in range(seconds):
            clock.now_ms += 1000
            hearing.take(LOUD_SECOND)

    speak_for(round(MAX_QUEUED_PIECES * PIECE_BLOCKS * BLOCK_MS / 1000))
    assert [type(event) for event in posted] == [SpeechStarted]
    with pytest.raises(RecognitionFailed, match="a minute behind"):
        speak_for(2)


def test_speech_lies_right_and_is_noticed_at_once_although_the_first_chunk_was_held_up() -> None:
    clock, hearing, posted = ear()
    chunk_bytes = round(RATE_HZ * BLOCK_MS / 1000) * 2
    for number in range(100):
        is_loud = 50 <= number < 75
        clock.now_ms = max(BLOCK_MS + 18, (number + 1) * BLOCK_MS)
        hearing.take(LOUD_SECOND[:chunk_bytes] if is_loud else bytes(chunk_bytes))

    [start] = [event for event in posted if isinstance(event, SpeechStarted)]
    [end] = [event for event in posted if isinstance(event, SpeechEnded)]
    assert start.onset_ms == pytest.approx(1000)
    assert end.end_ms == pytest.approx(1500)
    assert end.at_ms == 1500 + END_AFTER_MS


def test_no_speech_is_from_before_the_call() -> None:
    clock, hearing, posted = ear()
    for number in range(20):
        clock.now_ms = 1 + number * BLOCK_MS / 2
        hearing.take(LOUD_SECOND[: round(RATE_HZ * BLOCK_MS / 2 / 1000) * 2])
    [start] = posted
    assert isinstance(start, SpeechStarted)
    assert start.onset_ms == 0


class Listening:
    """Recognition that only keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[SpeechAudio] = []

    async def warm_up(self) -> None:
        """Nothing is to be loaded."""

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:
        _ = language
        async for piece in audio:
            self.pieces.append(piece)
        for nothing in list[Transcribed]():
            yield nothing


CHUNKS = st.tuples(st.sampled_from([160, 320, 640]), st.sampled_from([0] * 12 + [30, 100, 250, 700]))


@settings(max_examples=60)
@given(st.lists(CHUNKS, min_size=60, max_size=150), st.floats(0, 300))
@example([(320, 0)] * 30 + [(320, 700)] + [(320, 0)] * 60, 0)
def test_recognition_hears_sound_when_it_was_whatever_the_line_does(
    chunks: list[tuple[int, int]], late_ms: float
) -> None:
    stt = Listening()
    clock, hearing, _ = ear(stt)
    made_ms, clock.now_ms = 0.0, late_ms
    for number, (samples, stall_ms) in enumerate(chunks):
        made_ms += samples / RATE_HZ * 1000
        clock.now_ms = max(clock.now_ms + 1, made_ms + stall_ms)
        hearing.take(LOUD_SECOND[: 2 * samples] if number // 20 % 2 else bytes(2 * samples))
        hearing.check_stall()
    hearing.finish()
    anyio.run(hearing.transcribe, "en-US")
    for before, piece in pairwise(piece for piece in stt.pieces if piece.pcm):
        assert piece.start_ms >= before.start_ms
        assert 0 <= piece.start_ms + len(piece.pcm) / 2 * 1000 / SPEECH_RATE_HZ <= clock.now_ms + MAX_AHEAD_MS
