"""The agent that goes on with a call in mid-call (`agent_swap`), and what changes with it."""

from dataclasses import replace

from retold.calls.deps import Deps
from retold.calls.engines import NextAgent, engine_of
from retold.calls.speech_of import language_of, voice_of
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm_tools import AgentSwap
from retold.ids import OrgId
from retold.ports import ChangeAgent
from retold.responders.mind.own_rules import own_rules

MAX_WHOLE_CALL_MS = 7_200_000
"""However often the limit of a call begins anew: two hours, as Retell has it."""


async def next_agent(deps: Deps, org_id: OrgId, swap: AgentSwap | AgentSwapNode, *, now_ms: float) -> NextAgent:
    """Look up the agent of a swap, by default its latest version; `now_ms` is call time.

    Its own engine runs it: an override of the call is for the agent that the call was made with. Raises NotFound when
    the agent or its engine is not there, InvalidRequest for a version that cannot be, and StorageError.
    """
    agent = (await deps.store.agents.resolve(org_id, swap.agent_id, swap.agent_version)).agent
    rules = own_rules(agent)
    if swap.keep_current_voice:
        rules = replace(rules, voice_speed=None)
    if swap.use_swap_agent_max_duration:
        limit_ms = min(round(now_ms) + agent.max_call_duration_ms, MAX_WHOLE_CALL_MS)
        rules = replace(rules, max_call_duration_ms=limit_ms)
    change = ChangeAgent(
        agent_id=agent.agent_id,
        agent_version=agent.version,
        agent_name=agent.agent_name,
        voice=None if swap.keep_current_voice else voice_of(agent, deps),
        language=None if swap.keep_current_language else language_of(agent),
        rules=rules,
    )
    return NextAgent(agent, await engine_of(deps.store, org_id, agent), change)
