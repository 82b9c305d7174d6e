"""The v1 audio websocket `/audio-websocket/{call_id}` as a Transport.

One transport lives as long as the call; the sockets it is served by come and go:

    WAITING --serve()--> CONNECTED --hang-up, close(), bad frame--> ENDED
                          |     ^                                     ^
                         cut  serve()                                 |
                          v     |                                     |
                            CUT ---- rejoin_timeout_ms or close() ----'

A close frame is a hang-up. A connection that ends without one, or whose peer has taken nothing for
SEND_TIMEOUT_S, is a cut: the call goes on when a socket comes back in time.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import anyio
import anyio.lowlevel
import orjson
import structlog

from retold.clock import Clock
from retold.domain.call import CallAudio
from retold.errors import FrontendCorrupted
from retold.ports import AudioFrame
from retold.settings import Settings
from retold.transports.audio_wire import CLEAR, PING, PONG, AudioWire, unknown_text
from retold.transports.outbox import GONE, SEND_TIMEOUT_S, Kind, Outbox, Socket

_GOODBYE_TIMEOUT_S = 5.0
_MAX_UNREAD_MS = 1_000
_MAX_UNSENT_MS = 1_000
_MAX_REASON_BYTES = 123  # RFC 6455, 5.5: control frames carry 125 bytes, 2 of them the code
DIRECT = "retold.direct"
"""Key in the `extensions` of a websocket's ASGI scope, where our listener offers `Divert`."""
Divert = Callable[[Callable[[bytes], None] | None], None]
"""Asks the listener to hand binary messages over by a call, in place of `receive()`; None takes that back."""

_PROTOCOL_BROKEN = {1002, 1003, 1007, 1009}  # our server closed the socket on a frame it could not read
_WENT_AWAY = {1006, 1011, 1012, 1013, 1014}  # RFC 6455 and its registry: lost, or a proxy in between gave up


MAX_LEAD_MS = 290
"""Agent audio is never further ahead of real time than 300 ms unless the client asks for more; also the lead before
the client's blocks are known."""
MAX_ASKED_LEAD_MS = 5_000
"""The most that `lead_ms` in the address gives: so much audio is in flight when the caller interrupts."""
BLOCK_MARGIN_MS = 30
"""Lead beyond one block of the client, for the jitter of the network."""


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """What the client asked for in the query, and the server's limits."""

    enable_update: bool = False
    enable_audio_alignment: bool = False
    lead_ms: int = 100
    asked_lead_ms: int | None = None
    """The lead the client wants, whatever its blocks; None leaves it to the server."""
    rejoin_timeout_ms: int = 10_000

    @classmethod
    def from_query(cls, query: Mapping[str, str], settings: Settings) -> Self:
        """Read `enable_update`, `enable_audio_alignment` (`true` or `false`) and `lead_ms` from the address."""
        return cls(
            enable_update=query.get("enable_update", "").lower() == "true",
            enable_audio_alignment=query.get("enable_audio_alignment", "").lower() == "true",
            lead_ms=settings.playout_lead_ms,
            asked_lead_ms=_asked_lead_ms(query.get("lead_ms")),
            rejoin_timeout_ms=settings.rejoin_timeout_ms,
        )


def _asked_lead_ms(text: str | None) -> int | None:
    """A number of milliseconds from the address, brought within 0 to MAX_ASKED_LEAD_MS; what is none is not heeded."""
    if text is None:
        return None
    try:
        return min(max(int(text), 0), MAX_ASKED_LEAD_MS)
    except ValueError:
        structlog.stdlib.get_logger().warning("lead_ms_ignored", value=text[:20], wanted="a whole number, 0 to 5000")
        return None


class _Phase(StrEnum):
    WAITING = "waiting"
    CONNECTED = "connected"
    CUT = "cut"
    ENDED = "ended"


class WebSocketTransport:
    """The caller's leg over one audio websocket after another.

    `lead_ms` is what the client asked for; else it follows the client: the settings' lead, or a little more than one
    of the blocks it sends.
    """

    def __init__(self, audio: CallAudio, clock: Clock, options: WebSocketOptions) -> None:
        self.sample_rate = audio.sample_rate
        self.lead_ms = MAX_LEAD_MS if options.asked_lead_ms is None else options.asked_lead_ms
        self.takes_updates = options.enable_update
        self.discarded_frames = 0
        """Frames of agent audio that no peer was there to take, or that a slow one left in a full queue."""
        self._wire = AudioWire(audio)
        self._clock = clock
        self._options = options
        self._phase = _Phase.WAITING
        self._socket: Socket | None = None
        self._outbox: Outbox | None = None
        self._serving: anyio.CancelScope | None = None
        self._cut_at_ms = 0.0
        self._failure: Exception | None = None
        self._take: Callable[[bytes], None] | None = None
        self._divert: Divert | None = None
        # Caller audio that nobody listens to yet. Full: the socket is not read, so that TCP holds the client back.
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._max_unread_bytes = audio.sample_rate * 2 * _MAX_UNREAD_MS // 1000
        self._max_unsent_bytes = audio.sample_rate * 2 * _MAX_UNSENT_MS // 1000
        self._chunk_bytes = 0
        self._room: anyio.Event | None = None
        # asyncio's can be cleared: with anyio's, each frame would pay for one of its own.
        self._news = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether a client is there to hear."""
        return self._socket is not None

    @property
    def accepts_socket(self) -> bool:
        """Whether `serve()` would take a socket: none has come so far, or the last one was cut."""
        return self._phase is _Phase.WAITING or (self._phase is _Phase.CUT and self._rejoin_left_s() > 0)

    async def serve(self, socket: Socket, divert: Divert | None = None) -> None:
        """Carry the call over this accepted socket until it ends; refuse it when another one is carrying the call.

        With `divert` the caller's audio takes the short way, without a queue and a change of tasks per message.
        """
        if not self.accepts_socket:
            with anyio.move_on_after(SEND_TIMEOUT_S), contextlib.suppress(*GONE):
                await socket.send(_goodbye(1008, "the call is connected already, or over"))
            return
        self._phase = _Phase.CONNECTED
        self._socket = socket
        self._divert = divert
        self._divert_audio()
        self._tell()
        try:
            async with anyio.create_task_group() as tasks:
                self._serving = tasks.cancel_scope
                self._outbox = Outbox(
                    socket,
                    tasks,
                    max_audio_bytes=self._max_unsent_bytes,
                    on_drop=self._count_discarded,
                    on_cut=lambda: self._give_up(socket),
                )
                await self._pump(socket)
                tasks.cancel_scope.cancel()
        finally:
            self._serving = None
            self._lose(socket)

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand over caller audio, chunked as the client chunks it. Raises FrontendCorrupted, and what `take` raises."""
        while self._unread:
            take(self._unread.popleft())
        self._unread_bytes = 0
        if self._room is not None:
            self._room.set()
        self._take = take
        self._divert_audio()
        try:
            while True:
                self._news.clear()  # before looking: whatever comes while we look is looked for again
                if self._failure is not None:
                    raise self._failure
                if self._phase is _Phase.ENDED:
                    return
                await self._wait_for_news()
        finally:
            self._take = None
            self._divert_audio()

    async def play(self, frame: AudioFrame, text: str = "") -> None:
        """Send one frame of agent audio; it is dropped, and counted, while no peer is there."""
        outbox = self._outbox
        if outbox is None:
            self.discarded_frames += 1
            return
        message: dict[str, Any] = {"type": "websocket.send"}
        if self._options.enable_audio_alignment:
            message["text"] = self._wire.encode_aligned(frame.pcm, text)
        else:
            message["bytes"] = self._wire.encode(frame.pcm)
        outbox.post(Kind.AUDIO, message, len(frame.pcm))
        if self.lead_ms > MAX_LEAD_MS:
            await anyio.lowlevel.checkpoint()  # seconds of audio are sent in one go; other calls get their turn

    async def clear(self) -> None:
        """Tell the client to drop what it has not played; audio that still waits for a slow one is not sent at all."""
        if self._outbox is not None:
            self._outbox.post(Kind.CLEAR, {"type": "websocket.send", "text": CLEAR})

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Send `metadata` events, and `update` events to clients that asked for them."""
        is_update = event.get("event_type") == "update"
        if self._outbox is None or (is_update and not self.takes_updates):
            return
        kind = Kind.UPDATE if is_update and "turntaking" not in event else Kind.EVENT
        text = orjson.dumps(event).decode()
        self._outbox.post(kind, {"type": "websocket.send", "text": text}, len(text))

    async def close(self, reason: str) -> None:
        """Hang up: close code 1000, for `error_...` reasons 1011, or 1007 when the client sent nonsense."""
        outbox, self._socket, self._outbox = self._outbox, None, None
        self._phase = _Phase.ENDED
        self._tell()
        try:
            if outbox is not None:
                await outbox.finish(_goodbye(self._close_code(reason), reason))
        finally:  # also when whoever closes does not wait as long as we would
            if self._serving is not None:
                self._serving.cancel()

    def _close_code(self, reason: str) -> int:
        if isinstance(self._failure, FrontendCorrupted):
            return 1007
        return 1011 if reason.startswith("error_") else 1000

    async def _pump(self, socket: Socket) -> None:
        while self._failure is None:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                self._take_farewell(message)
                return
            chunk = message.get("bytes")
            if chunk is not None:
                self._take_audio(chunk)
            elif message["text"] == PING:
                self._answer_ping()
            else:
                self._fail(unknown_text(message["text"]))
            while self._unread_bytes > self._max_unread_bytes:
                self._room = anyio.Event()
                await self._room.wait()
                self._room = None
        # listen() tells the engine, whose close() says goodbye on this socket and cancels the wait.
        await anyio.sleep(_GOODBYE_TIMEOUT_S)
        self._phase = _Phase.ENDED

    def _divert_audio(self) -> None:
        if self._divert is not None:
            self._divert(self._take_audio if self._take is not None else None)

    def _take_audio(self, chunk: bytes) -> None:
        """One binary message; whatever goes wrong with it `listen()` raises."""
        if self._failure is not None:
            return
        try:
            pcm = self._wire.decode(chunk)
            if len(pcm) != self._chunk_bytes:
                self._follow_blocks(len(pcm))
            if self._take is not None:
                self._take(pcm)
                return
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits for it
            self._fail(error)
        else:
            self._unread.append(pcm)
            self._unread_bytes += len(pcm)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._tell()

    def _follow_blocks(self, size: int) -> None:
        """Who captures in large blocks plays in large blocks, and would run dry in the middle of one."""
        self._chunk_bytes = size
        if self._options.asked_lead_ms is None:
            chunk_ms = size * 1000 // (2 * self.sample_rate)
            self.lead_ms = min(MAX_LEAD_MS, max(self._options.lead_ms, chunk_ms + BLOCK_MARGIN_MS))

    def _answer_ping(self) -> None:
        if self._outbox is not None:
            self._outbox.post(Kind.PONG, {"type": "websocket.send", "text": PONG})

    def _count_discarded(self) -> None:
        self.discarded_frames += 1

    def _take_farewell(self, message: MutableMapping[str, Any]) -> None:
        code = int(message.get("code") or 1005)
        # Of a connection that broke without a close frame uvicorn says 1005 as well, but gives no reason with it.
        if code in _WENT_AWAY or (code == 1005 and message.get("reason") is None):
            return
        if code in _PROTOCOL_BROKEN:
            self._failure = FrontendCorrupted(f"the audio websocket broke its protocol (close code {code})")
        if self._phase is _Phase.CONNECTED:
            self._phase = _Phase.ENDED
        self._tell()

    def _give_up(self, socket: Socket) -> None:
        """The peer does not take what is sent: as good as cut."""
        if self._lose(socket) and self._serving is not None:
            self._serving.cancel()

    def _lose(self, socket: Socket) -> bool:
        """Let go of a socket that is over; unless its end was a hang-up, the call waits for another."""
        if self._socket is not socket:
            return False
        self._socket = self._outbox = None
        if self._phase is _Phase.CONNECTED:
            self._phase = _Phase.CUT
            self._cut_at_ms = self._clock.monotonic_ms()
        self._tell()
        return True

    def _rejoin_left_s(self) -> float:
        return (self._cut_at_ms + self._options.rejoin_timeout_ms - self._clock.monotonic_ms()) / 1000

    def _tell(self) -> None:
        self._news.set()

    async def _wait_for_news(self) -> None:
        if self._phase is not _Phase.CUT:
            await self._news.wait()
            return
        with anyio.move_on_after(max(self._rejoin_left_s(), 0)) as patience:
            await self._news.wait()
        if patience.cancelled_caught and self._phase is _Phase.CUT:
            self._phase = _Phase.ENDED


def _goodbye(code: int, reason: str) -> MutableMapping[str, Any]:
    """A close frame with as much of the reason as fits."""
    shown = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    return {"type": "websocket.close", "code": code, "reason": shown}
