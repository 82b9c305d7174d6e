"""What the ear and the mouth of one call share."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from retold.clock import CallClock
from retold.engine.timeline import Timeline
from retold.engine.turn_events import TurnEvent
from retold.ports import Tape, Transport

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Leg:
    """One caller's leg: its wire, its record, its clock, and where its turn events go."""

    transport: Transport
    tape: Tape
    timeline: Timeline
    clock: CallClock
    post: Callable[[TurnEvent], None]


@asynccontextmanager
async def closing(items: AsyncIterator[_T]) -> AsyncGenerator[AsyncIterator[_T]]:
    """Close a stream on leaving, if it is of a kind that can be closed."""
    try:
        yield items
    finally:
        aclose = getattr(items, "aclose", None)
        if aclose is not None:
            await aclose()
