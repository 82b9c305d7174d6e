"""What every bench runs on: one `retold serve` with scripted speech on a core of its own, a brain, and callers.

Server on the last core; callers (this process) and brain on the first. With one core they share it, and it is said.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from caller import Caller, Sound, calling
from support.server import ServerProcess, running_server

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "bench"
STT_MS, TTS_MS, BRAIN_MS = 200, 100, 100
SPEECH_END_MS = 160
"""Silence that ends a passage (engine/segmenter.py)."""
WAIT_COMPLETE_MS = 350
"""Silence that ends a turn whose words sound complete (docs/reference/turn-taking.md)."""
IDEAL_GAP_MS = max(WAIT_COMPLETE_MS, SPEECH_END_MS + STT_MS) + BRAIN_MS + TTS_MS
"""From the caller's last sound to the agent's first if nothing but the rules and the set delays took time."""
KEEP_ALIVE_S = 2
"""Shorter than the server's 5 s: a connection that both end at once fails the request that was to use it."""
ENVIRONMENT = {
    "RETOLD_CONCURRENCY_LIMIT": "200",
    "RETOLD_SCRIPTED__STT_MS": str(STT_MS),
    "RETOLD_SCRIPTED__TTS_MS": str(TTS_MS),
    "RETOLD_SCRIPTED__STT_TEXTS": "I would like a table.",
}
_CALL_OVER = {"ended", "error"}


@dataclass(frozen=True, slots=True)
class Rig:
    """The running server and brain."""

    server: ServerProcess
    brain_port: int
    http: httpx2.AsyncClient

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.server.process.pid

    async def agent(self, *, begin_words: int = 0, reply_words: int = 3) -> str:
        """An agent with default settings whose brain says this much."""
        url = f"ws://127.0.0.1:{self.brain_port}/{BRAIN_MS}/{begin_words}/{reply_words}"
        engine = {"type": "custom-llm", "llm_websocket_url": url}
        made = await self._post("/create-agent", {"response_engine": engine, "voice_id": "default"})
        return str(made["agent_id"])

    async def register(self, agent_id: str, sound: Sound) -> str:
        """A call to be joined."""
        body = {"agent_id": agent_id, "audio_websocket_protocol": "web", "sample_rate": sound.rate_hz}
        made = await self._post("/register-call", {**body, "audio_encoding": "mulaw" if sound.is_mulaw else "s16le"})
        return str(made["call_id"])

    def join(self, call_id: str, sound: Sound) -> AbstractAsyncContextManager[Caller]:
        """Speak on a registered call; leaving hangs up."""
        host, _, port = self.server.url.removeprefix("http://").partition(":")
        return calling(host, int(port), f"/audio-websocket/{call_id}", sound)

    async def record(self, call_id: str, timeout_s: float = 30) -> dict[str, Any]:
        """The call object once the call is over. Raises TimeoutError."""
        with anyio.fail_after(timeout_s):
            while True:
                answer = await self.http.get(f"/v2/get-call/{call_id}")
                call: dict[str, Any] = answer.raise_for_status().json()
                if call["call_status"] in _CALL_OVER:
                    return call
                await anyio.sleep(0.1)

    async def idle(self, timeout_s: float = 30) -> None:
        """Wait until no call is in progress."""
        with anyio.fail_after(timeout_s):
            while (await self.http.get("/health/ready")).json()["calls"]:
                await anyio.sleep(0.1)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        return answer.raise_for_status().json()


@asynccontextmanager
async def rig(
    env: Mapping[str, str] | None = None, *, is_counted: bool = False, data_dir: Path | None = None
) -> AsyncGenerator[Rig]:
    """Everything running and warm; with `is_counted` the server tells its tasks (bench/counted_server.py).

    Without a `data_dir` that is kept, the server's folder goes away with it.
    """
    program = [str(ROOT / "bench" / "counted_server.py")] if is_counted else ["-m", "retold"]
    with work_folder() as folder, on_core(-1):
        settings = {**ENVIRONMENT, "BENCH_TASKS": str(folder / "tasks"), **(env or {})}
        with (
            running_server(data_dir or folder / "data", env=settings, program=program) as server,
            on_core(0),
            brain() as port,
        ):
            limits = httpx2.Limits(keepalive_expiry=KEEP_ALIVE_S)
            headers = server.headers
            async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=30, limits=limits) as http:
                ready = Rig(server, port, http)
                await _warm_up(ready)
                yield ready


async def _warm_up(ready: Rig) -> None:
    """One short call, so that no figure holds what only the first call costs."""
    call_id = await ready.register(await ready.agent(), Sound())
    async with ready.join(call_id, Sound()) as caller:
        await anyio.sleep(0.3)
        await caller.say(400)
        await caller.answer()
    await ready.record(call_id)


@contextmanager
def work_folder() -> Generator[Path]:
    """A folder on the disk of the project that goes away."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        yield Path(folder)


@contextmanager
def brain() -> Generator[int]:
    """Run the brain; gives its port."""
    process = subprocess.Popen([sys.executable, str(ROOT / "bench" / "brain.py")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@contextmanager
def on_core(index: int) -> Generator[None]:
    """Pin this process, and what it starts, to one of its cores."""
    cores = os.sched_getaffinity(0)
    allowed = sorted(range(os.cpu_count() or 1)) if len(cores) == 1 else sorted(cores)
    os.sched_setaffinity(0, {allowed[index]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
