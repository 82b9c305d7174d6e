"""A bounded queue between two tasks of one call, or from a callback to a task.

anyio's memory streams make a receiver and look up the current task for each wait; a call waits a hundred times a
second, and they took a twentieth of a server's time.
"""

from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items of one kind; one task reads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._news: anyio.Event | None = None  # while the reader waits
        self.is_closed = False
        """Whether `close()` was called."""

    def put(self, item: T) -> bool:
        """Queue an item; False when the queue is full. Does nothing once it is closed."""
        if self.is_closed:
            return True
        if len(self._items) >= self._most:
            return False
        self._items.append(item)
        self._wake()
        return True

    def close(self) -> None:
        """Take no more; what waits can still be read."""
        self.is_closed = True
        self._wake()

    def clear(self) -> None:
        """Drop what waits."""
        self._items.clear()

    def take(self) -> T | None:
        """The next item, if one waits."""
        return self._items.popleft() if self._items else None

    async def news(self) -> None:
        """Wait until an item waits or the mailbox is closed."""
        if not self._items and not self.is_closed:
            self._news = anyio.Event()
            await self._news.wait()

    async def __aiter__(self) -> AsyncIterator[T]:
        """All items, until the mailbox is closed and empty."""
        while self._items or not self.is_closed:
            while self._items:
                yield self._items.popleft()
            await self.news()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None
