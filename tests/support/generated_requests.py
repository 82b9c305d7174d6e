"""Requests that schemathesis generates from the API's own description, against a running server."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.server import ServerProcess

CHECKS = Path(__file__).with_suffix(".toml")
"""What is checked; a command line that names checks would count more than the exceptions for single operations."""
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True, slots=True)
class Generated:
    """How a run went; `report` is what schemathesis printed."""

    requests: int
    failures: int
    is_complete: bool
    report: str


def generate_requests(
    server: ServerProcess, folder: Path, *, examples: int, max_time_s: int | None = None
) -> Generated:
    """Ask every operation with so many generated requests in each phase, always the same ones."""
    report = folder / "generated.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CHECKS), "run", f"{server.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {server.api_key}"),
        *("--phases", ",".join(PHASES), "--max-examples", str(examples)),
        *("--seed", "1", "--no-shrink", "--continue-on-failure", "--warnings", "off", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", str(report)),
        *(("--max-time", str(max_time_s)) if max_time_s else ()),
    ]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(report.read_bytes()) if report.exists() else {}
    if not told.get("operations"):
        raise RuntimeError(f"schemathesis has asked nothing:\n{ran.stdout}\n{ran.stderr}")
    cases = told["test_cases"]
    return Generated(
        requests=cases["generated"],
        failures=len(told["failures"]) + cases["errored"] + told["operations"]["errored"],
        is_complete=told["operations"]["tested"] == told["operations"]["total"],
        report=ran.stdout,
    )
