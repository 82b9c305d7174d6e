"""An agent with an LLM server of its own that is to go on with a call: its websocket is open before it takes over.

```
the tool finds it open --> [ waits ] --take_over()--> its acts go where the mind's go, until the call ends
                               '--let_go()--> hung up
```
The task of the tool that found it runs all of this, so that the websocket never outlives its call.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import anyio

from retold.ports import Act, ChangeAgent, ReplyWanted, Responder, TranscriptChanged
from retold.responders.mind.outbox import Outbox


class OpenServer(Responder, Protocol):
    """A ports.Responder whose connection is open already."""

    def acts(self) -> AsyncGenerator[Act]:
        """See ports.Responder; goes on with that connection."""
        ...

    async def hang_up(self) -> None:
        """Close the connection, in bounded time; nothing happens when it is closed."""
        ...


class OwnServer:
    """The server of one agent; `change` is what the conversation is to be told when it takes over."""

    def __init__(self, change: ChangeAgent, responder: OpenServer) -> None:
        self.change = change
        self._responder = responder
        self._is_wanted = False
        self._is_settled = anyio.Event()

    async def take_over(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Answer from here on, this request first."""
        self._is_wanted = True
        await self._responder.send(event)
        self._is_settled.set()

    def let_go(self) -> None:
        """Hang up: another agent goes on with the call."""
        self._is_settled.set()

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Hand over an event; never waits."""
        await self._responder.send(event)

    async def run(self, outbox: Outbox) -> None:
        """Do what the server does once it has taken over; what it fails with is raised by the outbox."""
        try:
            await self._is_settled.wait()
            if self._is_wanted:
                await self._serve(outbox)
        except Exception as error:  # noqa: BLE001 - whatever it is ends the call with its own reason, by acts()
            outbox.fail(error)
        finally:
            await self._responder.hang_up()

    async def _serve(self, outbox: Outbox) -> None:
        async with aclosing(self._responder.acts()) as acts:
            async for act in acts:
                outbox.put(act)
                # A server that says more than is spoken has to wait, as it has when it began the call.
                await outbox.until_taken()
