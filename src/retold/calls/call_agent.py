"""The agent as one call has it, and what its response engine is made of: read before the call starts."""

from dataclasses import dataclass

from retold.calls.engines import Engine, engine_of
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_request import AgentOverride, with_override
from retold.errors import NotFound, RetoldError, StorageError
from retold.ids import OrgId
from retold.storage.store import Store


@dataclass(frozen=True, slots=True)
class CallAgent:
    """Who speaks in a call; without an engine it is the customer's own."""

    agent: Agent
    engine: Engine | None


async def call_agent(store: Store, record: CallRecord) -> CallAgent | RetoldError:
    """The agent of this call, or why there is none: the call will end with that. Raises StorageError."""
    call, org_id, stored = record.call, OrgId(record.org_id), record.agent_override_json
    try:
        found = await store.agents.find(org_id, call.agent_id, call.agent_version)
        if found is None:
            return NotFound(f"agent {call.agent_id} version {call.agent_version} does not exist any more")
        agent, override = with_override(found, stored), AgentOverride.model_validate_json(stored or "{}")
        return CallAgent(agent, await engine_of(store, org_id, agent, override))
    except StorageError:
        raise
    except RetoldError as error:
        return error
