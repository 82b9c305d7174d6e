"""How long a start takes: the server with its default settings until it is ready, and the command line's help."""

import os
import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, Scale, quantile
from rig import work_folder
from support.server import running_server

DEFAULT_SPEECH = {"RETOLD_VAD": "local", "RETOLD_STT": "local", "RETOLD_TTS": "local"}


async def measure(scale: Scale) -> list[Figure]:
    """First start (an empty data folder), second start, `retold --help`; the median of some runs each."""
    first: list[float] = []
    second: list[float] = []
    shown: list[float] = []
    for _ in range(scale.pick(3, 1)):
        with work_folder() as folder:
            first.append(_ready_s(folder / "data"))
            second.append(_ready_s(folder / "data"))
        shown.append(_help_s())
    return [
        Figure("first start: process start to ready", quantile(first, 0.5), "s"),
        Figure("second start: process start to ready", quantile(second, 0.5), "s", at_most=2),
        Figure("retold --help", quantile(shown, 0.5), "s"),
    ]


def _ready_s(data_dir: Path) -> float:
    started_s = time.monotonic()
    with running_server(data_dir, env=DEFAULT_SPEECH):
        return time.monotonic() - started_s


def _help_s() -> float:
    started_s = time.monotonic()
    command = [sys.executable, "-m", "retold", "--help"]
    subprocess.run(command, check=True, timeout=30, stdout=subprocess.DEVNULL, env=dict(os.environ))
    return time.monotonic() - started_s
