"""Runs any tool: the only place that knows which file is for which kind."""

from retold.domain.dialogue import ToolUse
from retold.domain.llm_tools import (
    AgentSwap,
    BridgeTransfer,
    CalComTool,
    CancelTransfer,
    CodeTool,
    CustomTool,
    EndCall,
    ExtractDynamicVariable,
    McpTool,
    PressDigit,
    SendSms,
    Tool,
    TransferCall,
)
from retold.responders.tools import agent_swap, cal, code, custom, extract_dynamic_variable, mcp, sms
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import EndsCall, ToolResult

NO_TELEPHONE = "There is no telephone line in a {kind} to {do}. Tell the caller, and go on without."


async def run_tool(tool: Tool, use: ToolUse, context: ToolContext) -> ToolResult:  # noqa: PLR0911 - one arm per kind
    """Run a tool as the model asked; whatever goes wrong is a result that the model can act on, never raised."""
    match tool:
        case CodeTool():
            return await code.run(tool, use, context)
        case CustomTool():
            return await custom.run(tool, use, context)
        case CalComTool():
            return await cal.run(tool, use, context)
        case SendSms():
            return await sms.run(tool, use, context)
        case McpTool():
            return await mcp.run(tool, use, context)
        case AgentSwap():
            return await agent_swap.run(tool, context)
        case _:
            return _run_at_once(tool, use, context)


def _run_at_once(tool: Tool, use: ToolUse, context: ToolContext) -> ToolResult:
    """Run a tool that waits for nobody."""
    match tool:
        case EndCall():
            return ToolResult("The call ends.", successful=True, effect=EndsCall())
        case ExtractDynamicVariable():
            return extract_dynamic_variable.run(tool, use)
        case PressDigit():
            return _without_telephone(context, "press a key on")
        case TransferCall() | BridgeTransfer() | CancelTransfer():
            return _without_telephone(context, "transfer the call over")
        case _:
            return ToolResult(f"This server cannot run {use.name}, a tool of the type {tool.type}.", successful=False)


def _without_telephone(context: ToolContext, do: str) -> ToolResult:
    kind = context.record.call.call_type.replace("_", " ")
    return ToolResult(NO_TELEPHONE.format(kind=kind, do=do), successful=False)
