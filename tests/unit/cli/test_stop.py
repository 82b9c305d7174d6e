"""A command that is told to stop while its event loop is at work."""

import asyncio
import os
import signal

import anyio
import anyio.lowlevel
import pytest

from retold.cli.stop import run_until_stopped
from support.patience import PATIENCE_S


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_the_loop_was_doing_is_done_and_waited_for(number: signal.Signals) -> None:
    cleaned_up: list[bool] = []

    async def work() -> None:
        is_done = anyio.Event()

        def told_meanwhile() -> None:
            os.kill(os.getpid(), number)
            is_done.set()

        asyncio.get_running_loop().call_soon(told_meanwhile)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(PATIENCE_S, shield=True):
                await is_done.wait()
            cleaned_up.append(is_done.is_set())

    assert run_until_stopped(work) is None
    assert cleaned_up == [True]


def test_the_result_of_who_is_not_told_is_given() -> None:
    async def work() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    assert run_until_stopped(work) == 7


def test_an_error_comes_out_as_it_is() -> None:
    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_until_stopped(work)
