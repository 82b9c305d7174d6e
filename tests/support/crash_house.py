"""A server that dies, over and over, and the callers and the LLM server that see what it had promised by then."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from websockets.exceptions import WebSocketException

from retold.domain.reasons import DisconnectionReason
from retold.engine.timeline import EndIntended, replay
from support.audio_client import CHUNK_MS, AudioClient, audio_client, tone
from support.invariants import check_call, check_files, check_no_scraps, check_nothing_left, spools
from support.llm_server import LlmServer, Peer
from support.nursery import Nursery, is_running, kill
from support.patience import PATIENCE_S

KEY = "key_crash_0123456789abcdef"
RATE = 8_000
SAYS = "alpha bravo|charlie delta|echo foxtrot"
REPLY = "I hear you loud and clear."
MAX_LOST_MS = 500
HEADERS = {"Authorization": f"Bearer {KEY}"}
_ENV = {
    "RETOLD_VAD": "energy",
    "RETOLD_STT": "scripted",
    "RETOLD_TTS": "scripted",
    "RETOLD_SCRIPTED__STT_MS": "30",
    "RETOLD_SCRIPTED__TTS_MS": "20",
    "RETOLD_SCRIPTED__STT_TEXTS": SAYS,
    "RETOLD_LOG_FORMAT": "json",
    "RETOLD_ALLOW_PRIVATE_HOSTS": "*",
    "RETOLD_API_KEY": KEY,
    "RETOLD_MIN_FREE_DISK_MB": "0",
    "RETOLD_ANALYSIS__ENABLED": "false",
}


async def answer_all(peer: Peer) -> None:
    """The agent's brain: greets, and answers every turn with the same words."""
    await peer.replies(0, "Hello.")
    while True:
        asked = await peer.listens(until="response_required")
        await peer.replies(asked["response_id"], REPLY)


@dataclass
class Caller:
    """What one caller knows of its call, all of it before the server died."""

    call_id: str
    has_hung_up: bool = False
    client: AudioClient | None = None

    chunks_at_ping: list[int] = field(default_factory=list[int])

    async def ping(self, client: AudioClient) -> None:
        """Ask the server to say that it has taken all audio so far."""
        self.chunks_at_ping.append(client.sent_chunks)
        await client.socket.send("ping")

    @property
    def longest_gap_ms(self) -> float:
        """The longest time without a pong: for so long somebody stood still, and took the audio of it all at once."""
        if self.client is None:
            return 0.0
        at_s = [at_s for at_s, message in self.client.received if message == "pong"]
        return max((later - earlier for earlier, later in itertools.pairwise(at_s)), default=0.0) * 1000

    @property
    def taken_ms(self) -> float:
        """Audio that the server has surely taken: what was sent before the last ping it answered."""
        pongs = self.client.texts.count("pong") if self.client is not None else 0
        return self.chunks_at_ping[pongs - 1] * CHUNK_MS if pongs else 0.0

    @property
    def is_heard(self) -> bool:
        """Whether it is connected and the server has taken audio of it."""
        return self.client is not None and self.client.socket.close_code is None and self.taken_ms > 0


@dataclass
class CrashHouse:
    """One data folder and its database, its servers one after another, and every promise they made."""

    nursery: Nursery
    data: Path
    llm: LlmServer
    callers: dict[str, Caller] = field(default_factory=dict[str, Caller])
    finals: dict[str, str] = field(default_factory=dict[str, str])
    lost_ms: list[float] = field(default_factory=list[float])
    """Of each recording cut off by a kill, what was taken in time and is not on the disk."""
    recovered_s: list[float] = field(default_factory=list[float])
    """For each restart, from ready until all calls that had been joined were terminal."""
    agent_id: str = ""
    database_url: str | None = None
    """A PostgreSQL database, or the folder's own."""
    url: str = ""
    pid: int = 0

    async def start(self, **env: str) -> bool:
        """Start a server and wait until it is ready; False when it died before."""
        variables = {**_ENV, **{f"RETOLD_{name.upper()}": value for name, value in env.items()}}
        variables["RETOLD_DATABASE_URL"] = self.database_url or ""
        arguments = ["serve", "--port", "0", "--data-dir", str(self.data)]
        self.pid, log = await asyncio.to_thread(self.nursery.bear, arguments, variables)
        deadline = time.monotonic() + PATIENCE_S
        while is_running(self.pid):
            assert time.monotonic() < deadline, log.read_text()
            printed = log.read_text()
            if "is ready at " in printed:
                self.url = printed.split("is ready at ")[1].split()[0]
                return True
            await anyio.sleep(0.01)
        assert "crash_at" in env, f"the server left by itself:\n{log.read_text()[-5000:]}"
        return False

    async def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        kill(self.pid)
        await self.death()

    def kill_now(self) -> None:
        """SIGKILL, from whoever is in the middle of something."""
        kill(self.pid)

    async def death(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait for the server to be gone."""
        with anyio.fail_after(timeout_s):
            while is_running(self.pid):  # noqa: ASYNC110 - another process has no event
                await anyio.sleep(0.005)

    @asynccontextmanager
    async def http(self) -> AsyncGenerator[httpx2.AsyncClient]:
        """A client with the key."""
        async with httpx2.AsyncClient(base_url=self.url, headers=HEADERS, timeout=PATIENCE_S) as client:
            yield client

    async def make_agent(self) -> None:
        """An agent whose brain is the test's."""
        async with self.http() as client:
            body = {
                "response_engine": {"type": "custom-llm", "llm_websocket_url": self.llm.url},
                "voice_id": "default",
                "responsiveness": 1,
                "pii_config": {"mode": "post_call", "categories": ["credit_card"]},
            }
            made = await client.post("/create-agent", json=body)
            assert made.status_code == 201, made.text
            self.agent_id = made.json()["agent_id"]

    async def create(self) -> Caller:
        """Create a call; once this returns the server has promised to keep it. Raises httpx2.HTTPError when it dies."""
        async with self.http() as client:
            made = await client.post("/v2/create-web-call", json={"agent_id": self.agent_id})
            assert made.status_code == 201, made.text
        caller = Caller(made.json()["call_id"])
        self.callers[caller.call_id] = caller
        return caller

    async def talk(
        self, caller: Caller, *, seconds: float, utterances: int = 3, until: Callable[[], bool] = lambda: False
    ) -> None:
        """Join, say something each second or so, hang up after `seconds` or soon after `until`; or the server dies."""
        address = f"ws{self.url.removeprefix('http')}/audio-websocket/{caller.call_id}?enable_update=true"
        try:
            async with audio_client(address, rate_hz=24_000) as client:
                caller.client = client
                for _ in range(utterances):
                    client.say(tone(300, 24_000) + bytes(2 * 24 * 500))
                ends_s = time.monotonic() + seconds
                while client.socket.close_code is None and time.monotonic() < ends_s:
                    if until():
                        ends_s = min(ends_s, time.monotonic() + 0.3)
                    await caller.ping(client)
                    await anyio.sleep(0.02)
                caller.has_hung_up = client.socket.close_code is None
        except (WebSocketException, OSError):
            pass
        except BaseExceptionGroup as group:
            if group.split((WebSocketException, OSError))[1] is not None:
                raise

    # --- what must hold -------------------------------------------------------------------------

    def left_behind(self) -> dict[str, tuple[str, str | None]]:
        """Status of each call on disk and the reason its journal intends, read as the dead server left them."""
        url = self.database_url or f"sqlite:///{self.data / 'retold.db'}"
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        if self.database_url and not is_running(self.pid):
            _wait_until_forgotten(engine)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT call_id, call_status FROM call")).all()
            return {call_id: (status, _intended(connection, call_id)) for call_id, status in rows}

    def promised_words(self, call_id: str) -> list[str]:
        """What the caller said, as the LLM server was told last."""
        said: list[str] = []
        for path, peer in zip(self.llm.paths, self.llm.peers, strict=False):
            if call_id in path:
                for message in peer.heard:
                    if message["interaction_type"] == "response_required":
                        said = [item["content"] for item in message["transcript"] if item["role"] == "user"]
        return " ".join(said).split()

    async def check(self, before: dict[str, tuple[str, str | None]]) -> None:
        """Every promise is kept, by the server that runs on what the dead one left."""
        ready_s = time.monotonic()
        with anyio.fail_after(PATIENCE_S):
            calls = await self._terminal(before)
        self.recovered_s.append(time.monotonic() - ready_s)
        assert set(self.callers) <= set(before), "an acknowledged call is gone"
        for call_id, call in calls.items():
            status, intended = before.get(call_id, ("", None))
            if call["call_status"] == "registered":
                assert status == "registered"
                continue
            self._check_one(call_id, call, status, intended)
        check_no_scraps(self.data)
        # A spool goes a moment after the row has its end.
        with anyio.move_on_after(PATIENCE_S):
            while spools(self.data):  # noqa: ASYNC110 - another process has no event
                await anyio.sleep(0.02)
        check_nothing_left(self.data)

    async def _terminal(self, before: dict[str, tuple[str, str | None]]) -> dict[str, dict[str, Any]]:
        """All calls, once every one that somebody had joined is terminal."""
        async with self.http() as client:
            while True:
                answers = {call_id: await client.get(f"/v2/get-call/{call_id}") for call_id in before}
                calls = {call_id: answer.json() for call_id, answer in answers.items()}
                if all(call["call_status"] != "ongoing" for call in calls.values()):
                    return calls
                await anyio.sleep(0.05)

    def _check_one(self, call_id: str, call: dict[str, Any], status: str, intended: str | None) -> None:
        check_call(call)
        # The address changes with each start, the path behind it must not.
        local = {
            name: value.removeprefix(self.url) if isinstance(value, str) else value for name, value in call.items()
        }
        check_files(self.data, local)
        shown = json.dumps(local, sort_keys=True)
        assert self.finals.setdefault(call_id, shown) == shown, "a terminal call changed"
        if status == "ongoing":
            expected = intended or DisconnectionReason.ERROR_RETELL
            assert call["disconnection_reason"] == expected, (call["disconnection_reason"], expected, call_id)
        words = self.promised_words(call_id)
        told = [item["content"] for item in call.get("transcript_object", []) if item["role"] == "user"]
        assert " ".join(told).split()[: len(words)] == words, "a finalised utterance is gone"

    async def kill_and_count_loss(self) -> None:
        """Kill in mid-call; notes how much of what the server had taken from each caller is not on the disk."""
        talking = {one.call_id: one for one in self.callers.values() if one.client and not one.has_hung_up}
        taken_ms = {call_id: one.taken_ms for call_id, one in talking.items()}
        await self.kill()
        for path in self.data.glob("spool/*.caller.pcm"):
            call_id = path.name.split(".")[0]
            if call_id in taken_ms:
                lost_ms = taken_ms[call_id] - path.stat().st_size / 2 / 24
                self.lost_ms.append(lost_ms - talking[call_id].longest_gap_ms)


def _wait_until_forgotten(engine: Engine) -> None:
    """Wait until PostgreSQL has noticed that its only client is dead: what that had sent is committed until then."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + PATIENCE_S
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(others):
            assert time.monotonic() < deadline, "PostgreSQL still serves the dead server"
            time.sleep(0.005)


def _intended(connection: Connection, call_id: str) -> str | None:
    wanted = text("SELECT event FROM call_event WHERE call_id = :call_id ORDER BY seq")
    lines = connection.scalars(wanted, {"call_id": call_id})
    reasons = [event.reason.value for event in replay(lines) if isinstance(event, EndIntended)]
    return reasons[0] if reasons else None
