"""A receiver of webhooks that behaves as the path of its address says: well, badly, or differently each time.

`/ok`, `/status/500`, `/hang`, `/trickle` (one byte a second), `/reset`, `/redirect`, `/gone`, `/busy/2` (429 with
`Retry-After: 2`), `/huge`, `/short` (less body than announced), `/long` (more than announced) and `/flap` (all of these
by turns, every second delivery is taken). A number before it says for how many deliveries of each event it is so, and
all further ones are taken: `/3/hang`. What follows is only a name: `/ok/customer-7`. An https address of its port fails
in the handshake.
"""

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from retold.clock import Clock, SystemClock
from support.patience import PATIENCE_S

_TLS_HANDSHAKE = 0x16
_HUGE_BYTES = 1 << 30
_PIECE = bytes(65_536)
_REDIRECT = ["Location: /ok"]
FLAPS = ("status/500", "hang", "trickle", "reset", "redirect", "busy/1", "huge", "short", "long", "status/503")
"""What `/flap` does by turns."""


@dataclass(slots=True)
class Received:
    """One delivery as it came; times are those of the clock that never goes back. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_ms: float
    wall_ms: int
    until_ms: float | None = None
    """When this end was done with it, or saw the other end leave."""
    behaviour: str = ""
    """What was done to it."""

    @property
    def event_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def event(self) -> str:
        return str(self.content["event"])

    @property
    def call_id(self) -> str:
        return str(self.content["call"]["call_id"])


@dataclass
class WebhookReceiver:
    """The running receiver."""

    port: int
    clock: Clock
    flaps: tuple[str, ...] = FLAPS
    is_kept: bool = True
    """Whether deliveries are kept whole; the counts always are."""
    watch: Callable[[Received], None] | None = None
    """Told each delivery as it begins."""
    deliveries: list[Received] = field(default_factory=list[Received])
    counts: Counter[str] = field(default_factory=Counter[str])
    """Deliveries of each event id."""
    taken: set[str] = field(default_factory=set[str])
    """Events that were answered 2xx."""
    lasted_ms: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """For each behaviour, from when a delivery was read until its end."""
    most_at_once: Counter[str] = field(default_factory=Counter[str])
    """For each event id, and for each path, how many were being delivered at the same time."""
    _at_once: Counter[str] = field(default_factory=Counter[str])
    _flapped: int = 0
    _heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, path: str = "/ok") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def secure_url(self, path: str = "/ok") -> str:
        """An address whose handshake fails."""
        return f"https://127.0.0.1:{self.port}{path}"

    def of_path(self, path: str) -> list[Received]:
        return [one for one in self.deliveries if one.path == path]

    def of_call(self, call_id: str) -> list[Received]:
        return [one for one in self.deliveries if one.call_id == call_id]

    async def until(self, is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait until what came makes it so."""
        with anyio.fail_after(patience_s):
            async with self._heard:
                await self._heard.wait_for(is_so)

    async def note(self, received: Received) -> None:
        """Another delivery has begun."""
        async with self._heard:
            if self.is_kept:
                self.deliveries.append(received)
            if self.watch is not None:
                self.watch(received)
            self.counts[received.event_id] += 1
            for name in (received.event_id, received.path):
                self._at_once[name] += 1
                self.most_at_once[name] = max(self.most_at_once[name], self._at_once[name])
            self._heard.notify_all()

    async def note_end(self, received: Received, *, is_taken: bool) -> None:
        """It is over."""
        async with self._heard:
            received.until_ms = self.clock.monotonic_ms()
            self.lasted_ms.setdefault(received.behaviour, []).append(received.until_ms - received.at_ms)
            for name in (received.event_id, received.path):
                self._at_once[name] -= 1
            if is_taken:
                self.taken.add(received.event_id)
            self._heard.notify_all()

    def behaviour(self, received: Received) -> str:
        """What is done to this delivery: a path without the name that may follow."""
        times, _, rest = received.path.strip("/").partition("/")
        if not times.isdigit():
            times, rest = "", received.path.strip("/")
        if times and self.counts[received.event_id] > int(times):
            return "ok"
        if rest.partition("/")[0] != "flap":
            return rest
        self._flapped += 1
        return self.flaps[self._flapped // 2 % len(self.flaps)] if self._flapped % 2 else "ok"


@asynccontextmanager
async def webhook_receiver(
    *, flaps: Iterable[str] = FLAPS, is_kept: bool = True, clock: Clock | None = None
) -> AsyncGenerator[WebhookReceiver]:
    """Receive while the block runs."""
    receiver = WebhookReceiver(0, clock or SystemClock(), tuple(flaps), is_kept)
    streams: set[asyncio.StreamWriter] = set()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams.add(writer)
        try:
            await _attend(receiver, reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            return
        finally:
            writer.transport.abort()
            streams.discard(writer)

    server = await asyncio.start_server(attend, "127.0.0.1", 0, family=socket.AF_INET, backlog=1024)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for stream in list(streams):
            stream.transport.abort()
        with anyio.move_on_after(PATIENCE_S, shield=True):
            while streams:  # noqa: ASYNC110 - what asyncio's server has started, nobody can wait for
                await anyio.sleep(0.001)


async def _attend(receiver: WebhookReceiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first = await reader.readexactly(1)
    if first[0] == _TLS_HANDSHAKE:
        writer.write(b"this is no TLS\r\n")
        await writer.drain()
        return
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    received = Received(head[0].split(" ")[1], headers, body, receiver.clock.monotonic_ms(), receiver.clock.wall_ms())
    await receiver.note(received)
    received.behaviour = receiver.behaviour(received)
    is_taken = False
    try:
        is_taken = await _behave(received.behaviour, reader, writer)
    finally:
        await receiver.note_end(received, is_taken=is_taken)


async def _behave(behaviour: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer as the behaviour says; gives whether the event was taken."""
    name, argument, *_ = [*behaviour.split("/"), ""]
    behave: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
        "hang": _hang,
        "trickle": _trickle,
        "reset": _reset,
        "huge": _huge,
        "short": _short,
        "long": _long,
    }
    if name in behave:
        with suppress(OSError):
            await behave[name](reader, writer)
        return name in {"huge", "long"}
    match name:
        case "status":
            await _answer(writer, int(argument))
        case "busy":
            await _answer(writer, 429, [f"Retry-After: {argument}"])
        case "redirect":
            await _answer(writer, 301, _REDIRECT)
        case "gone":
            await _answer(writer, 410)
        case _:
            await _answer(writer, 204)
            return True
    return False


async def _answer(writer: asyncio.StreamWriter, status: int, headers: Iterable[str] = ()) -> None:
    lines = [f"HTTP/1.1 {status} Whatever", *([] if status == 204 else ["Content-Length: 5"]), *headers]
    writer.write("\r\n".join([*lines, "", "" if status == 204 else "sorry"]).encode())
    await writer.drain()
    writer.write_eof()


async def _hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    # Until the other end leaves.
    await reader.read()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for char in b"HTTP/1.1 200 Slowly but surely\r\nX-Padding: " + b"x" * 600:
        writer.write(bytes([char]))
        await writer.drain()
        with anyio.move_on_after(1):
            await reader.read()
            return


async def _reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    line: socket.socket = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _huge(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 200 Whatever\r\nContent-Length: {_HUGE_BYTES}\r\n\r\n".encode())
    for _ in range(_HUGE_BYTES // len(_PIECE)):
        writer.write(_PIECE)
        await writer.drain()


async def _short(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 Whatever\r\nContent-Length: 100\r\n\r\nonly this")
    await writer.drain()
    writer.write_eof()


async def _long(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 Whatever\r\nContent-Length: 2\r\n\r\nOK, and much more than that")
    await writer.drain()
    writer.write_eof()
