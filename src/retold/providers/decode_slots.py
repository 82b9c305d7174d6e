"""A bound on recognition passes over all calls, in which those somebody waits for go first."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio


@dataclass(eq=False, slots=True)
class _Waiter:
    is_urgent: Callable[[], bool]
    granted: anyio.Event = field(default_factory=anyio.Event)


class DecodeSlots:
    """So many passes at a time; a waiter is asked whether it is urgent when a slot becomes free, not when it queues."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiters: list[_Waiter] = []

    @asynccontextmanager
    async def slot(self, is_urgent: Callable[[], bool]) -> AsyncGenerator[None]:
        """Hold one slot; urgent waiters first, else in order of arrival. Each stream waits for one slot at most."""
        await self._take(is_urgent)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, is_urgent: Callable[[], bool]) -> None:
        if self._free:
            self._free -= 1
            return
        waiter = _Waiter(is_urgent)
        self._waiters.append(waiter)
        try:
            await waiter.granted.wait()
        except BaseException:
            if waiter.granted.is_set():
                self._give_back()
            else:
                self._waiters.remove(waiter)
            raise

    def _give_back(self) -> None:
        if not self._waiters:
            self._free += 1
            return
        following = next((waiter for waiter in self._waiters if waiter.is_urgent()), self._waiters[0])
        self._waiters.remove(following)
        following.granted.set()
