"""Hands the call over to another agent: looked up while the tool runs, so that a model is told when it cannot be."""

from structlog.stdlib import get_logger

from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm_tools import AgentSwap
from retold.errors import RetoldError
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import SwapsAgent, ToolResult

TAKES_OVER = "Another agent takes over."
STAYS = "The call could not be handed over: {why}. Tell the caller, and go on yourself."


async def run(tool: AgentSwap | AgentSwapNode, context: ToolContext) -> ToolResult:
    """Find the agent; it takes over when the turn that uses the tool is over, or void."""
    if context.take_over is None:
        return _stays("no other agent can be reached from this call")
    try:
        successor = await context.take_over(tool)
    except RetoldError as error:
        successor = str(error)
    if isinstance(successor, str):
        get_logger().warning("agent_not_swapped", agent_id=tool.agent_id, error=successor)
        return _stays(successor)
    return ToolResult(TAKES_OVER, successful=True, effect=SwapsAgent(successor))


def _stays(why: str) -> ToolResult:
    return ToolResult(STAYS.format(why=why), successful=False)
