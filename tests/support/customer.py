"""What a customer's program does over the API of a running server: agents, calls, records, files."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2

from support.audio_client import AudioClient, audio_client
from support.patience import PATIENCE_S
from support.server import ServerProcess

CALL_OVER = {"ended", "error", "not_connected"}


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with a key."""

    server: ServerProcess
    http: httpx2.AsyncClient

    @property
    def name(self) -> str:
        """The name of the server's data folder, which the agents get too."""
        return self.server.data_dir.name

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request that must succeed."""
        answer = await self.http.post(path, json=body or {})
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else {}

    async def make_agent(self, llm_url: str, **options: Any) -> str:
        """An agent that asks this LLM websocket."""
        engine = {"type": "custom-llm", "llm_websocket_url": llm_url}
        made = await self.post(
            "/create-agent", {"voice_id": "default", "response_engine": engine, "agent_name": self.name, **options}
        )
        return str(made["agent_id"])

    async def make_web_call(self, agent_id: str, **details: Any) -> str:
        """A call of today's kind, to be joined."""
        return str((await self.post("/v2/create-web-call", {"agent_id": agent_id, **details}))["call_id"])

    async def register_call(self, agent_id: str, **details: Any) -> str:
        """A call of the first API, which may choose its encoding."""
        audio = {"audio_websocket_protocol": "web", "audio_encoding": "s16le", "sample_rate": 16_000}
        return str((await self.post("/register-call", {"agent_id": agent_id, **audio, **details}))["call_id"])

    @asynccontextmanager
    async def joined(self, call_id: str, query: str = "", **audio: Any) -> AsyncGenerator[AudioClient]:
        """Speak on a call; leaving hangs up."""
        async with audio_client(f"{self.server.ws_url}/audio-websocket/{call_id}{query}", **audio) as client:
            yield client

    async def call(self, call_id: str) -> dict[str, Any]:
        """The call object."""
        answer = await self.http.get(f"/v2/get-call/{call_id}")
        assert answer.is_success, answer.text
        return answer.json()

    async def until(self, call_id: str, *statuses: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The call object once its status is one of these; by default, once it is over. Raises TimeoutError."""
        with anyio.fail_after(timeout_s):
            while True:
                call = await self.call(call_id)
                if call["call_status"] in (statuses or CALL_OVER):
                    return call
                await anyio.sleep(0.05)

    async def until_idle(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until no call has a slot. Raises TimeoutError."""
        with anyio.fail_after(timeout_s):
            while True:
                if (await self.http.get("/health/ready")).json()["calls"] == 0:
                    return
                await anyio.sleep(0.05)

    async def file(self, url: str) -> bytes:
        """The content of a recording or log; its address is all it takes."""
        async with httpx2.AsyncClient(timeout=PATIENCE_S) as stranger:
            answer = await stranger.get(url)
        assert answer.is_success, (url, answer.status_code)
        return answer.content

    async def log(self, call: dict[str, Any]) -> list[str]:
        """The lines of the public log."""
        return (await self.file(call["public_log_url"])).decode().splitlines()


@asynccontextmanager
async def customer_of(server: ServerProcess) -> AsyncGenerator[Customer]:
    """A customer of this server."""
    async with httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http:
        yield Customer(server, http)
