"""What the timeline keeps of the responder's acts; pure."""

from retold.engine import timeline as t
from retold.ports import (
    Act,
    ChangeAgent,
    ModelUsed,
    NodeEntered,
    RoundTrip,
    StateEntered,
    ToolInvoked,
    ToolReturned,
    Traffic,
    VariablesCollected,
)


def event_of(act: Act, at_ms: float) -> t.AnyEvent | None:  # noqa: PLR0911 - one arm per act
    """The event that this act is in the record, None when it leaves none by itself."""
    match act:
        case ToolInvoked(tool_call_id=tool_call_id, name=name, arguments=arguments, type=tool_type):
            return t.ToolCallStarted(
                at_ms=at_ms, tool_call_id=tool_call_id, name=name, arguments=arguments, tool_type=tool_type
            )
        case ToolReturned(tool_call_id=tool_call_id, content=content, successful=successful):
            return t.ToolCallEnded(at_ms=at_ms, tool_call_id=tool_call_id, content=content, successful=successful)
        case ModelUsed(input_tokens=input_tokens, output_tokens=output_tokens):
            return t.ModelUsed(at_ms=at_ms, input_tokens=input_tokens, output_tokens=output_tokens)
        case VariablesCollected(values=values):
            return t.VariablesCollected(at_ms=at_ms, values=dict(values))
        case NodeEntered():
            return t.NodeEntered(
                at_ms=at_ms,
                former_node_id=act.former_node_id,
                former_node_name=act.former_node_name,
                new_node_id=act.new_node_id,
                new_node_name=act.new_node_name,
                transition_type=act.transition_type,
            )
        case StateEntered(former_state_name=former, new_state_name=new):
            return t.StateEntered(at_ms=at_ms, former_state_name=former, new_state_name=new)
        case ChangeAgent(agent_id=agent_id, agent_version=version, agent_name=name):
            return t.AgentChanged(at_ms=at_ms, agent_id=agent_id, agent_version=version, agent_name=name)
        case RoundTrip(rtt_ms=rtt_ms):
            return t.RoundTripMeasured(at_ms=at_ms, rtt_ms=rtt_ms)
        case Traffic(direction=direction, text=text):
            return t.ResponderTraffic(at_ms=at_ms, direction=direction, text=text)
        case _:
            return None
