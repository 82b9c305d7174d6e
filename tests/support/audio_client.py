"""A caller on a real audio websocket, for tests of the wire: paced microphone, all that comes kept with its time."""

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.patience import PATIENCE_S

CHUNK_MS = 20


def tone(duration_ms: int, rate_hz: int, frequency_hz: float = 440.0, level: float = 0.3) -> bytes:
    """A sine as s16le PCM, loud enough for energy VAD."""
    times = np.arange(rate_hz * duration_ms // 1000) / rate_hz
    return (np.sin(2 * np.pi * frequency_hz * times) * level * 32767).astype("<i2").tobytes()


class AudioClient:
    """One socket; `received` holds (seconds of monotonic time, message)."""

    def __init__(self, socket: ClientConnection, silence: bytes) -> None:
        self.socket = socket
        self.received: list[tuple[float, str | bytes]] = []
        self.sent_chunks = 0
        self._silence = silence
        self._speech: list[bytes] = []
        self._changed = anyio.Event()

    @property
    def audio(self) -> list[tuple[float, bytes]]:
        """Binary frames and their times."""
        return [(at, message) for at, message in self.received if isinstance(message, bytes)]

    @property
    def texts(self) -> list[str]:
        """Text frames that are no JSON."""
        return [message for _, message in self.received if isinstance(message, str) and not message.startswith("{")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """JSON frames, parsed."""
        return [
            json.loads(message) for _, message in self.received if isinstance(message, str) and message.startswith("{")
        ]

    def say(self, sound: bytes) -> None:
        """Let the microphone pick this up, in the encoding of the call, from its next chunk on."""
        size = len(self._silence)
        chunks = [sound[at : at + size] for at in range(0, len(sound), size)]
        self._speech += [chunk + self._silence[len(chunk) :] for chunk in chunks]

    async def until(self, is_reached: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something received makes this true."""
        with anyio.fail_after(timeout_s):
            while not is_reached():
                await self._changed.wait()

    async def closed(self, timeout_s: float = PATIENCE_S) -> tuple[int | None, str]:
        """Wait for the server to close; its code and reason."""
        with anyio.fail_after(timeout_s):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason or ""

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        self.socket.transport.abort()

    async def listen(self) -> None:
        """Collect until the socket ends."""
        try:
            async for message in self.socket:
                self.received.append((time.monotonic(), message))
                self._tell()
        except ConnectionClosed:
            pass
        self._tell()

    async def talk(self) -> None:
        """Send a chunk every 20 ms until the socket ends."""
        due = time.monotonic()
        try:
            while True:
                await self.socket.send(self._speech.pop(0) if self._speech else self._silence)
                self.sent_chunks += 1
                due += CHUNK_MS / 1000
                await anyio.sleep(max(due - time.monotonic(), 0))
        except ConnectionClosed:
            pass

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def audio_client(
    url: str, *, rate_hz: int = 24_000, is_mulaw: bool = False, is_talking: bool = True
) -> AsyncGenerator[AudioClient]:
    """Connect, with the microphone on unless `is_talking` is False; hangs up at the end."""
    samples = rate_hz * CHUNK_MS // 1000
    async with connect(url, compression=None, close_timeout=2) as socket, anyio.create_task_group() as tasks:
        client = AudioClient(socket, b"\xff" * samples if is_mulaw else bytes(samples * 2))
        tasks.start_soon(client.listen)
        if is_talking:
            tasks.start_soon(client.talk)
        yield client
        await socket.close()
        tasks.cancel_scope.cancel()
