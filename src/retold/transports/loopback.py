"""A caller's leg in memory: a scripted caller in, and a record of everything the agent sent.

For tests, engine runs and benchmarks. Time is that of the event loop and the clock passed in, so that it also
works on virtual time: microphone chunks come by absolute deadlines, playback is simulated as a client would.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from retold.audio.pcm import BYTES_PER_SAMPLE, sample_count
from retold.clock import Clock
from retold.ports import AudioFrame
from retold.transports.playback import PlaybackBuffer

CHUNK_MS = 20


@dataclass(frozen=True, slots=True)
class PlayedFrame:
    """One frame that `play()` was given, and when."""

    at_ms: float
    pcm: bytes
    text: str


@dataclass(frozen=True, slots=True)
class _Passage:
    start_sample: int
    pcm: bytes


class LoopbackTransport:
    """Implements ports.Transport; all times are milliseconds since it was made."""

    def __init__(self, clock: Clock, *, sample_rate: int = 24_000, lead_ms: int = 100) -> None:
        self.sample_rate = sample_rate
        self.lead_ms = lead_ms
        self.takes_updates = True
        self.is_connected = True
        """Set it to False to cut the connection: the agent then waits with what it has to say."""
        self.played: list[PlayedFrame] = []
        self.cleared_at_ms: list[float] = []
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.closed_with: str | None = None
        self.heard = PlaybackBuffer(sample_rate)
        """What a client with a real playback buffer would have heard."""
        self._clock = clock
        self._zero_ms = clock.monotonic_ms()
        self._passages: list[_Passage] = []
        self._hang_up_at_ms: float | None = None
        self._over = anyio.Event()

    # the caller's side

    def now_ms(self) -> float:
        """Milliseconds since the transport was made."""
        return self._clock.monotonic_ms() - self._zero_ms

    def say(self, pcm: bytes, at_ms: float | None = None) -> float:
        """Let the caller speak at `at_ms` (default: at once); gives when that ends.

        Where passages overlap the later one is heard. What lies in a chunk that has left already is not said.
        """
        start = int((self.now_ms() if at_ms is None else at_ms) * self.sample_rate / 1000)
        self._passages.append(_Passage(start, pcm))
        return (start + sample_count(pcm)) * 1000 / self.sample_rate

    def hang_up(self, at_ms: float | None = None) -> None:
        """Let the caller hang up at `at_ms` (default: at once)."""
        self._hang_up_at_ms = self.now_ms() if at_ms is None else at_ms

    # ports.Transport

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand over microphone chunks of 20 ms in real time, silence where nothing is said, until a side hangs up."""
        start, samples = 0, self.sample_rate * CHUNK_MS // 1000
        while True:
            end_ms = (start + samples) * 1000 / self.sample_rate
            with anyio.move_on_after(max(end_ms - self.now_ms(), 0) / 1000):
                await self._over.wait()
            if self._over.is_set() or (self._hang_up_at_ms is not None and end_ms > self._hang_up_at_ms):
                return
            take(self._chunk(start, samples))
            start += samples

    async def play(self, frame: AudioFrame, text: str = "") -> None:
        """Record a frame of agent audio."""
        at_ms = self.now_ms()
        self.played.append(PlayedFrame(at_ms, frame.pcm, text))
        self.heard.push(at_ms, frame.pcm)

    async def clear(self) -> None:
        """Empty the simulated playback buffer."""
        self.cleared_at_ms.append(self.now_ms())
        self.heard.clear(self.now_ms())

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Record an event."""
        self.events.append((self.now_ms(), dict(event)))

    async def close(self, reason: str) -> None:
        """End `listen()`."""
        self.closed_with = reason
        self.heard.clear(self.now_ms())
        self._over.set()

    def _chunk(self, start: int, samples: int) -> bytes:
        chunk = bytearray(samples * BYTES_PER_SAMPLE)
        for passage in self._passages:
            begin = max(passage.start_sample, start)
            end = min(passage.start_sample + sample_count(passage.pcm), start + samples)
            if begin < end:
                piece = passage.pcm[
                    (begin - passage.start_sample) * BYTES_PER_SAMPLE : (end - passage.start_sample) * BYTES_PER_SAMPLE
                ]
                at = (begin - start) * BYTES_PER_SAMPLE
                chunk[at : at + len(piece)] = piece
        return bytes(chunk)
