"""What of an agent, or of one call, this server keeps and does not heed: said in warning headers."""

import structlog
from fastapi import Response

from retold.api.context import ApiContext, warn
from retold.domain.agent import Agent
from retold.domain.call_request import AgentOverride, CallRequest, WebCallRequest
from retold.domain.response_engine import ConversationFlow, RetellLlm
from retold.domain.voice import our_voice

log = structlog.stdlib.get_logger()


def warn_of_agent(response: Response, context: ApiContext, agent: Agent) -> None:
    """Warn of the settings of an agent that was made or changed."""
    _warn_of_engine(response, context, agent)
    if not _has_voice(context, agent.voice_id):
        warn(response, f"voice_id {agent.voice_id!r} is not installed here and is spoken by the default voice")
        log.warning("voice_unknown", agent_id=agent.agent_id, voice_id=agent.voice_id)


def warn_of_call(response: Response, context: ApiContext, agent: Agent, asked: CallRequest) -> None:
    """Warn of what a request for a call with this agent, overrides applied, says in vain."""
    _warn_of_engine(response, context, agent)
    override = asked.agent_override or AgentOverride()
    changes = override.agent.sent() if override.agent else {}
    if "voice_id" in changes and not _has_voice(context, agent.voice_id):
        name = f"agent_override.agent.voice_id {agent.voice_id!r}"
        warn(response, f"{name} is not installed here and is spoken by the default voice")
    if "is_transfer_agent" in changes:
        warn(response, "agent_override.agent.is_transfer_agent was ignored: an agent is made as one, or it is none")
    is_web = isinstance(asked, WebCallRequest)
    of_engines = {
        "agent_override.retell_llm": ("retell-llm", override.retell_llm),
        "agent_override.conversation_flow": ("conversation-flow", override.conversation_flow),
        "current_state": ("retell-llm", asked.current_state if is_web else None),
        "current_node_id": ("conversation-flow", asked.current_node_id if is_web else None),
    }
    for name, (kind, value) in of_engines.items():
        if value is not None and agent.response_engine.type != kind:
            warn(response, f"{name} is kept and has no effect: the agent's engine is {agent.response_engine.type}")


def _has_voice(context: ApiContext, voice_id: str) -> bool:
    deps = context.deps
    return our_voice(voice_id, deps.voices.voice_ids, deps.settings.voice_map) is not None


def _warn_of_engine(response: Response, context: ApiContext, agent: Agent) -> None:
    needs_model = isinstance(agent.response_engine, RetellLlm | ConversationFlow)
    if needs_model and not context.deps.settings.llm.is_configured:
        warn(response, "no language model is configured: calls say so and end error_retell until RETOLD_LLM__BASE_URL")
