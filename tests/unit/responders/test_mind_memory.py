"""A call with a language model that is over leaves memory at once, also one that ends while a tool runs."""

import anyio
import pytest

from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.retell_llm.brain import RetellLlmBrain
from support.memory import in_memory, no_cycle_collector
from support.minds import SlowHttp, llm_of, thinking

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

PARTS = (Mind, ToolRuns, RetellLlmBrain)
TOOL = {"type": "custom", "name": "look", "url": "https://tools.example.com"}
RULES = (
    {"when": {"last": "are you free"}, "steps": [{"say": "Let me see. "}, {"use": "look"}]},
    {"steps": [{"say": "Half past twelve is free."}]},
)


async def hold_call(hang_up_s: float, takes_ms: float) -> None:
    llm = llm_of(begin_message="Hello, this is Ada.", general_tools=[TOOL])
    one = thinking(llm, *RULES, http=SlowHttp(takes_ms=takes_ms))
    one.call.user_says("When are you free?", at_s=3)
    one.call.user_hangs_up(at_s=hang_up_s)
    await one.call.run()


@pytest.mark.parametrize(
    ("hang_up_s", "takes_ms"), [(0.5, 100), (5.5, 60_000), (9, 100)], ids=["greeting", "while a tool runs", "silence"]
)
async def test_call_that_is_over_is_forgotten(hang_up_s: float, takes_ms: float) -> None:
    with no_cycle_collector():
        before = in_memory(PARTS)
        await hold_call(hang_up_s, takes_ms)
        # The last step of the cancelled tasks is the loop's.
        await anyio.sleep(1)
        assert in_memory(PARTS) == before
