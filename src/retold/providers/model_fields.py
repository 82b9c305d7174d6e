"""The fields of a request that differ from server to server: what an operator adds, what a server will not take."""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

import structlog

from retold.domain.dialogue import AgentText, ModelRequest, ToolSpec, ToolUse
from retold.domain.strict_schema import strict_form
from retold.errors import ModelFailed
from retold.ids import new_tool_use_id

_MALFORMED: Final = frozenset({400, 422})

log = structlog.stdlib.get_logger()


class RefusedFields:
    """Fields a server has refused, out of those a request can do without; they are left out from then on.

    There is no asking beforehand: which fields a server takes depends on its version and on the model behind it.
    """

    def __init__(self, can_do_without: Sequence[str]) -> None:
        self._can_do_without = can_do_without
        self._refused: set[tuple[str, str]] = set()

    def takes(self, model: str, field: str) -> bool:
        """Whether the server has not yet refused this field for this model."""
        return (model, field) not in self._refused

    def has_learnt(self, model: str, failure: ModelFailed) -> bool:
        """Whether this failure names a field that can be left out: then asking once more, without it, helps."""
        if failure.status not in _MALFORMED:
            return False
        said = str(failure)
        for field in self._can_do_without:
            if self.takes(model, field) and re.search(rf"\b{field}\b", said):
                self._refused.add((model, field))
                log.warning("model_field_refused", model=model, field=field, error=said)
                return True
        return False


def with_extra(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The request's fields and the operator's, which win; null takes a field away."""
    return {field: value for field, value in {**body, **extra}.items() if value is not None}


def parameters_of(tool: ToolSpec, *, may_be_strict: bool) -> tuple[Mapping[str, Any], bool]:
    """The schema of a tool's arguments, and whether the server is asked to hold to it."""
    strict = strict_form(tool.parameters) if tool.is_strict and may_be_strict else None
    return (tool.parameters, False) if strict is None else (strict, True)


def arguments_shown(tool_use: ToolUse) -> dict[str, Any]:
    """The arguments of an earlier tool use, always an object: vendors refuse a dialogue that holds anything else."""
    parsed = tool_use.parsed()
    return {"unreadable_arguments": tool_use.arguments} if parsed is None else parsed


def finished_tool_use(request: ModelRequest, given: Container[str], tool_use: ToolUse) -> ToolUse:
    """The tool use with arguments and an id of its own; servers leave out both, and some count ids anew each time."""
    known = {use.id for message in request.messages if isinstance(message, AgentText) for use in message.tool_uses}
    is_fresh = tool_use.id and tool_use.id not in known and tool_use.id not in given
    return ToolUse(tool_use.id if is_fresh else new_tool_use_id(), tool_use.name, tool_use.arguments.strip() or "{}")
