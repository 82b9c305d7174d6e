"""An LLM server inside the test: hands out sockets by script and records what it is sent; works on virtual time."""

import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from retold.errors import CallFailed, ConnectFailed
from retold.outbound import SocketClosed
from retold.ports import Act, Responder, Traffic
from support.patience import PATIENCE_S


class FakeSocket:
    """One open connection; the test speaks as the server by `says` and `closes`."""

    def __init__(self) -> None:
        self._frames: deque[str | bytes | SocketClosed] = deque()
        self._has_frames = anyio.Event()
        self.sent: list[dict[str, Any]] = []
        """What the server received, parsed."""
        self.closed_with: int | None = None
        self.answers_pings = True
        self.reacts: Callable[[FakeSocket, dict[str, Any]], None] = lambda _socket, _message: None
        """What the server does about each message."""
        self.is_stuck = False
        """The server does not read: sending never returns."""

    def says(self, response_type: str, **fields: Any) -> None:
        """A message of the server."""
        self.says_raw(json.dumps({"response_type": response_type, **fields}))

    def says_raw(self, frame: str | bytes) -> None:
        """Any frame of the server."""
        self._arrives(frame)

    def closes(self, code: int, *, is_our_refusal: bool = False) -> None:
        """The connection ends with a close code."""
        self._arrives(SocketClosed(code, is_our_refusal=is_our_refusal))

    def of_type(self, interaction_type: str) -> list[dict[str, Any]]:
        """What the server received of one type."""
        return [message for message in self.sent if message["interaction_type"] == interaction_type]

    async def send(self, text: bytes) -> None:
        """The client's side: send."""
        if self.is_stuck:
            await anyio.sleep_forever()
        message = json.loads(text)
        self.sent.append(message)
        self.reacts(self, message)
        if message["interaction_type"] == "ping_pong" and self.answers_pings:
            self.says("ping_pong", timestamp=message["timestamp"])

    async def receive(self) -> str | bytes:
        """The client's side: receive."""
        await self._has_frames.wait()
        frame = self._frames.popleft()
        if not self._frames:
            self._has_frames = anyio.Event()
        if isinstance(frame, SocketClosed):
            raise frame
        return frame

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """The client's side: close."""
        del reason
        self.closed_with = self.closed_with or code

    def _arrives(self, frame: str | bytes | SocketClosed) -> None:
        self._frames.append(frame)
        self._has_frames.set()


@dataclass
class FakeLlm:
    """Opens FakeSockets. `opens` scripts the attempts in order: an error, or seconds to take; then all open at once."""

    opens: Sequence[Exception | float] = ()
    reacts: Callable[[FakeSocket, dict[str, Any]], None] | None = None
    """What its sockets do about each message."""
    greeting: Sequence[Mapping[str, Any]] = ()
    """What it says to whoever connects."""
    sockets: list[FakeSocket] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    tried_at_s: list[float] = field(default_factory=list)

    async def connect_websocket(self, url: str, *, timeout_s: float) -> FakeSocket:
        """The client's side: open."""
        self.tried_at_s.append(round(anyio.current_time(), 3))
        number = len(self.urls)
        self.urls.append(url)
        behaviour = self.opens[number] if number < len(self.opens) else 0.0
        if isinstance(behaviour, Exception):
            raise behaviour
        try:
            with anyio.fail_after(timeout_s):
                await anyio.sleep(behaviour)
        except TimeoutError as error:
            raise ConnectFailed("too slow") from error
        socket = FakeSocket()
        socket.reacts = self.reacts or socket.reacts
        self.sockets.append(socket)
        for message in self.greeting:
            socket.says_raw(json.dumps(message))
        return socket


@dataclass
class Heard:
    """What a responder did, and how it ended."""

    acts: list[Act] = field(default_factory=list)
    failure: CallFailed | None = None
    is_over: bool = False
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, is_reached: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something holds; looks after each act and at the end."""
        with anyio.fail_after(timeout_s):
            while not is_reached():
                await self._changed.wait()

    def tell(self) -> None:
        """Wake whoever waits in `until`."""
        self._changed.set()
        self._changed = anyio.Event()

    def of(self, *kinds: type) -> list[Any]:
        """The acts of these types."""
        return [act for act in self.acts if isinstance(act, kinds)]

    def notes(self) -> list[str]:
        """The notes for the public log."""
        return [act.text for act in self.acts if isinstance(act, Traffic) and act.direction == "note"]


@asynccontextmanager
async def heard_from(responder: Responder) -> AsyncGenerator[Heard]:
    """Run a responder in the background while the test plays its server; closed at the end."""
    heard = Heard()

    async def collect() -> None:
        try:
            async with aclosing(responder.acts()) as acts:  # pyright: ignore[reportArgumentType] - all have aclose
                async for act in acts:
                    heard.acts.append(act)
                    heard.tell()
        except CallFailed as error:
            heard.failure = error
        heard.is_over = True
        heard.tell()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collect)
        await anyio.sleep(0.001)
        yield heard
        await responder.close()
