"""`retold call` as a person and a script use it: what it prints, saves and returns, with scripted speech."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
import yaml

from retold.audio.wav import decode_wav, encode_wav
from support.audio_client import tone
from support.llm_server import Peer, llm_server
from support.patience import PATIENCE_S, undisturbed
from support.server import SCRIPTED_SPEECH, ServerProcess, running_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

COMMAND_TIMEOUT_S = 90
TURNS = ["agent", "user", "agent"]
GREETING = "good morning how can I help you today my friend"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("call") / "data") as process:
        yield process


async def parrot(peer: Peer) -> None:
    await peer.replies(0, GREETING)
    while True:
        wanted = await peer.listens(until="response_required")
        await peer.replies(wanted["response_id"], "Thursday it is")


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    stdout: str
    stderr: str


async def retold_call(*arguments: str) -> Done:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    with anyio.fail_after(COMMAND_TIMEOUT_S):
        done = await anyio.run_process(
            [sys.executable, "-m", "retold", "call", *arguments], env={**environment, **SCRIPTED_SPEECH}, check=False
        )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@asynccontextmanager
async def scenario_file(folder: Path, steps: list[Any], expect: Mapping[str, Any]) -> AsyncGenerator[Path]:
    """A scenario whose agent is created with the call and whose brain is a parrot of the test."""
    async with llm_server(parrot) as brain:
        agent = {"voice_id": "default", "response_engine": {"type": "custom-llm", "llm_websocket_url": brain.url}}
        path = folder / "scenario.yaml"
        path.write_text(yaml.safe_dump({"agent": agent, "caller": steps, "expect": dict(expect)}))
        yield path


def at(server: ServerProcess) -> tuple[str, ...]:
    return ("--server", server.url, "--api-key", server.api_key)


def loud_from_ms(pcm: bytes, rate_hz: int) -> float:
    samples = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32))
    return float(np.argmax(samples > 500)) * 1000 / rate_hz


@pytest.mark.alone
async def test_call_is_placed_to_a_server_of_its_own_and_saved(tmp_path: Path) -> None:
    steps = [{"wait": "agent_done"}, {"say": "I would like to come"}, {"wait": "agent_done"}, "hang_up"]
    expect = {"disconnection_reason": "user_hangup", "agent_said": ["THURSDAY"], "user_said": "hello there"}
    async with scenario_file(tmp_path, steps, expect) as path:
        done = await retold_call(str(path), "--json", "--save", str(tmp_path / "saved"))
    assert done.code == 0, done.stderr
    call = json.loads(done.stdout)
    assert call == json.loads((tmp_path / "saved/call.json").read_text())
    saved = {file.name for file in (tmp_path / "saved").iterdir()}
    assert saved == {
        "call.json",
        "caller.json",
        "caller.wav",
        "recording.wav",
        "recording_multi_channel.wav",
        "log.txt",
    }
    caller = json.loads((tmp_path / "saved/caller.json").read_text())
    assert (caller["call_id"], caller["steps_left"], caller["complaint"]) == (call["call_id"], 0, "")
    [sent] = caller["sent"]
    assert [word["word"] for word in sent["words"]] == ["I", "would", "like", "to", "come"]
    assert sent["speech_start_ms"] <= sent["words"][0]["start_ms"] + 20
    assert len(caller["agent_speech"]) == 2
    assert abs(caller["zero_wall_ms"] - call["start_timestamp"]) < 10_000
    assert len(caller["latencies"]) == 1


@pytest.mark.alone
async def test_callers_own_record_agrees_with_the_servers_recording(server: ServerProcess, tmp_path: Path) -> None:
    steps = [{"silence": "500ms"}, {"say": "one two three"}, {"wait": "agent_done"}, "hang_up"]

    async def difference_ms() -> float:
        async with scenario_file(tmp_path, steps, {}) as path:
            done = await retold_call(str(path), *at(server), "--json", "--save", str(tmp_path))
        assert done.code == 0, done.stderr
        caller = json.loads((tmp_path / "caller.json").read_text())
        own = decode_stereo((tmp_path / "caller.wav").read_bytes())
        servers = decode_stereo((tmp_path / "recording_multi_channel.wav").read_bytes())
        own_ms = loud_from_ms(own[0], own[2])
        assert own_ms == pytest.approx(caller["sent"][0]["speech_start_ms"], abs=5)
        return abs(loud_from_ms(servers[0], servers[2]) - own_ms)

    assert await undisturbed(difference_ms, lambda seen_ms: seen_ms <= 60) <= 60


def decode_stereo(data: bytes) -> tuple[bytes, bytes, int]:
    """Left, right and rate of a plain two-channel file."""
    rate_hz = decode_wav(data).sample_rate
    samples = np.frombuffer(data[44 : 44 + (len(data) - 44) // 4 * 4], dtype="<i2").reshape(-1, 2)
    return samples[:, 0].tobytes(), samples[:, 1].tobytes(), rate_hz


@pytest.mark.alone
async def test_barge_in_stops_what_the_caller_hears(server: ServerProcess, tmp_path: Path) -> None:
    steps = [{"at": "500ms after agent_start", "say": "wait no make that Thursday"}, {"wait": "agent_done"}, "hang_up"]

    async def barged_in() -> tuple[Done, dict[str, Any]]:
        async with scenario_file(tmp_path, steps, {"agent_said": ["Thursday it is"]}) as path:
            done = await retold_call(str(path), *at(server), "--json", "--save", str(tmp_path))
        return done, json.loads((tmp_path / "caller.json").read_text())

    done, caller = await undisturbed(barged_in, lambda seen: seen[0].code == 0 and is_in_time(seen[1]))
    assert done.code == 0, done.stderr
    assert is_in_time(caller)
    greeting = caller["agent_speech"][0]
    assert len(caller["cleared"]) == 1
    assert greeting["end_ms"] - greeting["start_ms"] < len(GREETING.split()) * 240 - 300


def is_in_time(caller: dict[str, Any]) -> bool:
    """Whether the caller spoke half a second after the agent began."""
    late_ms = caller["sent"][0]["start_ms"] - caller["agent_speech"][0]["start_ms"] - 500
    return abs(late_ms) <= 25


@pytest.mark.alone
async def test_unmet_expectations_are_said_and_set_the_exit_code(server: ServerProcess, tmp_path: Path) -> None:
    expect = {"disconnection_reason": "inactivity", "agent_said": ["Friday"], "max_e2e_ms": 1}
    steps = [{"wait": "agent_done"}, {"send": {"text": "ping"}}, "hang_up"]
    async with scenario_file(tmp_path, steps, expect) as path:
        done = await retold_call(str(path), *at(server), "--json")
    assert done.code == 1
    assert json.loads(done.stdout)["disconnection_reason"] == "user_hangup"
    assert done.stderr.count("not as expected") == 3
    assert "disconnection_reason is user_hangup, expected inactivity" in done.stderr


@pytest.mark.alone
async def test_recording_is_played_in_the_short_form(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "question.wav").write_bytes(encode_wav(tone(900, 8_000), 8_000))
    async with scenario_file(tmp_path, ["hang_up"], {}) as path:
        agent = yaml.safe_load(path.read_text())["agent"]
        arguments = ("--audio", str(tmp_path / "question.wav"), "--agent", await create_agent(server, agent))
        done = await undisturbed(
            lambda: retold_call(*arguments, *at(server), "--json"), lambda seen: roles(seen) == TURNS
        )
    assert done.code == 0, done.stderr
    assert roles(done) == TURNS


def roles(done: Done) -> list[str]:
    """Who spoke, turn by turn."""
    return [turn["role"] for turn in json.loads(done.stdout or "{}").get("transcript_object", [])]


async def create_agent(server: ServerProcess, agent: dict[str, Any]) -> str:
    async with httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http:
        return (await http.post("/create-agent", json=agent)).json()["agent_id"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param([], "one of a scenario file and --audio is needed", id="nothing to play"),
        pytest.param(["gone.yaml"], "cannot open scenario gone.yaml", id="no such file"),
        pytest.param(["--audio", "a.wav", "--transport", "sip"], "transport 'sip' is unknown", id="transport"),
        pytest.param(["--audio", "a.wav", "--server", "here"], "'here' is not an address", id="address"),
        pytest.param(["--audio", "a.wav", "--server", "http://127.0.0.1:9"], "--server needs a key", id="no key"),
    ],
)
async def test_wrong_use_is_explained(arguments: list[str], complaint: str) -> None:
    done = await retold_call(*arguments)
    assert done.code == 2
    assert done.stdout == ""
    assert complaint in done.stderr


async def test_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("caller: [hang_up]")
    done = await retold_call(str(tmp_path / "a.yaml"), "--server", "http://127.0.0.1:9", "--api-key", "key_x")
    assert done.code == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_stopped_caller_takes_its_own_server_along(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("caller: [{silence: 60s}]")
    command = [sys.executable, "-m", "retold", "call", str(tmp_path / "a.yaml")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    async with await anyio.open_process(command, env={**environment, **SCRIPTED_SPEECH}) as caller:
        children = anyio.Path(f"/proc/{caller.pid}/task/{caller.pid}/children")
        with anyio.fail_after(PATIENCE_S):
            while not (servers := (await children.read_text()).split()):  # noqa: ASYNC110 - /proc tells nobody
                await anyio.sleep(0.05)
            await anyio.sleep(1)
            caller.terminate()
            assert await caller.wait() != 0
    assert not [pid for pid in servers if await anyio.Path(f"/proc/{pid}").exists()]
