"""Runs of agent speech in what is heard."""

import pytest

from retold.caller.agent_voice import AgentVoice

RATE = 8_000
LOUD = (3_000).to_bytes(2, "little")
FAINT = (50).to_bytes(2, "little")


def sound(ms: int, sample: bytes = LOUD) -> bytes:
    return sample * (ms * RATE // 1000)


def test_run_is_what_is_audible() -> None:
    voice = AgentVoice(RATE)
    voice.hear(100, sound(50, FAINT) + sound(200) + sound(50, FAINT))
    assert voice.runs(1_000) == [(150, 350)]


def test_short_pauses_belong_to_the_run() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(100))
    voice.hear(390, sound(100))
    voice.hear(800, sound(100))
    assert voice.runs(2_000) == [(0, 490), (800, 900)]


def test_long_pause_inside_one_piece_splits_it() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(100) + sound(300, FAINT) + sound(100))
    assert voice.runs(2_000) == [(0, 100), (400, 500)]


def test_agent_is_done_300_ms_after_its_last_sound() -> None:
    voice = AgentVoice(RATE)
    voice.hear(1_000, sound(500))
    assert voice.started_ms(0, 999) is None
    assert voice.started_ms(0, 1_000) == 1_000
    assert voice.done_ms(0, 1_799) is None
    assert voice.done_ms(0, 1_800) == 1_500


def test_pause_between_sentences_is_not_the_end() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(500) + sound(400, FAINT))
    assert voice.done_ms(0, 880) is None
    voice.hear(900, sound(500))
    assert voice.done_ms(0, 1_600) is None
    assert voice.done_ms(0, 1_700) == 1_400


def test_peer_that_sends_silence_for_ever_is_done_after_a_second() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(500) + sound(5_000, FAINT))
    assert voice.done_ms(0, 1_499) is None
    assert voice.done_ms(0, 1_500) == 500


def test_speech_that_began_too_early_does_not_count() -> None:
    voice = AgentVoice(RATE)
    voice.hear(1_000, sound(500))
    assert voice.started_ms(1_001, 3_000) is None
    assert voice.done_ms(1_001, 3_000) is None


def test_clear_takes_back_what_was_not_heard() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(500))
    voice.hear(900, sound(100))
    voice.clear(200)
    assert voice.runs(2_000) == [(0, 200)]
    assert voice.latest_start_ms == 0


def test_sound_ahead_of_time_counts_only_when_heard() -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, sound(500))
    assert voice.runs(100) == [(0, 100)]
    assert voice.done_ms(0, 400) is None


@pytest.mark.parametrize("pcm", [b"", sound(100, FAINT)], ids=["nothing", "noise"])
def test_silence_is_no_speech(pcm: bytes) -> None:
    voice = AgentVoice(RATE)
    voice.hear(0, pcm)
    assert voice.runs(1_000) == []
    assert voice.latest_start_ms is None
