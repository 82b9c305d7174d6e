"""What the README and the how-to pages tell a newcomer to paste works when pasted."""

import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import textwrap
import wave
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib import request

import pytest

from support.patience import PATIENCE_S
from support.plain_client import wait_until
from support.server import ServerProcess, running_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with scripted speech: the pages are about commands and shapes, not about models."""
    with running_server(tmp_path_factory.mktemp("readme") / "data") as running:
        yield running


def python_snippet(page: str) -> str:
    """The first Python block of a page."""
    found = re.search(r"^([ ]*)```python\n(.*?)^[ ]*```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return textwrap.dedent(found[2])


def environment(server: ServerProcess) -> dict[str, str]:
    """What a user has exported."""
    return {**os.environ, "RETOLD_API_KEY": server.api_key, "RETOLD_URL": server.url}


@contextmanager
def running(program: str, port: int) -> Generator[None]:
    """A Python program that listens on a port, ended afterwards."""
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: is_open(port))
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port nobody listens on, below those that the system gives away: the servers of other tests start meanwhile."""
    for _ in range(100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(10_000, 30_000)))  # noqa: S311 - no secret
            return probe.getsockname()[1]
    raise AssertionError("no port is free")


def write_loud_wav(path: Path) -> None:
    """One second of a square wave: speech, to a detector that goes by energy."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", 8_000 if n // 40 % 2 else -8_000) for n in range(16_000)))


def test_the_first_call_of_the_readme(server: ServerProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", python_snippet("README.md")],
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^talk on ws://\S+/audio-websocket/call_\w+ ", done.stdout, flags=re.MULTILINE)
    assert "status: registered" in done.stdout


def test_the_smallest_llm_server_of_the_how_to_answers_a_call(server: ServerProcess, tmp_path: Path) -> None:
    port = free_port()
    program = python_snippet("docs/how-to/connect-your-llm.md").replace("9000", str(port))
    engine = {"type": "custom-llm", "llm_websocket_url": f"ws://127.0.0.1:{port}/llm-websocket"}
    create = request.Request(  # noqa: S310 - our own http address
        f"{server.url}/create-agent",
        data=json.dumps({"voice_id": "default", "response_engine": engine}).encode(),
        headers={**server.headers, "Content-Type": "application/json"},
    )
    with request.urlopen(create, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        agent_id = json.load(answer)["agent_id"]
    write_loud_wav(tmp_path / "question.wav")
    command = ["call", "--json", "--audio", str(tmp_path / "question.wav"), "--agent", agent_id, "--server", server.url]
    with running(program, port):
        done = subprocess.run(
            [sys.executable, "-m", "retold", *command],
            env=environment(server),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    transcript = json.loads(done.stdout)["transcript"]
    assert transcript.startswith("Agent: Hello, say something.")
    assert "You said: hello there" in transcript
