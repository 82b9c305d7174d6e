"""The benches themselves: in their quick mode each runs through and gives figures that can be."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retold.engine.caller_clock import MAX_AHEAD_MS
from retold.engine.segmenter import SLOT_MS

ROOT = Path(__file__).resolve().parents[2]
BENCHES = ("turn_overhead", "heard_truth", "leaks")
"""One of each kind of load; the others are run by hand, and take minutes."""
MAX_DELAY_MS = 5_000
"""A bound for nonsense, not for speed: this machine may be busy."""
MAX_EARLY_MS = MAX_AHEAD_MS + SLOT_MS
"""A turn cannot take less than its parts, except for the error that the caller's clock allows on a starved machine, and
for the slot to which the end of speech is told."""


@pytest.mark.timeout(280)
def test_each_bench_runs_and_gives_sane_figures(tmp_path: Path) -> None:
    told = _told(tmp_path, BENCHES)
    assert told["machine"]["cores"] >= 1
    assert set(told["benches"]) == set(BENCHES)
    for result in told["benches"].values():
        assert result["figures"]
        assert all(math.isfinite(figure["value"]) for figure in result["figures"])
    added = _figures(told, "turn_overhead")
    assert all(-MAX_EARLY_MS <= value < MAX_DELAY_MS for value in added.values()), added
    [right] = [value for name, value in _figures(told, "heard_truth").items() if name.endswith("right to one word")]
    assert right >= 95, told["benches"]["heard_truth"]
    assert _figures(told, "leaks")["tasks left"] == 0
    assert _figures(told, "leaks")["files in the spool"] == 0


@pytest.mark.timeout(280)
def test_the_bench_of_webhooks_runs_and_nothing_is_lost(tmp_path: Path) -> None:
    figures = _figures(_told(tmp_path, ("webhooks",)), "webhooks")
    assert [value for name, value in figures.items() if name.endswith("lost")] == [0]
    assert figures["timeouts measured"] > 0


def _told(folder: Path, benches: tuple[str, ...]) -> dict[str, Any]:
    """What the benches write down."""
    results = folder / "results.json"
    command = [sys.executable, "bench/run.py", "--quick", "--results", str(results), *benches]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=270, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(results.read_bytes())


def _figures(told: dict[str, Any], bench: str) -> dict[str, float]:
    return {figure["what"]: figure["value"] for figure in told["benches"][bench]["figures"]}
