"""The agent as one call has it, and what its response engine is made of: read before the call starts."""

from dataclasses import dataclass

from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_request import AgentOverride, LlmPart, with_override
from retold.domain.flow import Flow
from retold.domain.llm import Llm
from retold.domain.llm_request import LlmRequest, change_llm
from retold.domain.response_engine import ConversationFlow, CustomLlm, RetellLlm
from retold.errors import NotFound, RetoldError, StorageError
from retold.ids import OrgId
from retold.storage.store import Store

Engine = Llm | Flow
"""What this server runs by itself."""


@dataclass(frozen=True, slots=True)
class CallAgent:
    """Who speaks in a call; without an engine it is the customer's own."""

    agent: Agent
    engine: Engine | None = None


async def call_agent(store: Store, record: CallRecord) -> CallAgent | RetoldError:
    """The agent of this call, or why there is none: the call will end with that. Raises StorageError."""
    call = record.call
    try:
        found = await store.agents.find(OrgId(record.org_id), call.agent_id, call.agent_version)
        if found is None:
            return NotFound(f"agent {call.agent_id} version {call.agent_version} does not exist any more")
        agent = with_override(found, record.agent_override_json)
        override = AgentOverride.model_validate_json(record.agent_override_json or "{}")
        return CallAgent(agent, await engine_of(store, OrgId(record.org_id), agent, override))
    except StorageError:
        raise
    except RetoldError as error:
        return error


async def engine_of(store: Store, org_id: OrgId, agent: Agent, override: AgentOverride | None = None) -> Engine | None:
    """The resource that the agent's engine names; None for the customer's own. Raises NotFound and StorageError."""
    match agent.response_engine:
        case CustomLlm():
            return None
        case RetellLlm(llm_id=llm_id, version=version):
            llm = await store.llms.resolve(org_id, llm_id, version)
            part = override.retell_llm if override else None
            return llm if part is None else _overridden(llm, part)
        case ConversationFlow(conversation_flow_id=flow_id, version=version):
            return await store.flows.resolve(org_id, flow_id, version)


def _overridden(llm: Llm, part: LlmPart) -> Llm:
    sent = part.model_dump(mode="json", exclude_unset=True)
    return change_llm(llm, LlmRequest.model_validate(sent), llm.last_modification_timestamp)
