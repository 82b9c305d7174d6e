"""Commands that are told to stop, or whose terminal goes, clean up first, as on Ctrl-C."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

_Result = TypeVar("_Result")


def run_until_stopped(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result | None:
    """What the work gives; None when SIGTERM or SIGHUP came first and cancelled it. Raises what it raises."""
    return anyio.run(_cancelled_by_signals, work)


async def _cancelled_by_signals(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result | None:
    with anyio.CancelScope() as scope:
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Raised from a handler of Python's own, an exception loses what the loop was about to do: who cleans up
            # might wait for it for ever.
            asyncio.get_running_loop().add_signal_handler(number, scope.cancel)
        return await work()
    return None
