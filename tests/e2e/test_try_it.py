"""The examples by one command: what a newcomer types, with the words of the caller given instead of recognised."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEECH = {"RETOLD_VAD": "energy", "RETOLD_STT": "scripted", "RETOLD_TTS": "scripted"}


def tried(name: str, *heard: str) -> subprocess.CompletedProcess[str]:
    """The command of an example, on a server that understands these words."""
    command = [sys.executable, "examples/try_it.py", name, "--json"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("RETOLD_")}
    env |= SPEECH | {"RETOLD_SCRIPTED__STT_TEXTS": "|".join(heard)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False)


def test_a_table_is_booked() -> None:
    one = tried("restaurant", "I would like a table for four.", "My name is Smith.", "Thank you, goodbye.")
    assert one.returncode == 0, one.stdout + one.stderr
    call = json.loads(one.stdout)
    assert call["collected_dynamic_variables"] == {"guests": "4", "booking_number": "S-194"}


def test_pizzas_are_ordered() -> None:
    one = tried("flow", "When are you open?", "I would like to order now.", "Three pizzas, please.", "Yes, please.")
    assert one.returncode == 0, one.stdout + one.stderr
    call = json.loads(one.stdout)
    entered = [item["new_node_id"] for item in call["transcript_with_tool_calls"] if item["role"] == "node_transition"]
    assert entered[-2:] == ["confirm", "bye"]


@pytest.mark.parametrize("arguments", [[], ["hotel"]])
def test_an_example_that_is_not_there_is_answered_with_those_that_are(arguments: list[str]) -> None:
    command = [sys.executable, "examples/try_it.py", *arguments]
    one = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert one.returncode == 1
    assert "flow|restaurant" in one.stderr
