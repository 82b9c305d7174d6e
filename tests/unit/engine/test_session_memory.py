"""A call that is over leaves memory at once, not when the cycle collector comes by."""

import anyio
import pytest

from retold.engine.hearing import Hearing
from retold.engine.session import CallSession
from retold.engine.speaking import Speaking
from retold.engine.telling import Telling
from support.dialogue import Dialogue, reply
from support.memory import in_memory, no_cycle_collector

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PARTS = (CallSession, Hearing, Speaking, Telling)


async def hold_call(hang_up_s: float) -> None:
    call = Dialogue([reply("We are open from nine to five on every weekday.")], begin=reply("Hello, this is Ada."))
    call.user_says("when are you open today", at_s=3.0)
    call.user_hangs_up(at_s=hang_up_s)
    await call.run()


@pytest.mark.parametrize("hang_up_s", [0.5, 3.5, 6.0, 9.0], ids=["greeting", "user turn", "reply", "silence"])
async def test_call_that_is_over_is_forgotten(hang_up_s: float) -> None:
    with no_cycle_collector():
        before = in_memory(PARTS)
        await hold_call(hang_up_s)
        # The last step of the cancelled tasks is the loop's.
        await anyio.sleep(1)
        assert in_memory(PARTS) == before
