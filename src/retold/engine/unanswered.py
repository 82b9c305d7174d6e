"""The tools that still ran when their call ended: the record says so, and how long they had run by then; pure."""

from collections.abc import Sequence
from typing import Final

from retold.engine import timeline as t

CALL_ENDED: Final = "The call ended before the tool had given its result."


def with_unanswered(events: Sequence[t.AnyEvent]) -> list[t.AnyEvent]:
    """The events of a call that is over, with a failed result at its end for each tool of ours that gave none.

    Tools of an LLM server are told by that server: what it does not tell is not known.
    """
    running = dict[str, t.ToolCallStarted]()
    for event in events:
        if isinstance(event, t.ToolCallStarted) and event.tool_type is not None:
            running[event.tool_call_id] = event
        elif isinstance(event, t.ToolCallEnded):
            running.pop(event.tool_call_id, None)
    end_ms = _end_ms(events)
    return [*events, *(_given_up(tool, end_ms) for tool in running.values())]


def _given_up(tool: t.ToolCallStarted, end_ms: float) -> t.ToolCallEnded:
    # One that began while the call was taken down has run for no time.
    at_ms = max(end_ms, tool.at_ms)
    return t.ToolCallEnded(at_ms=at_ms, tool_call_id=tool.tool_call_id, content=CALL_ENDED, successful=False)


def _end_ms(events: Sequence[t.AnyEvent]) -> float:
    """When the end was first intended; of a call that died, the last sign of life."""
    intended = next((event.at_ms for event in events if isinstance(event, t.EndIntended)), None)
    return max((event.at_ms for event in events), default=0.0) if intended is None else intended
