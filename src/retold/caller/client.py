"""The real-time client of the audio websocket: a microphone that never stops, a loudspeaker that obeys `clear`.

Microphone chunks of 20 ms leave by absolute deadlines, at the end of the time they cover, as from a sound card.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import anyio
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from retold.audio.pcm import BYTES_PER_SAMPLE
from retold.caller.script import Leave, Script, SendFrame, Speak
from retold.caller.tape import CallerTape, sent_now
from retold.caller.voice import Passage
from retold.clock import CallClock, Clock
from retold.errors import CallNotPlaced
from retold.transports.audio_wire import CLEAR

CHUNK_MS = 20
OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class Watcher(Protocol):
    """Who wants to see a call while it runs."""

    def show_update(self, at_ms: float, event: Mapping[str, Any]) -> None:
        """An `update` or `metadata` event came."""
        ...

    def show_latency(self, at_ms: float, latency_ms: float) -> None:
        """The agent began to speak, this long after the caller's last audible sample."""
        ...


class AudioClient:
    """Plays one script over one socket and fills a tape."""

    def __init__(
        self, script: Script, passages: Mapping[int, Passage], tape: CallerTape, clock: Clock, watcher: Watcher | None
    ) -> None:
        self._script = script
        self._passages = passages
        self._tape = tape
        self._clock = clock
        self._watcher = watcher
        self._time = CallClock(clock)
        self._speaking: tuple[float, bytes] = (0.0, b"")
        self._speech_end_ms: float | None = None
        """End of a passage that the agent has not answered so far."""
        self._is_over = False

    async def run(self, url: str) -> None:
        """Place the call and stay until either side hangs up. Raises CallNotPlaced."""
        try:
            socket = await connect(
                url,
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=_MAX_MESSAGE_BYTES,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise CallNotPlaced(f"cannot open {url}: {error or type(error).__name__}; is the server up?") from error
        self._time = CallClock(self._clock)
        self._tape.zero_wall_ms = self._time.started_wall_ms
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, socket)
                await self._talk(socket)
                with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE_TIMEOUT_S):
                    await socket.close()
                tasks.cancel_scope.cancel()
        finally:
            self._tape.steps_left = self._script.steps_left
            self._tape.close_code, self._tape.close_reason = socket.close_code, socket.close_reason or ""

    async def _talk(self, socket: ClientConnection) -> None:
        """Send the microphone until the call is over, and play the script."""
        samples = self._tape.sample_rate * CHUNK_MS // 1000
        start = 0
        try:
            while not self._is_over:
                if not await self._act(socket, start * 1000 / self._tape.sample_rate):
                    self._end()
                    return
                end_ms = (start + samples) * 1000 / self._tape.sample_rate
                await anyio.sleep(max(end_ms - self._time.now_ms(), 0) / 1000)
                self._tape.max_late_ms = max(self._tape.max_late_ms, self._time.now_ms() - end_ms)
                await socket.send(self._chunk(start, samples))
                start += samples
        except ConnectionClosed:
            self._end()

    async def _act(self, socket: ClientConnection, now_ms: float) -> bool:
        """Do what the script says at this moment; False when the caller leaves."""
        for action in self._script.advance(now_ms, self._tape.agent):
            match action:
                case Speak(step):
                    self._tape.sent.append(sent_now(self._passages[step], now_ms))
                    self._speaking = (now_ms, self._passages[step].pcm)
                    self._speech_end_ms = self._tape.sent[-1].as_json().get("speech_end_ms")
                case SendFrame(step, payload):
                    frame = {"text": payload} if isinstance(payload, str) else {"binary": payload.hex()}
                    self._tape.frames_sent.append({"step": step, "at_ms": round(self._time.now_ms(), 3), **frame})
                    await socket.send(payload)
                case Leave(complaint):
                    self._tape.complaint = complaint
                    return False
        return True

    def _chunk(self, start: int, samples: int) -> bytes:
        begin_ms, pcm = self._speaking
        at = (start - round(begin_ms * self._tape.sample_rate / 1000)) * BYTES_PER_SAMPLE
        return pcm[at : at + samples * BYTES_PER_SAMPLE].ljust(samples * BYTES_PER_SAMPLE, b"\0")

    async def _listen(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                now_ms = self._time.now_ms()
                if isinstance(message, bytes):
                    self._hear(now_ms, message)
                elif message == CLEAR:
                    self._tape.agent.clear(now_ms)
                    dropped_ms = self._tape.playback.clear(now_ms)
                    self._tape.cleared.append({"at_ms": round(now_ms, 3), "dropped_ms": round(dropped_ms, 3)})
                else:
                    self._read(now_ms, message)
        self._end()

    def _hear(self, now_ms: float, pcm: bytes) -> None:
        agent = self._tape.agent
        before = agent.latest_start_ms
        agent.hear(self._tape.playback.push(now_ms, pcm), pcm)
        start_ms = agent.latest_start_ms
        if start_ms is None or start_ms == before or self._speech_end_ms is None or start_ms < self._speech_end_ms:
            return
        latency_ms = start_ms - self._speech_end_ms
        self._speech_end_ms = None
        self._tape.latencies.append({"at_ms": round(start_ms, 3), "latency_ms": round(latency_ms, 3)})
        if self._watcher is not None:
            self._watcher.show_latency(start_ms, latency_ms)

    def _read(self, now_ms: float, message: str) -> None:
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        kind = event.get("event_type") if isinstance(event, dict) else message
        self._tape.texts_received.append({"at_ms": round(now_ms, 3), "text": kind})
        if self._watcher is not None and isinstance(event, dict):
            self._watcher.show_update(now_ms, event)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._tape.ended_ms = self._time.now_ms()
