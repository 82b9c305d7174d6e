"""What an agent's settings say of turn taking, as a change of rules: for who takes over, and to go back to."""

from retold.domain.agent import Agent
from retold.ports import ChangeRules


def own_rules(agent: Agent) -> ChangeRules:
    """All that may change in mid-call but the longest duration, as this agent has it."""
    return ChangeRules(
        responsiveness=agent.responsiveness,
        interruption_sensitivity=agent.interruption_sensitivity,
        reminder_trigger_ms=agent.reminder_trigger_ms,
        reminder_max_count=agent.reminder_max_count,
        end_call_after_silence_ms=agent.end_call_after_silence_ms,
        voice_speed=agent.voice_speed,
    )
