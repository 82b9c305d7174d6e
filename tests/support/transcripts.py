"""Transcripts in a short hand, as calls have them: `U: hello`, `A: hi`, `T: name {"arguments": 1} -> true`, `D: 5`."""

import re
from collections.abc import Sequence
from typing import Any

from retold.domain.call import Call

_TOOL = re.compile(r"(?P<name>\w+)(?P<type>/\w+)? (?P<arguments>.*?)(?: -> (?P<outcome>true|false|null))?")


def items(*lines: str) -> list[dict[str, Any]]:
    """The items of `transcript_with_tool_calls`."""
    return [item for number, line in enumerate(lines) for item in _items(number, line)]


def ended_call(lines: Sequence[str] = (), **fields: Any) -> Call:
    """A call that is over, by default because its agent ended it."""
    shape: dict[str, Any] = {
        "call_id": "call_1",
        "agent_id": "agent_1",
        "call_status": "ended",
        "disconnection_reason": "agent_hangup",
        "start_timestamp": 1_700_000_000_000,
        "end_timestamp": 1_700_000_060_000,
        "duration_ms": 60_000,
        "transcript_with_tool_calls": items(*lines),
    }
    return Call.model_validate(shape | fields)


def _items(number: int, line: str) -> list[dict[str, Any]]:
    kind, _, rest = line.partition(": ")
    if kind == "D":
        return [{"role": "dtmf", "digit": rest}]
    if kind != "T":
        return [{"role": {"A": "agent", "U": "user"}[kind], "content": rest}]
    tool = _TOOL.fullmatch(rest)
    assert tool is not None, line
    use = {
        "role": "tool_call_invocation",
        "tool_call_id": f"tool_{number}",
        "name": tool["name"],
        "arguments": tool["arguments"],
    }
    if tool["type"]:
        use["type"] = tool["type"].removeprefix("/")
    if tool["outcome"] is None:
        return [use]
    result: dict[str, Any] = {"role": "tool_call_result", "tool_call_id": f"tool_{number}", "content": "done"}
    if tool["outcome"] != "null":
        result["successful"] = tool["outcome"] == "true"
    return [use, result]
