"""caller.json and caller.wav."""

from pathlib import Path

import pytest

from retold.audio.wav import decode_wav
from retold.caller.tape import CallerTape, sent_now
from retold.caller.voice import Passage
from retold.domain.transcript import Word

RATE = 8_000
QUIET = b"\0\0" * 80
LOUD = (3_000).to_bytes(2, "little") * 80


def test_passages_have_their_times_on_the_callers_clock() -> None:
    tape = CallerTape("call_1", RATE, ended_ms=5_000)
    passage = Passage(2, QUIET + LOUD * 3 + QUIET, RATE, text="hi you", words=(Word("hi", 10, 25), Word("you", 25, 40)))
    tape.sent.append(sent_now(passage, 1_000))
    [sent] = tape.as_json()["sent"]
    assert sent == {
        "step": 2,
        "start_ms": 1_000,
        "end_ms": 1_050,
        "is_complete": True,
        "speech_start_ms": 1_010,
        "speech_end_ms": 1_040,
        "text": "hi you",
        "words": [
            {"word": "hi", "start_ms": 1_010, "end_ms": 1_025},
            {"word": "you", "start_ms": 1_025, "end_ms": 1_040},
        ],
    }


def test_passage_that_the_end_cut_short_says_so() -> None:
    tape = CallerTape("call_1", RATE, ended_ms=1_020)
    tape.sent.append(sent_now(Passage(1, LOUD * 5, RATE, path=Path("a.wav")), 1_000))
    [sent] = tape.as_json()["sent"]
    assert (sent["end_ms"], sent["speech_end_ms"], sent["is_complete"], sent["file"]) == (1_020, 1_020, False, "a.wav")


def test_heard_audio_ends_with_the_call() -> None:
    tape = CallerTape("call_1", RATE, ended_ms=115)
    tape.playback.push(100, LOUD * 5)
    tape.agent.hear(100, LOUD * 5)
    content = tape.as_json()
    assert content["agent_speech"] == [{"start_ms": 100, "end_ms": 115}]
    assert content["agent_audio"] == [{"start_ms": 100, "end_ms": 115}]


def test_wav_has_both_sides_on_one_clock() -> None:
    tape = CallerTape("call_1", RATE, ended_ms=100)
    tape.sent.append(sent_now(Passage(1, LOUD, RATE), 20))
    tape.playback.push(95, LOUD)
    clip = decode_wav(tape.as_wav())
    assert len(clip.pcm) == 100 * RATE // 1000 * 2
    loud = [index for index in range(0, len(clip.pcm), 2) if clip.pcm[index : index + 2] != b"\0\0"]
    assert (loud[0] // 2, loud[79] // 2, loud[80] // 2, loud[-1] // 2) == (160, 239, 760, 799)


@pytest.mark.parametrize("field", ["close", "complaint", "steps_left", "cleared", "latencies", "texts_received"])
def test_empty_tape_has_every_field(field: str) -> None:
    assert field in CallerTape("call_1", RATE).as_json()
