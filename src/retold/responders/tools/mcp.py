"""The tool `mcp`: a tool of an MCP server that the agent names."""

from collections.abc import Sequence
from typing import Final

import anyio
import structlog

from retold.domain.dialogue import ToolUse
from retold.domain.json_paths import values_at
from retold.domain.llm import Mcp
from retold.domain.llm_tools import McpTool
from retold.domain.mcp import McpAnswer, McpToolInfo, address_of, server_named
from retold.domain.variables import Variables
from retold.errors import AddressRefused, ConnectFailed
from retold.responders.tools.context import ToolContext
from retold.responders.tools.mcp_sessions import ConnectMcp, McpSessions
from retold.responders.tools.result import ToolResult

DESCRIBING_S: Final = 3.0
"""How long the agent may wait for what a server says of its tools; without it the model gives what it can."""
_NO_OBJECT: Final = "The arguments are no JSON object. Use the tool again with arguments that are one."
_NO_SERVER: Final = "This agent has no MCP server {name}. Go on without the tool."
_REFUSED: Final = "This tool's address may not be reached from this server. Go on without the tool."
_UNREACHED: Final = "The tool's server gave no answer: {error}."
_NO_CONTENT: Final = "The tool answered, and had nothing to say."

log = structlog.stdlib.get_logger()


async def run(tool: McpTool, use: ToolUse, context: ToolContext) -> ToolResult:
    """Use the tool of its server, in the call's session with it."""
    arguments = use.parsed()
    if arguments is None:
        return ToolResult(_NO_OBJECT, successful=False)
    server, connect = server_named(context.mcps, tool.mcp_id), context.services.connect_mcp
    if server is None or connect is None:
        return ToolResult(_NO_SERVER.format(name=tool.mcp_id or "of that kind"), successful=False)
    address = address_of(server, context.variables)
    try:
        with anyio.fail_after(server.timeout_ms / 1000):
            answer = await context.mcp_sessions.call(connect, address, tool.name, arguments)
    except AddressRefused as error:
        # What the name resolves to is for whoever runs the server, not for whoever talks to the agent.
        _warn(context, use, error)
        return ToolResult(_REFUSED, successful=False)
    except ConnectFailed as error:
        _warn(context, use, error)
        return ToolResult(_UNREACHED.format(error=error), successful=False)
    except TimeoutError as error:
        _warn(context, use, error)
        return ToolResult(_UNREACHED.format(error=f"{server.timeout_ms / 1000:g} s are over"), successful=False)
    return _told(tool, answer)


async def described(
    tool: McpTool, mcps: Sequence[Mcp], connect: ConnectMcp | None, sessions: McpSessions, variables: Variables
) -> McpToolInfo | None:
    """What the tool's server says of it, where the agent does not say what it takes; None when that is not known."""
    server = server_named(mcps, tool.mcp_id)
    if tool.input_schema or server is None or connect is None:
        return None
    address = address_of(server, variables)
    try:
        with anyio.fail_after(min(DESCRIBING_S, server.timeout_ms / 1000)):
            return (await sessions.tools(connect, address)).get(tool.name)
    except (AddressRefused, ConnectFailed, TimeoutError) as error:
        log.warning("mcp_tools_not_described", server=server.name, tool=tool.name, error=str(error) or "too late")
        sessions.forgo_tools(address)
        return None


def _told(tool: McpTool, answer: McpAnswer) -> ToolResult:
    found = {} if answer.is_error else values_at(answer.document, tool.response_variables or {})
    return ToolResult(answer.text or _NO_CONTENT, successful=not answer.is_error, variables=found)


def _warn(context: ToolContext, use: ToolUse, error: Exception) -> None:
    log.warning("tool_failed", call_id=context.record.call.call_id, tool=use.name, error=str(error) or "too late")
