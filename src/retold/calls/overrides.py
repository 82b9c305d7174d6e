"""What a request wants otherwise for one call, checked against the agent and what this server keeps."""

import difflib

from retold.calls.deps import Deps
from retold.domain.agent import Agent
from retold.domain.agent_request import change_agent, check_llm_url
from retold.domain.call_request import AgentOverride
from retold.domain.response_engine import RetellLlm
from retold.errors import InvalidRequest, NotFound
from retold.ids import OrgId


async def overridden(deps: Deps, org_id: OrgId, agent: Agent, override: AgentOverride | None) -> Agent:
    """The agent as this call has it. Raises InvalidRequest, and NotFound for an engine that is not there."""
    if override is None or override.agent is None:
        return agent
    try:
        changed = change_agent(agent, override.agent, agent.last_modification_timestamp, check_llm_url)
        if changed.response_engine != agent.response_engine:
            await deps.store.agents.check_engine(org_id, changed.response_engine)
    except (InvalidRequest, NotFound) as error:
        # Those of an agent do not know where in the request they stood.
        raise type(error)(error.message, field=f"agent_override.agent.{error.field}", fix=error.fix) from error
    return changed


async def check_state(deps: Deps, org_id: OrgId, agent: Agent, state: str | None) -> None:
    """Raise InvalidRequest for a state that the agent's Retell LLM does not have; other engines have none."""
    engine = agent.response_engine
    if state is None or not isinstance(engine, RetellLlm):
        return
    llm = await deps.store.llms.resolve(org_id, engine.llm_id, engine.version)
    names = [one.name for one in llm.states or ()]
    if state not in names:
        near = difflib.get_close_matches(state, names, n=1, cutoff=0.5)
        has = f"its states are {', '.join(names[:20])}" if names else "it has no states"
        raise InvalidRequest(
            f"Retell LLM {engine.llm_id} has no state {state[:100]!r}",
            field="current_state",
            fix=has + (f"; did you mean '{near[0]}'?" if near else ""),
        )
