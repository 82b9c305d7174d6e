"""An override is for one call: the conversation has it, the agent and the next call do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from retold.calls.create import CallDetails, create_web_call
from retold.calls.deps import CallParts
from retold.domain.agent import Agent
from retold.domain.call_request import AgentOverride
from retold.domain.response_engine import CustomLlm
from retold.ids import DEFAULT_ORG_ID
from retold.ports import Responder, VoiceSettings
from support.call_house import House, ScriptedSession, open_house

pytestmark = pytest.mark.anyio

OVERRIDE = {
    "agent": {
        "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://other.example.com"},
        "voice_speed": 1.5,
        "volume": 0.5,
        "interruption_sensitivity": 0,
        "responsiveness": 0,
        "reminder_trigger_ms": 4_000,
        "reminder_max_count": 3,
        "end_call_after_silence_ms": 20_000,
        "max_call_duration_ms": 90_000,
        "begin_message_delay_ms": 500,
        "language": "en-GB",
        "data_storage_setting": "basic_attributes_only",
    }
}


async def held(house: House, override: dict[str, Any] | None) -> tuple[dict[str, Any], Agent]:
    """The parts a conversation was made of, and the agent its responder got."""
    parts: list[dict[str, Any]] = []
    agents: list[Agent] = []

    async def script(session: ScriptedSession) -> None:
        parts.append(session.parts)
        session.end()

    def responder(parts: CallParts) -> Responder:
        agents.append(parts.agent)
        return cast("Responder", None)

    house.script = script
    house.deps = replace(house.deps, responder=responder)
    parsed = None if override is None else AgentOverride.model_validate(override)
    details = CallDetails(agent_override=parsed)
    await house.hold(await create_web_call(house.deps, DEFAULT_ORG_ID, house.agent, details))
    return parts[0], agents[0]


async def test_a_conversation_has_the_settings_of_its_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        parts, agent = await held(house, OVERRIDE)
        rules = parts["rules"]
        assert (rules.reminder_trigger_ms, rules.reminder_max_count) == (4_000, 3)
        assert (rules.end_call_after_silence_ms, rules.max_call_duration_ms) == (20_000, 90_000)
        assert (rules.can_interrupt, rules.begin_message_delay_ms) == (False, 500)
        assert parts["voice"] == VoiceSettings("default", 1.5, 0.5)
        assert parts["language"] == "en-GB"
        assert agent.response_engine == CustomLlm(llm_websocket_url="wss://other.example.com")
        plain, stored = await held(house, None)
        assert (plain["voice"].speed, plain["rules"].reminder_max_count) == (1.0, 1)
        assert plain["rules"].wait_complete_ms < rules.wait_complete_ms
        assert stored == house.agent


async def test_an_override_of_the_storage_setting_is_the_call_s(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        override = AgentOverride.model_validate(OVERRIDE)
        record = await house.create(agent_override=override)
        assert record.call.data_storage_setting == "basic_attributes_only"
        assert (await house.create()).call.data_storage_setting == "everything"
