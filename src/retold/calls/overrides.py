"""What a request wants otherwise for one call, checked against the agent and what this server keeps."""

import difflib
from collections.abc import Sequence

from retold.calls.deps import Deps
from retold.calls.engines import engine_of
from retold.domain.agent import Agent
from retold.domain.agent_request import change_agent, check_llm_url
from retold.domain.call_request import AgentOverride, AgentPart
from retold.domain.response_engine import ConversationFlow, RetellLlm
from retold.errors import InvalidRequest, NotFound
from retold.ids import OrgId


async def overridden(deps: Deps, org_id: OrgId, agent: Agent, override: AgentOverride | None) -> Agent:
    """The agent as this call has it. Raises InvalidRequest, and NotFound for an engine that is not there."""
    if override is None:
        return agent
    changed = agent if override.agent is None else await _changed(deps, org_id, agent, override.agent)
    await _check_engine_part(deps, org_id, changed, override)
    return changed


async def _changed(deps: Deps, org_id: OrgId, agent: Agent, part: AgentPart) -> Agent:
    try:
        changed = change_agent(agent, part, agent.last_modification_timestamp, check_llm_url)
        if changed.response_engine != agent.response_engine:
            await deps.store.agents.check_engine(org_id, changed.response_engine)
    except (InvalidRequest, NotFound) as error:
        # Those of an agent do not know where in the request they stood.
        raise type(error)(error.message, field=f"agent_override.agent.{error.field}", fix=error.fix) from error
    return changed


async def _check_engine_part(deps: Deps, org_id: OrgId, agent: Agent, override: AgentOverride) -> None:
    """Try what the call's engine would be; parts for engines of another kind have no effect."""
    parts = {"retell-llm": override.retell_llm, "conversation-flow": override.conversation_flow}
    kind = agent.response_engine.type
    if parts.get(kind) is None:
        return
    try:
        await engine_of(deps.store, org_id, agent, override)
    except InvalidRequest as error:
        field = f"agent_override.{kind.replace('-', '_')}.{error.field}"
        raise InvalidRequest(error.message, field=field, fix=error.fix) from error


async def check_start(deps: Deps, org_id: OrgId, agent: Agent, *, state: str | None, node_id: str | None) -> None:
    """Raise InvalidRequest for a state or node to begin in that the agent's Retell LLM or flow does not have.

    Engines of another kind have none, and nothing is said of them.
    """
    engine = agent.response_engine
    if state is not None and isinstance(engine, RetellLlm):
        llm = await deps.store.llms.resolve(org_id, engine.llm_id, engine.version)
        _check_known("state", state, f"Retell LLM {engine.llm_id}", [one.name for one in llm.states or ()])
    if node_id is not None and isinstance(engine, ConversationFlow):
        flow = await deps.store.flows.resolve(org_id, engine.conversation_flow_id, engine.version)
        owner = f"conversation flow {engine.conversation_flow_id}"
        _check_known("node", node_id, owner, [node.id for node in flow.nodes])


def _check_known(kind: str, name: str, owner: str, names: Sequence[str]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        has = f"its {kind}s are {', '.join(names[:20])}" if names else f"it has no {kind}s"
        raise InvalidRequest(
            f"{owner} has no {kind} {name[:100]!r}",
            field="current_state" if kind == "state" else "current_node_id",
            fix=has + (f"; did you mean '{near[0]}'?" if near else ""),
        )
