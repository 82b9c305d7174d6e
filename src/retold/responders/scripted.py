"""A responder that says what it was given: for tests, load tests and benchmarks; no socket.

The n-th `response_required` gets the n-th reply, and the last reply repeats. A newer request cuts off the reply in
progress, as it does on the LLM websocket.
"""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import anyio

from retold.ports import Act, HangUp, ReplyKind, ReplyWanted, Say, ToolInvoked, ToolReturned, TranscriptChanged

_MAX_SEEN: Final = 10_000
_SILENCE: Final = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text that comes `after_ms` milliseconds after what came before."""

    text: str
    after_ms: float = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that takes `takes_ms` milliseconds; with `type` as of a tool that this server runs."""

    tool_call_id: str
    name: str
    arguments: str = "{}"
    content: str = ""
    takes_ms: float = 0
    successful: bool | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """One reply: its parts in order, then the signals of its last message.

    `is_completed` false leaves out the closing `content_complete`; `hangs_up` closes the connection after it instead.
    """

    parts: Sequence[Chunk | ToolCall]
    end_call: bool = False
    no_interruption_allowed: bool | None = None
    is_completed: bool = True
    hangs_up: bool = False


class Scripted:
    """A ports.Responder made of fixed replies; `begin` is the begin message, None waits for the caller."""

    def __init__(
        self,
        replies: Sequence[ScriptedReply],
        *,
        begin: ScriptedReply | None = None,
        reminder: ScriptedReply | None = None,
    ) -> None:
        self._replies = replies
        self._begin = begin or ScriptedReply([])
        self._reminder = reminder or ScriptedReply([])
        self._answered = 0
        self._wanted: ReplyWanted | None = None
        self._is_closed = False
        self._awaiting: anyio.CancelScope | None = None
        self.seen: deque[ReplyWanted | TranscriptChanged] = deque(maxlen=_MAX_SEEN)
        """What was sent here, in order; the oldest are forgotten first."""

    async def acts(self) -> AsyncGenerator[Act]:
        """The begin message, then a reply to each request, until `close()` or a reply that hangs up."""
        reply, response_id = self._begin, 0
        while True:
            async with aclosing(self._perform(reply, response_id)) as acts:
                async for act in acts:
                    yield act
            if reply.hangs_up and self._wanted is None:
                yield HangUp()
                return
            while self._wanted is None and not self._is_closed:
                await self._pause(None)
            if self._is_closed or self._wanted is None:
                return
            reply, response_id = self._answer_to(self._wanted), self._wanted.response_id
            self._wanted = None

    async def work(self) -> None:
        """Nothing runs beside `acts()`."""

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Take note of an event; a request cuts off the reply in progress."""
        self.seen.append(event)
        if isinstance(event, ReplyWanted):
            self._wanted = event
            self._interrupt()

    async def close(self) -> None:
        """End `acts()`."""
        self._is_closed = True
        self._interrupt()

    async def _perform(self, reply: ScriptedReply, response_id: int) -> AsyncGenerator[Act]:
        for part in reply.parts:
            if isinstance(part, ToolCall):
                yield ToolInvoked(part.tool_call_id, part.name, part.arguments, part.type)
                await self._pause(part.takes_ms)
                yield ToolReturned(part.tool_call_id, part.content, part.successful)
            else:
                await self._pause(part.after_ms)
            if self._is_closed or self._wanted is not None:
                return
            if isinstance(part, Chunk):
                yield self._say(reply, response_id, part.text, is_complete=False)
        if reply.is_completed:
            yield self._say(reply, response_id, _SILENCE, is_complete=True)

    def _say(self, reply: ScriptedReply, response_id: int, text: str, *, is_complete: bool) -> Say:
        return Say(
            response_id=response_id,
            text=text,
            is_complete=is_complete,
            no_interruption_allowed=reply.no_interruption_allowed,
            end_call=reply.end_call and is_complete,
        )

    def _answer_to(self, wanted: ReplyWanted) -> ScriptedReply:
        if wanted.kind is ReplyKind.REMINDER or not self._replies:
            return self._reminder
        reply = self._replies[min(self._answered, len(self._replies) - 1)]
        self._answered += 1
        return reply

    async def _pause(self, for_ms: float | None) -> None:
        """Sleep, for ever when None, until the time is over or something else is wanted."""
        if self._wanted is not None or self._is_closed or for_ms == 0:
            return
        with anyio.CancelScope() as scope:
            self._awaiting = scope
            if for_ms is None:
                await anyio.sleep_forever()
            else:
                await anyio.sleep(for_ms / 1000)
        self._awaiting = None

    def _interrupt(self) -> None:
        if self._awaiting is not None:
            self._awaiting.cancel()
