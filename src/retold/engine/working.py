"""What turn taking makes of tools that run: the agent is at work, which is neither silence nor an answer. Pure."""

from dataclasses import replace

from retold.engine.turn_events import ToolEnded, ToolStarted
from retold.engine.turn_state import RunningTool, State


def worked(state: State, event: ToolStarted | ToolEnded) -> State:
    """Take note of a tool that began or gave its result."""
    return _started(state, event) if isinstance(event, ToolStarted) else _ended(state, event)


def _started(state: State, event: ToolStarted) -> State:
    others = _without(state, event.tool_call_id)
    return replace(
        state,
        tools=(*others, RunningTool(event.tool_call_id, state.reply)),
        working_since_ms=state.working_since_ms if state.tools else event.at_ms,
    )


def _ended(state: State, event: ToolEnded) -> State:
    was_awaited, left = state.is_reply_at_work, _without(state, event.tool_call_id)
    if len(left) == len(state.tools):
        return state
    state = replace(state, tools=left)
    if was_awaited and not state.is_reply_at_work:
        # The reply has the same time for what it makes of the result as it had for the question.
        state = replace(state, thinking_since_ms=event.at_ms)
    if left:
        return state
    # The caller was waiting, not silent: the time of the work is left out.
    waited_ms = event.at_ms - max(state.working_since_ms, state.silent_since_ms)
    return replace(state, quiet_since_ms=event.at_ms, silent_since_ms=state.silent_since_ms + max(0.0, waited_ms))


def _without(state: State, tool_call_id: str) -> tuple[RunningTool, ...]:
    return tuple(tool for tool in state.tools if tool.tool_call_id != tool_call_id)
