"""`retold call` on the embedded speech stack: a person's recorded voice is understood by a running server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.embedded_stack import needs_embedded_stack
from support.recordings import telephone_prompts
from support.server import running_server
from support.wer import word_errors

pytestmark = [pytest.mark.timeout(200), pytest.mark.alone]

EMBEDDED = {"RETOLD_VAD": "local", "RETOLD_STT": "local", "RETOLD_TTS": "local"}
CALL_TIMEOUT_S = 90
PROMPT = "demo-nogo"
"""A long one without rare names at its start."""


def test_a_recorded_person_is_heard_and_the_agent_hangs_up(tmp_path: Path) -> None:
    needs_embedded_stack()
    prompt = next(one for one in telephone_prompts() if one.name == PROMPT)
    steps = [
        {"wait": "agent_done"},
        {"play": str(prompt.wav)},
        {"wait": "agent_done"},
        {"say": "Goodbye."},
        {"wait": "agent_done"},
    ]
    expect = {"disconnection_reason": "agent_hangup", "agent_said": ["Goodbye"]}
    scenario = tmp_path / "prompt.yaml"
    scenario.write_text(yaml.safe_dump({"agent": "demo", "caller": steps, "expect": expect}))
    with running_server(tmp_path / "data", env=EMBEDDED) as server:
        options = ["--json", "--save", str(tmp_path), "--server", server.url, "--api-key", server.api_key]
        done = subprocess.run(
            [sys.executable, "-m", "retold", "call", str(scenario), *options],
            env={name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")},
            capture_output=True,
            text=True,
            timeout=CALL_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    call = json.loads((tmp_path / "call.json").read_text())
    heard = next(item for item in call["transcript_object"] if item["role"] == "user")
    assert word_errors(prompt.text, heard["content"]).rate <= 0.2, heard["content"]
