"""What runs an agent on this server in one call: its Retell LLM or its flow, with the call's own settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from retold.domain.agent import Agent
from retold.domain.call_request import AgentOverride
from retold.domain.flow import Flow, SharedComponent
from retold.domain.llm import Llm
from retold.domain.llm_models import ModelSettings
from retold.domain.response_engine import ConversationFlow, CustomLlm
from retold.ids import OrgId
from retold.ports import ChangeAgent
from retold.storage.store import Store


@dataclass(frozen=True, slots=True)
class WholeFlow:
    """A conversation flow and the shared components that it goes through, by id."""

    flow: Flow
    components: Mapping[str, SharedComponent]

    @property
    def models(self) -> ModelSettings:
        """Which models it speaks with."""
        return self.flow.models


Engine = Llm | WholeFlow


@dataclass(frozen=True, slots=True)
class NextAgent:
    """An agent that is to go on with a call."""

    agent: Agent
    engine: Engine | None
    """What runs it; None for an LLM server of the customer's own."""
    change: ChangeAgent
    """What the conversation is to be told."""


async def engine_of(store: Store, org_id: OrgId, agent: Agent, override: AgentOverride | None = None) -> Engine | None:
    """The engine of this agent as a call has it; None for an LLM server of the customer's own.

    An override is that of the call, for the agent it was made with. Raises NotFound for an engine that is gone,
    InvalidRequest for an override that does not fit it, and StorageError.
    """
    engine, override = agent.response_engine, override or AgentOverride()
    if isinstance(engine, CustomLlm):
        return None
    if isinstance(engine, ConversationFlow):
        flow = await store.flows.resolve(org_id, engine.conversation_flow_id, engine.version)
        if override.conversation_flow is not None:
            flow = override.conversation_flow.applied_to(flow)
        return WholeFlow(flow, await store.components.named_by(org_id, flow))
    llm = await store.llms.resolve(org_id, engine.llm_id, engine.version)
    return llm if override.retell_llm is None else override.retell_llm.applied_to(llm)
