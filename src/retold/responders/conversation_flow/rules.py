"""The turn taking and the speed of speech that hold at a node: its own, else the agent's; pure."""

from retold.domain.agent import Agent
from retold.domain.flow_nodes import FlowNode, TalkingNode
from retold.ports import ChangeRules


def rules_at(node: FlowNode | None, agent: Agent) -> ChangeRules:
    """What holds from now on, whatever held before."""
    own = node if isinstance(node, TalkingNode) else None
    trigger_ms = agent.reminder_trigger_ms if own is None else own.reminder_trigger_ms or agent.reminder_trigger_ms
    return ChangeRules(
        responsiveness=_first(own and own.responsiveness, agent.responsiveness),
        interruption_sensitivity=_first(own and own.interruption_sensitivity, agent.interruption_sensitivity),
        reminder_trigger_ms=int(trigger_ms),
        reminder_max_count=int(_first(own and own.reminder_max_count, agent.reminder_max_count)),
        voice_speed=_first(own and own.voice_speed, agent.voice_speed),
    )


def _first(own: float | None, agents: float) -> float:
    return agents if own is None else own
