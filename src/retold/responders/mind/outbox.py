"""What a responder does, on its way from the tasks that decide it to the session that takes it."""

from collections import deque
from collections.abc import AsyncGenerator

import anyio

from retold.ports import Act, Say


class Outbox:
    """Acts in the order they were decided. It is bounded by what a model may write and a reply's tools may do."""

    def __init__(self) -> None:
        self._acts: deque[Act] = deque()
        self._failure: Exception | None = None
        self._is_closed = False
        self._news = anyio.Event()
        self._is_taken = anyio.Event()

    def put(self, act: Act) -> None:
        """Have the session take an act; nothing happens once the outbox is closed."""
        if not self._is_closed:
            self._acts.append(act)
            self._news.set()

    def fail(self, failure: Exception) -> None:
        """Raise this to the session once everything before it is taken."""
        self._failure = self._failure or failure
        self._news.set()

    def close(self) -> None:
        """Take nothing more; `acts()` then ends."""
        self._is_closed = True
        self._acts.clear()
        self._news.set()
        self._is_taken.set()

    def drop(self, response_id: int, interrupt_id: int | None) -> None:
        """Take back what is still to be said of a reply that is void."""
        ref = (response_id, interrupt_id)
        self._acts = deque(
            act for act in self._acts if not (isinstance(act, Say) and (act.response_id, act.interrupt_id) == ref)
        )

    async def until_taken(self) -> None:
        """Wait until the session takes the last act of those that wait; for one task."""
        while self._acts:
            self._is_taken = anyio.Event()
            await self._is_taken.wait()

    async def acts(self) -> AsyncGenerator[Act]:
        """All acts as they come, until the outbox is closed. Raises what `fail()` was given."""
        while True:
            while self._acts:
                act = self._acts.popleft()
                self._is_taken.set()
                yield act
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return
            await self._news.wait()
            self._news = anyio.Event()
