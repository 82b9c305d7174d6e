"""The engine of a call: the agent's Retell LLM or flow, with what the call wants otherwise."""

from pathlib import Path
from typing import Any

import pytest

from retold.calls.engines import WholeFlow, engine_of
from retold.calls.overrides import overridden
from retold.domain.agent import Agent
from retold.domain.call_request import AgentOverride
from retold.domain.flow_request import NewComponent, NewFlow, create_component, create_flow
from retold.domain.llm import Llm
from retold.domain.llm_request import LlmRequest, create_llm
from retold.domain.response_engine import ConversationFlow, RetellLlm
from retold.errors import InvalidRequest, NotFound
from retold.ids import DEFAULT_ORG_ID
from support.call_house import House, open_house
from support.flows import component, component_node, flow, talk
from support.stored import make_agent

pytestmark = pytest.mark.anyio

LLM_AGENT = make_agent(response_engine=RetellLlm(llm_id="llm_1", version=0))
FLOW_AGENT = make_agent(response_engine=ConversationFlow(conversation_flow_id="flow_1", version=0))


async def keep_llm(house: House, **fields: Any) -> None:
    request = LlmRequest.model_validate({"general_prompt": "Be kind.", "model": "gpt-4.1", **fields})
    await house.store.llms.save(DEFAULT_ORG_ID, create_llm(request, "llm_1", 1))


async def engine(house: House, agent: Agent, **override: Any) -> Any:
    return await engine_of(house.store, DEFAULT_ORG_ID, agent, AgentOverride.model_validate(override))


async def test_an_llm_server_of_the_customer_s_own_is_no_engine(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        assert await engine_of(house.store, DEFAULT_ORG_ID, house.agent) is None


async def test_a_call_has_its_own_settings_of_the_retell_llm(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await keep_llm(house, begin_message="Hello.", model_temperature=0.5)
        changed = await engine(
            house, LLM_AGENT, retell_llm={"begin_message": None, "model": "other", "start_speaker": "user"}
        )
        assert isinstance(changed, Llm)
        assert (changed.begin_message, changed.start_speaker, changed.general_prompt) == (None, "user", "Be kind.")
        assert changed.models.primary is not None
        assert (changed.models.primary.model, changed.models.temperature) == ("other", 0.5)
        stored = await engine_of(house.store, DEFAULT_ORG_ID, LLM_AGENT)
        assert isinstance(stored, Llm)
        assert (stored.begin_message, stored.models.primary and stored.models.primary.model) == ("Hello.", "gpt-4.1")


async def test_an_empty_begin_message_is_not_none(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await keep_llm(house, begin_message="Hello.")
        changed = await engine(house, LLM_AGENT, retell_llm={"begin_message": ""})
        assert changed.begin_message == ""


async def test_a_flow_comes_with_the_components_it_shares(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        shared = create_component(NewComponent.model_validate(component("ask")), "component_1", 1)
        await house.store.components.save(DEFAULT_ORG_ID, shared)
        nodes = [talk("welcome", "part"), component_node("part", "component_1", "shared", "welcome")]
        model = {"model_choice": {"type": "cascading", "model": "gpt-4.1"}}
        made = create_flow(NewFlow.model_validate(flow(*nodes, **model)), "flow_1", 1)
        await house.store.flows.save(DEFAULT_ORG_ID, made)
        whole = await engine(
            house, FLOW_AGENT, conversation_flow={"begin_after_user_silence_ms": 700, "model_temperature": 0.25}
        )
        assert isinstance(whole, WholeFlow)
        assert whole.components == {"component_1": shared}
        assert (whole.flow.begin_after_user_silence_ms, whole.flow.models.temperature) == (700, 0.25)
        assert whole.flow.nodes == made.nodes


async def test_an_engine_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        with pytest.raises(NotFound):
            await engine(house, LLM_AGENT)


async def test_a_part_that_does_not_fit_is_refused_with_its_field(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await keep_llm(house)
        override = AgentOverride.model_validate({"retell_llm": {"model": "a", "s2s_model": "b"}})
        with pytest.raises(InvalidRequest) as refusal:
            await overridden(house.deps, DEFAULT_ORG_ID, LLM_AGENT, override)
        assert refusal.value.field == "agent_override.retell_llm.s2s_model"


async def test_a_part_for_another_kind_of_engine_has_no_effect(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        override = AgentOverride.model_validate({"retell_llm": {"model": "a", "s2s_model": "b"}})
        assert await overridden(house.deps, DEFAULT_ORG_ID, house.agent, override) == house.agent
