"""The turn taking and the speed of speech that hold at a node: its own, else the agent's; pure."""

from dataclasses import replace

from retold.domain.agent import Agent
from retold.domain.flow_nodes import FlowNode, TalkingNode
from retold.ports import ChangeRules
from retold.responders.mind.own_rules import own_rules


def rules_at(node: FlowNode | None, agent: Agent) -> ChangeRules:
    """What holds from now on, whatever node was before; how much silence ends the call is never up to a node."""
    rules = replace(own_rules(agent), end_call_after_silence_ms=None)
    if not isinstance(node, TalkingNode):
        return rules
    trigger_ms = None if node.reminder_trigger_ms is None else int(node.reminder_trigger_ms)
    own = {
        "responsiveness": node.responsiveness,
        "interruption_sensitivity": node.interruption_sensitivity,
        "reminder_trigger_ms": trigger_ms,
        "reminder_max_count": node.reminder_max_count,
        "voice_speed": node.voice_speed,
    }
    return replace(rules, **{name: value for name, value in own.items() if value is not None})
