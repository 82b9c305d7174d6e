"""Who takes over a call in mid-call, and what of the conversation changes with that."""

from pathlib import Path
from typing import Any

import pytest

from retold.calls.engines import NextAgent
from retold.calls.next_agent import next_agent
from retold.domain.llm import Llm
from retold.domain.llm_request import LlmRequest, create_llm
from retold.domain.llm_tools import AgentSwap
from retold.domain.response_engine import RetellLlm
from retold.errors import NotFound
from retold.ids import DEFAULT_ORG_ID
from retold.ports import VoiceSettings
from support.call_house import House, open_house
from support.stored import make_agent

pytestmark = pytest.mark.anyio

BO = make_agent(
    agent_id="agent_bo",
    agent_name="Bo",
    response_engine=RetellLlm(llm_id="llm_bo", version=0),
    language=["en-GB", "de-DE"],
    voice_id="11labs-Bo",
    voice_speed=1.5,
    volume=0.5,
    responsiveness=0.5,
    interruption_sensitivity=0.25,
    reminder_trigger_ms=4_000,
    reminder_max_count=3,
    end_call_after_silence_ms=20_000,
    max_call_duration_ms=600_000,
)


async def took_over(house: House, *, now_ms: float = 30_000.4, **swap: Any) -> NextAgent:
    llm = create_llm(LlmRequest.model_validate({"general_prompt": "Be Bo."}), "llm_bo", 1)
    await house.store.llms.save(DEFAULT_ORG_ID, llm)
    await house.store.agents.save(DEFAULT_ORG_ID, BO)
    asked = {"type": "agent_swap", "name": "to_bo", "agent_id": "agent_bo", "post_call_analysis_setting": "both_agents"}
    return await next_agent(house.deps, DEFAULT_ORG_ID, AgentSwap.model_validate(asked | swap), now_ms=now_ms)


async def test_the_next_agent_brings_its_voice_language_and_rules(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        one = await took_over(house)
    change, rules = one.change, one.change.rules
    assert (change.agent_id, change.agent_version, change.agent_name) == ("agent_bo", 0, "Bo")
    assert change.voice == VoiceSettings("default", 1.5, 0.5)
    assert change.language == "en-GB"
    assert rules is not None
    assert (rules.responsiveness, rules.interruption_sensitivity) == (0.5, 0.25)
    assert (rules.reminder_trigger_ms, rules.reminder_max_count, rules.end_call_after_silence_ms) == (4_000, 3, 20_000)
    assert rules.max_call_duration_ms is None
    assert isinstance(one.engine, Llm)
    assert one.engine.general_prompt == "Be Bo."


async def test_voice_and_language_may_be_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        change = (await took_over(house, keep_current_voice=True, keep_current_language=True)).change
    assert (change.voice, change.language) == (None, None)
    assert change.rules is not None
    assert (change.rules.voice_speed, change.rules.responsiveness) == (None, 0.5)


@pytest.mark.parametrize(("now_ms", "limit_ms"), [(30_000.4, 630_000), (7_000_000.0, 7_200_000)])
async def test_the_limit_of_the_call_may_begin_anew(tmp_path: Path, now_ms: float, limit_ms: int) -> None:
    async with open_house(tmp_path) as house:
        change = (await took_over(house, now_ms=now_ms, use_swap_agent_max_duration=True)).change
    assert change.rules is not None
    assert change.rules.max_call_duration_ms == limit_ms


@pytest.mark.parametrize("swap", [{"agent_id": "agent_none"}, {"agent_version": 7}])
async def test_who_is_not_there_takes_nothing_over(tmp_path: Path, swap: dict[str, Any]) -> None:
    async with open_house(tmp_path) as house:
        with pytest.raises(NotFound):
            await took_over(house, **swap)
