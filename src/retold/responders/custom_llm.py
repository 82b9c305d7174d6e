"""The responder that asks a customer's LLM websocket (Retell's "Custom LLM", pages of 2026).

    ATTEMPT --opened--> TALK --cut or silent, tries left--> ATTEMPT
     |   ^               |
     |   | gap over      +--closed with 1000, or close()--> OVER
     v   |
     PAUSE               any step may fail: acts() then raises

There are no tasks and no task group: a task group that spans a `yield` of an async generator would cancel the
consumer's code instead of its own. Everything happens in the task that pulls `acts()`, one step at a time; `send()`
and `close()`, called from other tasks, leave a note and end the wait of the step in progress by its cancel scope.
Reading a websocket may be cancelled without losing a message. Each step queues its acts, and only the outermost loop
yields, so no scope is ever open across a `yield`. Consume it under `contextlib.aclosing`.
"""

from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Final, Protocol, assert_never
from urllib.parse import quote

import anyio

from retold.clock import Clock
from retold.domain.call import Call
from retold.domain.reasons import CallStatus
from retold.domain.variables import substitute
from retold.errors import (
    AddressRefused,
    CallFailed,
    ConnectFailed,
    LlmConnectionLost,
    LlmCorruptPayload,
    LlmOpenFailed,
    LlmRuntimeFailed,
)
from retold.outbound import SocketClosed
from retold.ports import Act, HangUp, ReplyWanted, RoundTrip, Say, Traffic, TranscriptChanged
from retold.responders import llm_protocol
from retold.responders.exchange import Exchange
from retold.responders.keepalive import Keepalive
from retold.settings import Settings

OPEN_ATTEMPTS: Final = 3
RECONNECTS: Final = 2
_GOODBYE_TIMEOUT_S: Final = 2.0
_CONFIG_WAIT_S: Final = 0.5
"""A server that wants the call's details says so when it is connected; they are to come before the first request."""
_NORMAL: Final = 1000
_NO_CODE: Final = 1005
_CUT: Final = 1006
_BAD_PAYLOAD: Final = 1007


class LlmSocket(Protocol):
    """An open text websocket: retold.outbound.ClientSocket, or a test's."""

    async def send(self, text: bytes) -> None:
        """Send one text message, given as UTF-8. Raises SocketClosed."""
        ...

    async def receive(self) -> str | bytes:
        """Wait for one message; safe to cancel. Raises SocketClosed."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in bounded time."""
        ...


class Opener(Protocol):
    """Opens websockets: retold.outbound.Outbound, or a test's."""

    async def connect_websocket(self, url: str, *, timeout_s: float) -> LlmSocket:
        """Connect within the deadline. Raises AddressRefused or ConnectFailed."""
        ...


class _Phase(Enum):
    ATTEMPT = auto()
    PAUSE = auto()
    TALK = auto()
    OVER = auto()


class CustomLlm:
    """A ports.Responder over one LLM websocket at a time; `url` is the agent's address, variables and all."""

    def __init__(self, url: str, call: Call, outbound: Opener, settings: Settings, clock: Clock) -> None:
        self._url = address_for(url, call)
        self._call = call
        self._outbound = outbound
        self._settings = settings
        self._clock = clock
        self._phase = _Phase.ATTEMPT
        self._socket: LlmSocket | None = None
        self._exchange = Exchange()
        self._writer = llm_protocol.Writer()
        self._keepalive = Keepalive(
            interval_s=settings.llm_ping_interval_ms / 1000, timeout_s=settings.llm_keepalive_timeout_ms / 1000
        )
        self._due: deque[Act] = deque()
        self._failure: CallFailed | None = None
        self._attempt = 0
        self._tries_left = OPEN_ATTEMPTS
        self._has_been_open = False
        self._failure_when_exhausted: type[CallFailed] = LlmOpenFailed
        self._owes_call_details = False
        self._is_closing = False
        self._wait: anyio.CancelScope | None = None
        self._wait_ends_with_send = False

    async def acts(self) -> AsyncGenerator[Act]:
        """What the LLM server does, and the traffic with it, until the call ends, `close()` or a failure.

        Raises LlmOpenFailed, LlmConnectionLost, LlmRuntimeFailed or LlmCorruptPayload.
        """
        if self._phase is _Phase.ATTEMPT:
            self._note(f"LLM Ws init attempt {self._attempt}")
        else:
            # What came since `open()` has not been read.
            self._keepalive.reopened(anyio.current_time())
        try:
            while True:
                while self._due:
                    yield self._due.popleft()
                if self._failure is not None:
                    raise self._failure
                if self._is_closing or self._phase is _Phase.OVER:
                    return
                await self._step()
        finally:
            await self.hang_up()

    async def open(self) -> None:
        """Open the websocket before `acts()` goes on with it, by the same attempts, and hear what the server asks for.

        Whoever does that has to hang up. Raises what `acts()` does, and LlmOpenFailed for a server that leaves at once.
        """
        self._note(f"LLM Ws init attempt {self._attempt}")
        while self._phase in {_Phase.ATTEMPT, _Phase.PAUSE} and self._failure is None:
            await self._step()
        if self._socket is not None:
            await self._hear_first(self._socket)
        if self._phase is _Phase.OVER:
            self._failure = LlmOpenFailed("the LLM server closed the websocket at once")
        if self._failure is not None:
            await self.hang_up()
            raise self._failure

    async def _hear_first(self, socket: LlmSocket) -> None:
        try:
            with anyio.move_on_after(_CONFIG_WAIT_S):
                await self._received(socket, await socket.receive())
        except SocketClosed as closed:
            self._closed(closed)

    async def hang_up(self) -> None:
        """Close the websocket with code 1000, in bounded time, if it is open."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with anyio.move_on_after(_GOODBYE_TIMEOUT_S, shield=True):
                await socket.close(_NORMAL, "call ended")

    async def work(self) -> None:
        """Nothing runs beside `acts()`."""

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Hand over an event; never waits. Policy when full: see Exchange."""
        self._exchange.put(event)
        if self._wait is not None and self._wait_ends_with_send:
            self._wait.cancel()

    async def close(self) -> None:
        """Make `acts()` say goodbye with code 1000 and end; never waits itself."""
        self._is_closing = True
        if self._wait is not None:
            self._wait.cancel()

    async def _step(self) -> None:
        match self._phase:
            case _Phase.ATTEMPT:
                await self._open()
            case _Phase.PAUSE:
                with self._waiting():
                    await anyio.sleep(self._settings.llm_retry_gap_ms / 1000)
                self._begin_attempt(self._attempt + 1)
            case _Phase.TALK:
                await self._talk()
            case _Phase.OVER:
                pass
            case _:
                assert_never(self._phase)

    async def _open(self) -> None:
        self._tries_left -= 1
        try:
            with self._waiting():
                self._socket = await self._outbound.connect_websocket(
                    self._url, timeout_s=self._settings.llm_open_timeout_ms / 1000
                )
        except AddressRefused as error:
            self._note(f"LLM ws address refused: {error}")
            self._failure = LlmOpenFailed(f"the LLM websocket's address is refused: {error}")
        except ConnectFailed as error:
            self._open_failed(error)
        if self._socket is None:
            return
        self._note("LLM ws open")
        self._phase = _Phase.TALK
        if self._has_been_open:
            self._owes_call_details = False
            self._exchange.reconnected()
            self._keepalive.reopened(anyio.current_time())
        else:
            self._has_been_open = True
            self._tries_left = RECONNECTS

    def _open_failed(self, error: ConnectFailed) -> None:
        if isinstance(error.__cause__, TimeoutError):
            self._note(f"LLM Ws init timeout on attempt {self._attempt}")
        else:
            self._note(f"LLM Ws init failed on attempt {self._attempt}: {error}")
        if self._tries_left > 0:
            self._phase = _Phase.PAUSE
        else:
            self._give_up(f"the LLM websocket cannot be opened: {error}")

    def _begin_attempt(self, number: int) -> None:
        self._phase = _Phase.ATTEMPT
        self._attempt = number
        self._note(f"LLM Ws init attempt {number}")

    def _give_up(self, message: str) -> None:
        self._note("Ws max retry attempt reached")
        self._failure = self._failure_when_exhausted(message)

    async def _talk(self) -> None:
        assert self._socket is not None  # noqa: S101 - TALK is entered with a socket only
        socket = self._socket
        message: str | bytes | None = None
        try:
            if self._has_to_write():
                with anyio.fail_after(self._settings.llm_keepalive_timeout_ms / 1000):
                    await self._write_due(socket)
            # What was written is told before the wait for an answer, so that its time in the log is the true one.
            if not self._exchange.has_waiting and not self._due:
                with self._waiting(until_s=self._keepalive.deadline_s(), ends_with_send=True):
                    message = await socket.receive()
        except SocketClosed as closed:
            self._closed(closed)
        except TimeoutError:
            await self._lost(socket, "the LLM server does not read what it is sent")
        else:
            await self._received(socket, message)

    async def _received(self, socket: LlmSocket, message: str | bytes | None) -> None:
        if isinstance(message, str):
            self._hear(message)
        elif message is not None:
            await socket.close(_BAD_PAYLOAD, "only text frames are allowed")
            self._note(f"binary frame from the LLM server, closed with {_BAD_PAYLOAD}")
            self._failure = LlmCorruptPayload("the LLM server sent a binary frame; only text frames are allowed")
        elif self._keepalive.is_lost(anyio.current_time()):
            await self._lost(socket, "no ping_pong from the LLM server in time")

    def _has_to_write(self) -> bool:
        is_ping_due = self._keepalive.is_ping_due(anyio.current_time())
        return self._exchange.has_waiting or self._owes_call_details or is_ping_due

    async def _write_due(self, socket: LlmSocket) -> None:
        if self._owes_call_details:
            self._owes_call_details = False
            call = self._call.model_copy(update={"call_status": CallStatus.REGISTERED, "start_timestamp": None}).wire()
            await self._write(socket, llm_protocol.call_details(call), llm_protocol.logged_call_details(call))
        if self._keepalive.is_ping_due(anyio.current_time()):
            timestamp_ms = self._clock.wall_ms()
            text = llm_protocol.ping_pong(timestamp_ms)
            self._keepalive.sent(timestamp_ms, anyio.current_time(), self._clock.monotonic_ms())
            await self._write(socket, text, text.decode())
        with_tool_calls = self._exchange.config.transcript_with_tool_calls
        for event in self._exchange.take():
            text = self._writer.write(event, with_tool_calls=with_tool_calls)
            await self._write(socket, text, llm_protocol.logged(event))

    async def _write(self, socket: LlmSocket, text: bytes, log_text: str) -> None:
        self._due.append(Traffic("sent", log_text))
        await socket.send(text)

    def _hear(self, text: str) -> None:
        self._due.append(Traffic("received", llm_protocol.logged_text(text)))
        match llm_protocol.parse(text):
            case llm_protocol.Unreadable(problem=problem):
                self._note(f"Error in parsing LLM websocket message: {problem}")
            case llm_protocol.Config() as config:
                self._configure(config)
            case llm_protocol.PingPong(timestamp=timestamp_ms):
                rtt_ms = self._keepalive.heard(timestamp_ms, anyio.current_time(), self._clock.monotonic_ms())
                if rtt_ms is not None:
                    self._due.append(RoundTrip(rtt_ms))
            case Say() as say:
                self._hear_say(say)
            case act:
                self._due.append(act)

    def _hear_say(self, say: Say) -> None:
        admitted = self._exchange.admit(say)
        if admitted is not None:
            self._due.append(admitted)
        elif say.interrupt_id is None:
            self._note(f"dropped: response {say.response_id} is complete or no longer wanted")
        else:
            self._note(f"dropped: agent interrupt {say.interrupt_id} is complete")

    def _configure(self, config: llm_protocol.Config) -> None:
        self._exchange.config = config
        self._owes_call_details = config.call_details
        if config.auto_reconnect:
            self._keepalive.start(anyio.current_time())
        else:
            self._keepalive.stop()

    def _closed(self, closed: SocketClosed) -> None:
        self._socket = None
        self._note(f"LLM ws closed: {closed.code}")
        if closed.is_our_refusal:
            self._failure = LlmCorruptPayload(
                f"the LLM server sent what the protocol or the limit of 1 MiB forbids (closed with {closed.code})"
            )
        elif closed.code == _NORMAL:
            self._due.append(HangUp())
            self._phase = _Phase.OVER
        elif closed.code == _NO_CODE:
            self._failure = LlmOpenFailed("the LLM server closed the websocket without a close code")
        elif closed.code == _CUT:
            self._reconnect(LlmRuntimeFailed, "Got 1006 and reconnecting")
        else:
            self._failure = LlmRuntimeFailed(f"the LLM server closed the websocket with code {closed.code}")

    async def _lost(self, socket: LlmSocket, why: str) -> None:
        self._socket = None
        await socket.close(_NORMAL, "connection lost")
        self._reconnect(LlmConnectionLost, f"{why}, reconnecting")

    def _reconnect(self, failure: type[CallFailed], note: str) -> None:
        self._failure_when_exhausted = failure
        if self._tries_left > 0:
            self._note(note)
            self._begin_attempt(0)
        else:
            self._give_up("the LLM websocket was lost again and all reconnects are used up")

    @contextmanager
    def _waiting(self, *, until_s: float = float("inf"), ends_with_send: bool = False) -> Generator[None]:
        """A wait that `close()` ends, and `send()` too if asked; ending it is no error."""
        with anyio.CancelScope(deadline=until_s) as scope:
            self._wait, self._wait_ends_with_send = scope, ends_with_send
            if self._is_closing:
                scope.cancel()
            try:
                yield
            finally:
                self._wait = None

    def _note(self, text: str) -> None:
        self._due.append(Traffic("note", text))


def address_for(url: str, call: Call) -> str:
    """The agent's address with the call's variables filled in and the call id as the last part of its path.

    Values are percent-encoded (except `/` and `:`), so that they stay inside the part of the address they stand in.
    """
    filled = substitute(url, call.retell_llm_dynamic_variables or {}, quoted=lambda value: quote(value, safe="/:"))
    base, question_mark, query = filled.partition("#")[0].partition("?")
    return f"{base.rstrip('/')}/{call.call_id}{question_mark}{query}"
