"""`retold demo` on the embedded speech stack: three calls as a newcomer sees them, and records that match the sound."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.embedded_stack import needs_embedded_stack
from support.sound import gap_before_ms, passages, two_channels

pytestmark = [pytest.mark.timeout(600), pytest.mark.alone]

DEMO_TIMEOUT_S = 280
LENGTH_TOLERANCE_MS = 20
GAP_TOLERANCE_MS = 30
WORD_TOLERANCE_MS = 200


@dataclass(frozen=True)
class Demo:
    """What the command said, and the folder in which it saved each call."""

    code: int
    shown: str
    errors: str
    folder: Path

    def json(self, name: str) -> dict[str, Any]:
        """One of the saved files, like "booking/call.json"."""
        return json.loads((self.folder / name).read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """One demonstration for all: its calls take as long as people talk."""
    needs_embedded_stack()
    demo = held(tmp_path_factory.mktemp("demo"))
    # People who talk in real time talk otherwise when the machine stands still for a moment.
    return demo if demo.code == 0 else held(tmp_path_factory.mktemp("demo"))


def held(folder: Path) -> Demo:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    command = [sys.executable, "-m", "retold", "demo", "--save", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEMO_TIMEOUT_S, check=False)
    return Demo(done.returncode, done.stdout, done.stderr, folder)


def test_it_holds_three_conversations_and_prints_them(demo: Demo) -> None:
    assert demo.code == 0, demo.shown + demo.errors
    assert "NOT AS EXPECTED" not in demo.shown
    assert "book_appointment" in demo.shown
    reasons = {path.name: demo.json(f"{path.name}/call.json")["disconnection_reason"] for path in demo.folder.iterdir()}
    assert reasons == {"booking": "user_hangup", "barge_in": "user_hangup", "agent_hangs_up": "agent_hangup"}


def test_the_recording_is_as_long_as_the_call(demo: Demo) -> None:
    recording = two_channels((demo.folder / "booking/recording_multi_channel.wav").read_bytes())
    assert abs(recording.length_ms - demo.json("booking/call.json")["duration_ms"]) <= LENGTH_TOLERANCE_MS


def test_every_latency_is_the_gap_that_can_be_heard_in_the_recording(demo: Demo) -> None:
    recording = two_channels((demo.folder / "booking/recording_multi_channel.wav").read_bytes())
    answers = [sound.start_ms for sound in passages(recording.agent, recording.rate_hz)][1:]
    gaps = [gap_before_ms(recording, start_ms) for start_ms in answers]
    stored = demo.json("booking/call.json")["latency"]["e2e"]["values"]
    assert stored == [pytest.approx(gap, abs=GAP_TOLERANCE_MS) for gap in gaps]


def test_each_sentence_of_the_caller_is_placed_where_it_was_said(demo: Demo) -> None:
    """Its first and last word, against the caller's own record laid over the recording."""
    recording = two_channels((demo.folder / "booking/recording_multi_channel.wav").read_bytes())
    sounds = passages(recording.caller, recording.rate_hz)
    heard = [item["words"] for item in demo.json("booking/call.json")["transcript_object"] if item["role"] == "user"]
    sent = demo.json("booking/caller.json")["sent"]
    assert len(sounds) == len(heard) == len(sent) == 3
    for sound, words, passage in zip(sounds, heard, sent, strict=True):
        offset_ms = sound.start_ms - passage["speech_start_ms"]
        first, last = passage["words"][0], passage["words"][-1]
        assert words[0]["start"] * 1000 == pytest.approx(first["start_ms"] + offset_ms, abs=WORD_TOLERANCE_MS)
        assert words[-1]["end"] * 1000 == pytest.approx(last["end_ms"] + offset_ms, abs=WORD_TOLERANCE_MS)


def test_a_caller_who_interrupts_is_answered_and_the_rest_was_never_said(demo: Demo) -> None:
    call = demo.json("barge_in/call.json")
    cut = next(item for item in call["transcript_object"] if "Tuesday. I have" in item["content"])
    assert "suits you" not in cut["content"]
    assert demo.json("barge_in/caller.json")["cleared"]
    assert "intended but not heard" in (demo.folder / "barge_in/log.txt").read_text()
