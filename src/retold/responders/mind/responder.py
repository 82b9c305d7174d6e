"""A responder that speaks with a language model: takes turns, gives them up when they are void, and begins by itself.

```
session --ReplyWanted--> [ newest only ] --> a turn of the brain --acts--> [ outbox ] --> session
tools   --result-------> waits for a lull --> a turn of its own (agent interrupt)
```
What decides what is said is a Brain: that of a Retell LLM or that of a conversation flow. A turn is cancelled when a
newer one is wanted, or when the caller has stopped the agent in the middle of it; tools run on (tool_runs.py). Once
an agent with an LLM server of its own has taken over, there are no more turns: what that server does is passed on.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import anyio
from structlog.stdlib import get_logger

from retold.domain.apologies import ENGLISH, Apologies
from retold.domain.dialogue import SystemText
from retold.domain.transcript import TranscriptItem, Utterance
from retold.errors import ModelFailed, ModelLost
from retold.ports import Act, ReplyKind, ReplyWanted, Traffic, TranscriptChanged
from retold.ports import Turn as TurnOf
from retold.responders.mind.brain import Brain
from retold.responders.mind.floor import Floor, heard_words
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.own_server import OwnServer
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.turn import Cause, Turn

MAX_FAILURES: Final = 3
"""Turns in a row without an answer of the model after which the call ends."""
MAX_BRAINS: Final = 4
"""In one turn: agents that only hand the call on to each other say nothing."""
TAKEN_OVER: Final = "You have just taken over this call from another agent. Go on with the conversation."
_KINDS: Final = {Cause.ANSWER: ReplyKind.RESPONSE, Cause.REMINDER: ReplyKind.REMINDER}
"""What was asked for, in the turns that answer a request."""
_SPOKEN_TIMEOUT_S: Final = 15.0
"""Longest wait for the last sentence to be heard."""


class Mind:
    """A ports.Responder around a brain."""

    def __init__(self, brain: Brain, outbox: Outbox, tools: ToolRuns, apologies: Apologies = ENGLISH) -> None:
        self._brain = brain
        self._outbox = outbox
        self._tools = tools
        self._apologies = apologies
        self._floor = Floor()
        self._wanted: ReplyWanted | None = None
        self._server: OwnServer | None = None
        """Who has taken over, if that is an LLM server of an agent's own."""
        self._transcript: Sequence[Utterance] = ()
        self._items: tuple[TranscriptItem, ...] = ()
        self._latest_id = 0
        self._interrupts = 0
        self._failures = 0
        self._turn: Turn | None = None
        self._scope = anyio.CancelScope()
        self._is_closed = False
        self._news = anyio.Event()

    async def acts(self) -> AsyncGenerator[Act]:
        """What the turns and tools bring about, until `close()`. Raises what a turn could not cope with."""
        async with aclosing(self._outbox.acts()) as acts:
            async for act in acts:
                yield act

    async def work(self) -> None:
        """Take the turns; runs until `close()`, or until `acts()` has something to raise."""
        async with anyio.create_task_group() as tasks:
            self._tools.attach(tasks, self._look)
            try:
                if self._wanted is None:
                    await self._perform(self._begin(Cause.OPENING))
                while (turn := await self._next()) is not None:
                    await self._perform(turn)
            except Exception as error:  # noqa: BLE001 - whatever it is ends the call with its own reason, by acts()
                self._outbox.fail(error)
            finally:
                self._tools.detach()
            tasks.cancel_scope.cancel()

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Take note of an event; a request, or the caller stopping the agent, ends the turn in progress."""
        if self._server is not None:
            await self._server.send(event)
            return
        self._floor.take(event, anyio.current_time())
        self._transcript, self._items = event.transcript, tuple(event.with_tool_calls)
        if (turn := self._turn) is not None:
            turn.hear(heard_words(event.transcript, turn.response_id, turn.interrupt_id))
        if isinstance(event, ReplyWanted):
            self._wanted, self._latest_id = event, event.response_id
            self._give_up()
        elif event.turntaking is TurnOf.USER and self._is_being_heard(event):
            self._give_up()
        self._look()

    async def close(self) -> None:
        """End `acts()` and `work()`, and the tools that still run."""
        self._is_closed = True
        self._outbox.close()
        self._scope.cancel()
        self._look()

    def _look(self) -> None:
        self._news.set()

    def _is_being_heard(self, event: TranscriptChanged) -> bool:
        """Whether the caller has heard something of the turn in progress.

        Only then a turn of the caller means that it was cut: a caller who goes on before the agent begins may only
        have coughed. News can be late, and then it is of an older turn.
        """
        turn = self._turn
        return turn is not None and heard_words(event.transcript, turn.response_id, turn.interrupt_id) > 0

    def _give_up(self) -> None:
        if self._turn is not None:
            self._scope.cancel()
            self._turn.void()

    def _begin(self, cause: Cause) -> Turn:
        if cause is Cause.NEWS:
            self._interrupts += 1
        interrupt_id = self._interrupts if cause is Cause.NEWS else None
        return Turn(cause, self._latest_id, interrupt_id, self._items, self._outbox)

    async def _next(self) -> Turn | None:
        """Wait for something to say; None when the call is over."""
        while not self._is_closed:
            wanted, self._wanted = self._wanted, None
            if wanted is not None:
                return self._begin(Cause.ANSWER if wanted.kind is ReplyKind.RESPONSE else Cause.REMINDER)
            wait_s = None
            if self._tools.has_news and self._server is None:
                wait_s = self._floor.free_in_s(anyio.current_time())
                if wait_s <= 0:
                    return self._begin(Cause.NEWS)
            with anyio.move_on_after(wait_s):
                await self._news.wait()
            self._news = anyio.Event()
        return None

    async def _perform(self, turn: Turn) -> None:
        self._turn = turn
        try:
            with anyio.CancelScope() as self._scope:
                await self._take(turn)
            if self._scope.cancel_called:
                return
            self._failures = 0
            if self._server is not None and turn.interrupt_id is None:
                # The rest of the reply is that server's.
                return
        except ModelFailed as failure:
            if self._scope.cancel_called:
                return
            self._failures += 1
            self._report(failure)
            if self._failures >= MAX_FAILURES:
                await self._end(turn, failure)
            turn.say(self._apologies.trouble)
        finally:
            self._turn = None
        turn.finish()
        self._floor.spoke(turn, anyio.current_time())

    async def _take(self, turn: Turn) -> None:
        """Have the brain take the turn; one that hands the call over leaves the rest to the one that takes over."""
        await self._hand_over(turn)  # as a tool of a turn that is void may have said
        for _ in range(MAX_BRAINS):
            if self._server is not None:
                return
            await self._brain.take(turn)
            if not await self._hand_over(turn):
                return

    async def _hand_over(self, turn: Turn) -> bool:
        successor = self._tools.take_successor()
        if successor is None:
            return False
        self._outbox.put(successor.change)
        if isinstance(successor, OwnServer):
            self._server = successor
            await successor.take_over(self._owed(turn))
            return True
        self._brain = successor.begin()
        self._apologies = successor.apologies or self._apologies
        turn.added.append(SystemText(TAKEN_OVER))
        if turn.cause is Cause.OPENING:
            # The call has been opened; who takes over neither begins it again nor waits for the caller.
            turn.cause = Cause.ANSWER
        return True

    def _owed(self, turn: Turn) -> ReplyWanted | TranscriptChanged:
        """What a server that takes over in this turn has to answer; without a request it only learns what was said."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            return wanted
        items = self._tools.complete(self._items)
        if turn.cause in _KINDS:
            return ReplyWanted(turn.response_id, _KINDS[turn.cause], self._transcript, items)
        return TranscriptChanged(self._transcript, items)

    def _report(self, failure: ModelFailed) -> None:
        get_logger().warning("model_failed", error=str(failure), in_a_row=self._failures)
        self._outbox.put(Traffic("note", f"the model failed, {self._failures} in a row: {failure}"))

    async def _end(self, turn: Turn, failure: ModelFailed) -> None:
        """Say goodbye, and once it is heard or the caller says something, end the call."""
        turn.say(self._apologies.goodbye)
        turn.finish()
        self._floor.spoke(turn, anyio.current_time())
        with anyio.move_on_after(_SPOKEN_TIMEOUT_S):
            while not (self._is_closed or self._wanted or self._floor.is_heard()):
                await self._news.wait()
                self._news = anyio.Event()
        raise ModelLost(f"the language model failed {self._failures} times in a row: {failure}") from failure
