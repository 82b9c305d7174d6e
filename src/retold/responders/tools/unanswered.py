"""What a model is told when the server that a tool asks cannot be reached, and what is logged of it."""

from typing import Final

import structlog

from retold.domain.dialogue import ToolUse
from retold.errors import AddressRefused, OutboundError
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import ToolResult

_REFUSED: Final = "This tool's address may not be reached from this server. Go on without the tool."
_UNREACHED: Final = "The tool's server gave no answer: {error}."

log = structlog.stdlib.get_logger()


def unanswered(use: ToolUse, context: ToolContext, error: OutboundError) -> ToolResult:
    """The result of a tool whose server was not reached."""
    log.warning("tool_failed", call_id=context.record.call.call_id, tool=use.name, error=str(error))
    # What a forbidden name resolves to is for whoever runs the server, not for whoever talks to the agent.
    content = _REFUSED if isinstance(error, AddressRefused) else _UNREACHED.format(error=error)
    return ToolResult(content, successful=False)
