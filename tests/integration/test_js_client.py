"""The browser client of 2024, unmodified from npm, holds a call with the server; only its sound card is stubbed."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from support.llm_server import Peer, llm_server
from support.patience import PATIENCE_S
from support.server import ServerProcess, running_server

pytestmark = [pytest.mark.anyio, pytest.mark.alone]

JS_FOLDER = Path(__file__).parent / "js"
CACHE_FOLDER = Path(__file__).parents[2] / ".cache" / "js-client"
RETRY = Path(__file__).parents[2] / "scripts" / "retry"
INSTALL_TIMEOUT_S = 90


@pytest.fixture(scope="module")
def js_packages() -> Path:
    """The folder in which the locked packages are installed; kept between runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed; the browser client cannot be driven")
    lock = JS_FOLDER / "package-lock.json"
    folder = CACHE_FOLDER / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(JS_FOLDER / name, folder / name)
        command = [str(RETRY), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode:
            pytest.skip(f"npm cannot install the browser client: {done.stderr.strip()[-300:]}")
        (folder / "installed").touch()
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("js") / "data") as process:
        yield process


async def receptionist(peer: Peer) -> None:
    """Greet, pass something on to the page, and end the call with the first answer."""
    await peer.replies(0, "hello how can I help")
    await peer.says("metadata", metadata={"page": 2})
    wanted = await peer.listens(until="response_required")
    await peer.replies(wanted["response_id"], "good bye", end_call=True)


async def register(server: ServerProcess, brain_url: str, rate_hz: int) -> str:
    async with httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http:
        agent = {"voice_id": "default", "llm_websocket_url": brain_url}
        agent_id = (await http.post("/create-agent", json=agent)).json()["agent_id"]
        call = {
            "agent_id": agent_id,
            "audio_websocket_protocol": "web",
            "audio_encoding": "s16le",
            "sample_rate": rate_hz,
        }
        return (await http.post("/register-call", json=call)).json()["call_id"]


async def drive(packages: Path, server: ServerProcess, call_id: str, rate_hz: int, browser: str) -> list[Any]:
    command = [
        "node",
        str(JS_FOLDER / "driver.cjs"),
        f"{server.ws_url}/audio-websocket/",
        call_id,
        str(rate_hz),
        browser,
    ]
    with anyio.fail_after(PATIENCE_S):
        done = await anyio.run_process(command, cwd=packages, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


@pytest.mark.parametrize(
    ("browser", "rate_hz"),
    [
        pytest.param("chrome", 24_000, id="audio worklet at 24 kHz"),
        pytest.param("other", 44_100, id="script processor at 44.1 kHz"),
        pytest.param("other", 8_000, id="script processor at 8 kHz with chunks of 256 ms"),
    ],
)
async def test_browser_client_of_2024_holds_a_call(
    server: ServerProcess, js_packages: Path, browser: str, rate_hz: int
) -> None:
    async with llm_server(receptionist) as brain:
        call_id = await register(server, brain.url, rate_hz)
        events = await drive(js_packages, server, call_id, rate_hz, browser)
    names = [event["event"] for event in events]
    content = {event["event"]: event.get("data") for event in events}
    assert names[0] == "conversationStarted"
    assert names.count("agentStartTalking") >= 2
    assert "error" not in names
    assert content["metadata"] == {"event_type": "metadata", "metadata": {"page": 2}}
    assert [turn["role"] for turn in content["update"]["transcript"]] == ["agent", "user", "agent"]
    assert content["audio"]["audibleBytes"] > 0.5 * rate_hz
    assert content["conversationEnded"] == {"code": 1000, "reason": "agent_hangup"}
