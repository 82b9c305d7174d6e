"""How an agent is spoken and heard on this server."""

from retold.calls.deps import Deps
from retold.domain.agent import Agent
from retold.domain.voice import DEFAULT_VOICE, our_voice
from retold.ports import VoiceSettings


def voice_of(agent: Agent, deps: Deps) -> VoiceSettings:
    """The agent's voice, by one of ours."""
    spoken_by = our_voice(agent.voice_id, deps.voices.voice_ids, deps.settings.voice_map)
    return VoiceSettings(spoken_by or DEFAULT_VOICE, agent.voice_speed, agent.volume)


def language_of(agent: Agent) -> str:
    """The language in which the caller is recognised: of several the first."""
    return agent.language if isinstance(agent.language, str) else agent.language[0]
