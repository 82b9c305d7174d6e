"""Calls that may not be stored are known for ten minutes, within a bound, and cannot leave the process by accident."""

import pickle
from pathlib import Path

import pytest

from retold.calls.unstored import KEPT_MS, UnstoredCalls
from retold.domain.call import CallRecord
from retold.storage.recordings import Recording
from retold.storage.sealed_audio import SealedAudio
from retold.storage.unstored_recording import UnstoredRecording
from support.call_house import CANARY, HandClock
from support.stored import make_record


def whole(number: int = 0, transcript: str = CANARY) -> CallRecord:
    made = make_record(call_id=f"call_{number}", transcript=transcript)
    return made.model_copy(update={"files_token": f"{number:032d}"})


def test_a_call_is_kept_for_ten_minutes_whatever_the_wall_clock_does() -> None:
    clock = HandClock()
    calls = UnstoredCalls(clock)
    calls.put(whole())
    clock.jump(10 * int(KEPT_MS))
    clock.pass_ms(int(KEPT_MS) - 1)
    assert calls.get("call_0") == whole()
    clock.pass_ms(1)
    assert calls.get("call_0") is None
    assert len(calls) == 0


def test_a_newer_record_does_not_stay_longer() -> None:
    clock = HandClock()
    calls = UnstoredCalls(clock)
    calls.put(whole())
    clock.pass_ms(int(KEPT_MS) - 1)
    changed = calls.change("call_0", lambda record: whole(transcript=(record.call.transcript or "") + " more"))
    assert changed == whole(transcript=f"{CANARY} more") == calls.get("call_0")
    clock.pass_ms(1)
    assert calls.change("call_0", lambda record: record) is None


def test_what_is_over_goes_with_the_sweep_and_what_is_forgotten_at_once() -> None:
    clock = HandClock()
    calls = UnstoredCalls(clock)
    for number in range(3):
        calls.put(whole(number))
        clock.pass_ms(int(KEPT_MS) // 3)
    assert calls.sweep() == 1
    calls.forget("call_1")
    calls.forget("call_1")
    assert [calls.get(f"call_{number}") for number in range(3)] == [None, None, whole(2)]


def test_the_oldest_go_when_there_is_no_room() -> None:
    calls = UnstoredCalls(HandClock(), max_bytes=1_000)
    for number in range(20):
        calls.put(whole(number))
    kept = [number for number in range(20) if calls.get(f"call_{number}")]
    assert 1 <= len(kept) < 20
    assert kept == list(range(20 - len(kept), 20))


def test_one_that_is_too_large_alone_is_not_kept() -> None:
    calls = UnstoredCalls(HandClock(), max_bytes=10)
    calls.put(whole())
    assert len(calls) == 0


def test_it_is_neither_pickled_nor_shown() -> None:
    calls = UnstoredCalls(HandClock())
    calls.put(whole())
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(calls)
    assert CANARY not in repr(calls) + repr(vars(calls))


def test_a_recording_lives_as_long_as_its_call_and_a_newer_record_keeps_it(tmp_path: Path) -> None:
    clock = HandClock()
    calls = UnstoredCalls(clock)
    channels = [SealedAudio(tmp_path / name) for name in ("caller", "agent")]
    for channel in channels:
        channel.path.write_bytes(b"noise")
    recording = UnstoredRecording(Recording("call_0", 8_000, 100), *channels)
    calls.put(whole(), recording)
    calls.put(whole())
    assert calls.recording("0" * 32) is recording
    assert calls.recording("1" * 32) is None
    clock.pass_ms(int(KEPT_MS))
    assert calls.recording("0" * 32) is None
    assert calls.sweep() == 1
    assert list(tmp_path.iterdir()) == []


def test_closing_lets_all_go(tmp_path: Path) -> None:
    calls = UnstoredCalls(HandClock())
    audio = SealedAudio(tmp_path / "caller")
    audio.path.mkdir()  # A file that cannot be removed holds up nothing.
    calls.put(whole(), UnstoredRecording(Recording("call_0", 8_000, 100), audio, SealedAudio(tmp_path / "agent")))
    calls.close()
    assert len(calls) == 0
