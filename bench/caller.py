"""A caller that costs next to nothing: 20 ms of sound out every 20 ms, and the times of what comes back.

The websocket is spoken by hand (RFC 6455): chunks are framed once, masked with zeros, and sent many times, so that
fifty callers do not slow down what they measure.
"""

import asyncio
import os
import time
from base64 import b64encode
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import anyio
import numpy as np

from retold.audio.g711 import pcm_to_ulaw

CHUNK_MS = 20
TONE_HZ = 500
"""Ten whole periods in each chunk, and a cosine: the first and the last sample of a tone are loud."""
CLICK_SAMPLES = 32
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


@dataclass(slots=True)
class Sound:
    """Chunks of one encoding, ready to send."""

    rate_hz: int = 16_000
    is_mulaw: bool = False
    silence: bytes = field(init=False)
    tone: bytes = field(init=False)
    click: bytes = field(init=False)
    quiet_byte: bytes = field(init=False)

    def __post_init__(self) -> None:
        samples = self.rate_hz * CHUNK_MS // 1000
        click = np.where(np.arange(samples) < CLICK_SAMPLES, 0.5, 0.0)
        self.silence = self._frame(np.zeros(samples))
        self.tone = self._frame(0.3 * np.cos(2 * np.pi * TONE_HZ * np.arange(samples) / self.rate_hz))
        self.click = self._frame(click)
        self.quiet_byte = b"\xff" if self.is_mulaw else b"\0"

    def _frame(self, wave: np.ndarray) -> bytes:
        pcm = (wave * 32767).astype("<i2").tobytes()
        return client_frame(_BINARY, pcm_to_ulaw(pcm) if self.is_mulaw else pcm)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message to the server; the mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + bytes(4) + payload


@dataclass(frozen=True, slots=True)
class Said:
    """When the first sample of a sound was made and when its last one was sent; seconds of monotonic time."""

    onset_s: float
    end_s: float


class Caller(asyncio.Protocol):
    """One call; `on_audio` and `on_clear` take the time of arrival."""

    def __init__(self, path: str, sound: Sound) -> None:
        self.on_audio: Callable[[float, bytes], None] = lambda _at_s, _chunk: None
        self.on_clear: Callable[[float], None] = lambda _at_s: None
        self.opened = anyio.Event()
        self.closed = anyio.Event()
        self._path = path
        self._sound = sound
        self._buffer = bytearray()
        self._script: deque[bytes] = deque()
        self._script_sent: anyio.Event | None = None
        self._sent_s = 0.0
        self._answered = anyio.Event()
        self._answered_s = 0.0
        self._transport: asyncio.WriteTransport | None = None

    # --- what a bench does ---

    async def say(self, duration_ms: int) -> Said:
        """Make a tone; returns when it is sent."""
        first, end_s = await self.play([self._sound.tone] * (duration_ms // CHUNK_MS))
        return Said(first - CHUNK_MS / 1000, end_s)

    async def play(self, chunks: Iterable[bytes]) -> tuple[float, float]:
        """Send these chunks; gives when the first and the last one left."""
        self._answered, self._answered_s = anyio.Event(), 0.0
        self._script.extend(chunks)
        length_s = len(self._script) * CHUNK_MS / 1000
        self._script_sent = anyio.Event()
        with anyio.fail_after(length_s + 5):
            await self._script_sent.wait()
        return self._sent_s - length_s + CHUNK_MS / 1000, self._sent_s

    async def answer(self, timeout_s: float = 10) -> float:
        """When the first sound of the agent after the last `say` arrived. Raises TimeoutError."""
        with anyio.fail_after(timeout_s):
            await self._answered.wait()
        return self._answered_s

    async def talk(self) -> None:
        """Send a chunk every 20 ms, on absolute deadlines, until the call is over."""
        due_s = time.monotonic()
        while not self.closed.is_set():
            due_s += CHUNK_MS / 1000
            await anyio.sleep(max(due_s - time.monotonic(), 0))
            self._write(self._script.popleft() if self._script else self._sound.silence)
            if not self._script and self._script_sent is not None:
                self._sent_s = time.monotonic()
                self._script_sent.set()
                self._script_sent = None

    async def hang_up(self) -> None:
        """Close the websocket and wait for the server to do so too."""
        self._write(client_frame(_CLOSE, (1000).to_bytes(2, "big")))
        with anyio.move_on_after(5):
            await self.closed.wait()
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the websocket."""
        # uvloop's transports have the methods of asyncio's and not their base classes.
        self._transport = writer = cast(asyncio.WriteTransport, transport)
        key = b64encode(os.urandom(16)).decode()
        lines = (f"GET {self._path} HTTP/1.1", "Host: retold", "Upgrade: websocket", "Connection: Upgrade")
        lines += (f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "")
        writer.write("\r\n".join(lines).encode())

    def data_received(self, data: bytes) -> None:
        """Take bytes; whole frames are passed on."""
        at_s = time.monotonic()
        buffer = self._buffer
        buffer += data
        if not self.opened.is_set():
            head, found, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._buffer = buffer = bytearray(rest)
            self.opened.set()
        while len(buffer) >= 2:
            start, size = 2, buffer[1]
            if size == 126:
                start, size = 4, int.from_bytes(buffer[2:4], "big")
            elif size == 127:
                start, size = 10, int.from_bytes(buffer[2:10], "big")
            if len(buffer) < start + size:
                return
            opcode, payload = buffer[0] & 15, bytes(buffer[start : start + size])
            del buffer[: start + size]
            self._take(at_s, opcode, payload)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """The call is over."""
        self.closed.set()

    def _take(self, at_s: float, opcode: int, payload: bytes) -> None:
        if opcode == _BINARY:
            self.on_audio(at_s, payload)
            if not self._answered_s and self._script_sent is None and payload.strip(self._sound.quiet_byte):
                self._answered_s = at_s
                self._answered.set()
        elif opcode == _TEXT and payload == b"clear":
            self.on_clear(at_s)
        elif opcode == _PING:
            self._write(client_frame(_PONG, payload))
        elif opcode == _CLOSE:
            self.closed.set()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)


@asynccontextmanager
async def calling(host: str, port: int, path: str, sound: Sound) -> AsyncGenerator[Caller]:
    """Join a call with the microphone on; hangs up at the end."""
    caller = Caller(path, sound)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: caller, host, port)
    with anyio.fail_after(15):
        await caller.opened.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller.talk)
        try:
            yield caller
        finally:
            with anyio.CancelScope(shield=True):
                await caller.hang_up()
            tasks.cancel_scope.cancel()
