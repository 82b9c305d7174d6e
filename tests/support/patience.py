"""How tests stay right on a machine that stands still for seconds now and then."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")

PATIENCE_S = 60.0
"""For what must come about. Against waiting for ever, no promise of speed."""
UNDISTURBED = 5
"""What the clock measures is right when it is right once in so many trials: a halt of the machine spoils one, and no
number of trials makes a wrong product right."""


async def undisturbed(trial: Callable[[], Awaitable[Seen]], is_right: Callable[[Seen], bool]) -> Seen:
    """What the first trial saw that is right, or the last one."""
    for _ in range(UNDISTURBED - 1):
        seen = await trial()
        if is_right(seen):
            return seen
    return await trial()
