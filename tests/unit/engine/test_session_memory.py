"""A call that is over leaves memory at once, not when the cycle collector comes by."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import pytest

from retold.engine.hearing import Hearing
from retold.engine.session import CallSession
from retold.engine.speaking import Speaking
from retold.engine.telling import Telling
from support.dialogue import Dialogue, reply

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PARTS = (CallSession, Hearing, Speaking, Telling)


@contextmanager
def no_cycle_collector() -> Generator[None]:
    """From here on only reference counts free memory."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def parts_in_memory() -> list[str]:
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, PARTS)]


async def hold_call(hang_up_s: float) -> None:
    call = Dialogue([reply("We are open from nine to five on every weekday.")], begin=reply("Hello, this is Ada."))
    call.user_says("when are you open today", at_s=3.0)
    call.user_hangs_up(at_s=hang_up_s)
    await call.run()


@pytest.mark.parametrize("hang_up_s", [0.5, 3.5, 6.0, 9.0], ids=["greeting", "user turn", "reply", "silence"])
async def test_call_that_is_over_is_forgotten(hang_up_s: float) -> None:
    with no_cycle_collector():
        before = parts_in_memory()
        await hold_call(hang_up_s)
        # The last step of the cancelled tasks is the loop's.
        await anyio.sleep(1)
        assert parts_in_memory() == before
