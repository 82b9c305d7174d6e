"""A real `retold serve` process for tests that need a whole server: free port, scripted speech, SIGTERM at the end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib import error, request

from support import database
from support.patience import PATIENCE_S

TEST_KEY = "key_test_0123456789abcdef"
_URL = re.compile(r"http://[0-9a-z.\[\]:]+:\d+")

_OURS = os.environ.get("PYTHONPATH", "")

SCRIPTED_SPEECH = {
    "RETOLD_VAD": "energy",
    "RETOLD_STT": "scripted",
    "RETOLD_TTS": "scripted",
    "RETOLD_LOG_FORMAT": "json",
    "RETOLD_ALLOW_PRIVATE_HOSTS": "*",
}
NOT_ANALYSED = {"RETOLD_ANALYSIS__ENABLED": "false"}
"""A call that is over stays as it is, unless a test wants its analysis."""


@dataclass(slots=True)
class ServerProcess:
    """A running server; `url` has no slash at its end."""

    url: str
    api_key: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def ws_url(self) -> str:
        """The same address for websockets."""
        return "ws" + self.url.removeprefix("http")

    @property
    def headers(self) -> dict[str, str]:
        """What an authorised request carries."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def output(self) -> str:
        """Everything printed and logged so far."""
        return self.log_path.read_text(errors="replace")

    def is_draining(self) -> bool:
        """Whether it has understood a first signal; said in its log of level info."""
        return '"drain_started"' in self.output()

    def terminate(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM; gives the exit code. Raises TimeoutExpired when the server does not leave."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


def start_server(
    data_dir: Path,
    *,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    program: Sequence[str] = ("-m", "retold"),
    options: Sequence[str] = (),
) -> ServerProcess:
    """Start a server on `data_dir` and wait until it is ready; the caller stops it."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    log_path = data_dir.parent / f"{data_dir.name}.{time.monotonic_ns()}.log"
    command = [sys.executable, *program, "serve", "--port", str(port), "--data-dir", str(data_dir), *options]
    with log_path.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_clean_environment()
            | {"RETOLD_API_KEY": TEST_KEY}
            | SCRIPTED_SPEECH
            | NOT_ANALYSED
            | database.environment(data_dir)
            | dict(env or {}),
        )
    try:
        url = _wait_until_ready(process, log_path)
    except BaseException:
        process.kill()
        process.wait(PATIENCE_S)
        raise
    return ServerProcess(url, (env or {}).get("RETOLD_API_KEY", TEST_KEY), data_dir, process, log_path)


@contextmanager
def running_server(
    data_dir: Path,
    *,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    program: Sequence[str] = ("-m", "retold"),
    options: Sequence[str] = (),
) -> Generator[ServerProcess]:
    """`start_server`, ended with SIGTERM; a server that then does not leave fails the test."""
    server = start_server(data_dir, env=env, port=port, program=program, options=options)
    try:
        yield server
    finally:
        try:
            # The second signal ends calls that a test has left running. Two that come at once are one.
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE_S
            while server.process.poll() is None and not server.is_draining() and time.monotonic() < deadline:
                time.sleep(0.02)
            server.terminate()
        finally:
            if server.process.poll() is None:
                server.kill()


def retold(*arguments: str, data_dir: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command on a data folder, as an operator runs it whose environment holds no more than `env`."""
    return subprocess.run(
        [sys.executable, "-m", "retold", *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        # The program under test is the one that the tests import, also where another is installed.
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": _OURS, **database.environment(data_dir), **env},
    )


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}


def _wait_until_ready(process: subprocess.Popen[bytes], log_path: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server left with code {process.returncode}:\n{log_path.read_text()}")
        found = _URL.search(log_path.read_text(errors="replace"))
        if found and _is_ready(found.group()):
            return found.group()
        time.sleep(0.05)
    raise TimeoutError(f"the server was not ready after {PATIENCE_S} s:\n{log_path.read_text()}")


def _is_ready(url: str) -> bool:
    try:
        with request.urlopen(url + "/health/ready", timeout=2) as answer:  # noqa: S310 - our own http address
            return answer.status == 200
    except (error.URLError, OSError):
        return False
