"""What is on its way to one websocket: sent at once while the peer keeps up, queued while it does not.

Nobody who posts ever waits for the network. As long as the socket takes what it is given, a message costs no task,
no timer and no queue; only when it makes us wait does a task finish that message and then empty the queue:

    post() --the socket takes it--> sent
       '-----it is busy--> queue --writer task--> sent
                                      '--no progress for SEND_TIMEOUT_S, or too many events wait--> cut

What a full queue means for each kind of message is written at `post()`.
"""

import contextlib
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import anyio
import anyio.abc
from starlette.websockets import WebSocketDisconnect

SEND_TIMEOUT_S = 5.0
"""A peer that takes nothing for this long counts as cut."""
MAX_WAITING_EVENT_BYTES = 8_000_000
"""A peer that lets more than this in events wait counts as cut; a transcript of an hour, word by word, has 500 kB."""
GONE = (OSError, RuntimeError, WebSocketDisconnect)
"""What sending on a socket raises when its peer is no longer there."""


class Socket(Protocol):
    """What is needed of an accepted `starlette.websockets.WebSocket`."""

    async def receive(self) -> MutableMapping[str, Any]:
        """The next ASGI message."""
        ...

    def send(self, message: MutableMapping[str, Any]) -> Coroutine[Any, Any, None]:
        """Send an ASGI message; waits while the peer is slow."""
        ...


class Kind(Enum):
    """How a message behaves in a queue."""

    AUDIO = auto()
    CLEAR = auto()
    PONG = auto()
    UPDATE = auto()
    EVENT = auto()


@dataclass(frozen=True, slots=True)
class _Letter:
    kind: Kind
    message: MutableMapping[str, Any]
    size: int


class Outbox:
    """The way out to one socket.

    `on_drop` is called for each frame of audio that never reaches the peer and was not taken back by a clear,
    `on_cut` when the peer has stopped taking messages.
    """

    def __init__(
        self,
        socket: Socket,
        tasks: anyio.abc.TaskGroup,
        *,
        max_audio_bytes: int,
        on_drop: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._tasks = tasks
        self._max_audio_bytes = max_audio_bytes
        self._on_drop = on_drop
        self._on_cut = on_cut
        self._waiting: deque[_Letter] = deque()
        self._audio_bytes = 0
        self._event_bytes = 0
        self._idle: anyio.Event | None = None  # there is a writer task until it is set

    def post(self, kind: Kind, message: MutableMapping[str, Any], size: int = 0) -> None:
        """Send a message, or queue it behind those the peer has yet to take; `size` is what it adds to its bound.

        While others wait: audio beyond `max_audio_bytes` is dropped and counted. A clear empties the queue of audio.
        An update takes the place of the one before, whose transcript it holds. One pong answers all pings.
        """
        if self._idle is not None:
            self._enqueue(_Letter(kind, message, size))
        elif waiting := self._push(kind, message):
            self._idle = anyio.Event()
            self._tasks.start_soon(self._write, _Letter(kind, message, size), waiting)

    async def finish(self, farewell: MutableMapping[str, Any]) -> None:
        """Send what waits, except audio, and then the last message; at most SEND_TIMEOUT_S."""
        self._drop(Kind.AUDIO)
        with anyio.move_on_after(SEND_TIMEOUT_S):
            if self._idle is not None:
                await self._idle.wait()
            with contextlib.suppress(*GONE):
                await self._socket.send(farewell)

    def _push(self, kind: Kind, message: MutableMapping[str, Any]) -> Awaitable[None] | None:
        """Run the sending up to where it would wait, which is mostly its end; gives what is left of it.

        A deadline and a hand-over between tasks cost more than the sending of a frame itself.
        """
        sending = self._socket.send(message)
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return None
        except GONE:
            if kind is Kind.AUDIO:
                self._on_drop()
            return None
        return _finish(sending, waits_for)

    async def _write(self, letter: _Letter, sending: Awaitable[None]) -> None:
        """Finish a sending that has to wait, then send what has been queued meanwhile."""
        current: _Letter | None = letter
        try:
            while current is not None:
                with anyio.fail_after(SEND_TIMEOUT_S):
                    await sending
                current = self._next()
                if current is not None:
                    sending = self._socket.send(current.message)
        except TimeoutError:
            self._on_cut()
        except GONE:
            pass  # what became of the socket its close code tells whoever receives from it
        finally:
            for unsent in (current, *self._waiting):
                self._count(unsent)
            self._waiting.clear()
            self._audio_bytes = self._event_bytes = 0
            if self._idle is not None:
                self._idle.set()
            self._idle = None

    def _enqueue(self, letter: _Letter) -> None:
        match letter.kind:
            case Kind.AUDIO if self._audio_bytes + letter.size > self._max_audio_bytes:
                self._count(letter)
                return
            case Kind.CLEAR:
                self._drop(Kind.AUDIO, Kind.CLEAR)
            case Kind.UPDATE | Kind.PONG:
                self._drop(letter.kind)
            case _:
                pass
        self._waiting.append(letter)
        self._weigh(letter, 1)
        if self._event_bytes > MAX_WAITING_EVENT_BYTES:
            self._on_cut()

    def _next(self) -> _Letter | None:
        if not self._waiting:
            return None
        letter = self._waiting.popleft()
        self._weigh(letter, -1)
        return letter

    def _drop(self, *kinds: Kind) -> None:
        kept: deque[_Letter] = deque()
        for letter in self._waiting:
            if letter.kind in kinds:
                self._weigh(letter, -1)
            else:
                kept.append(letter)
        self._waiting = kept

    def _weigh(self, letter: _Letter, sign: int) -> None:
        if letter.kind is Kind.AUDIO:
            self._audio_bytes += sign * letter.size
        else:
            self._event_bytes += sign * letter.size

    def _count(self, letter: _Letter | None) -> None:
        if letter is not None and letter.kind is Kind.AUDIO:
            self._on_drop()


@types.coroutine
def _finish(sending: Coroutine[Any, Any, None], waits_for: object) -> Generator[object, Any, None]:
    """What is left of a coroutine that was run up to its first wait: that wait, in the task of whoever awaits this."""
    try:
        yield waits_for
    except BaseException:
        sending.close()
        raise
    yield from sending
