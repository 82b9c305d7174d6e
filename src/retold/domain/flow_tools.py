"""What a node does, as the tool that does the same; pure."""

import re
from typing import Final

from retold.domain.flow_map import FlowMap, Path
from retold.domain.flow_nodes import (
    AgentSwapNode,
    BridgeTransferNode,
    CancelTransferNode,
    CodeNode,
    ExtractNode,
    FlowNode,
    FunctionNode,
    McpNode,
    PressDigitNode,
    SmsNode,
    SubagentNode,
    TransferCallNode,
)
from retold.domain.llm_tools import (
    AgentSwap,
    BridgeTransfer,
    CancelTransfer,
    CodeTool,
    ExtractDynamicVariable,
    InferredSms,
    McpTool,
    PredefinedSms,
    PressDigit,
    SendSms,
    Tool,
    TransferCall,
)

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME_CHARS: Final = 64


def tool_at(flow: FlowMap, path: Path) -> Tool:  # noqa: PLR0911, C901 - one arm per kind
    """The tool that does what this node does; what the agent says meanwhile is up to the node."""
    node = flow.node(path)
    match node:
        case FunctionNode():
            return flow.tools(path[:-1])[node.tool_id].model_copy(update={"speak_during_execution": None})
        case CodeNode():
            return CodeTool(
                type="code",
                name=_name(node),
                code=node.code,
                response_variables=node.response_variables,
                timeout_ms=node.timeout_ms,
            )
        case McpNode():
            # The name is that of another server's tool: it is told as it is.
            return McpTool.model_construct(
                type="mcp",
                name=node.mcp_tool_name,
                description="",
                mcp_id=node.mcp_id,
                response_variables=node.response_variables,
            )
        case SmsNode():
            return _sms(node)
        case ExtractNode():
            about = "Note what the caller has said."
            return ExtractDynamicVariable(
                type="extract_dynamic_variable", name=_name(node), description=about, variables=node.variables
            )
        case PressDigitNode():
            about = node.instruction.text
            return PressDigit(type="press_digit", name=_name(node), description=about, delay_ms=node.delay_ms)
        case TransferCallNode():
            return _transfer(node)
        case AgentSwapNode():
            return _swap(node)
        case BridgeTransferNode():
            return BridgeTransfer(type="bridge_transfer", name=_name(node))
        case CancelTransferNode():
            return CancelTransfer(type="cancel_transfer", name=_name(node))
        case _:
            raise TypeError(f"node {node.id} runs no tool")


def tools_of(flow: FlowMap, path: Path) -> dict[str, Tool]:
    """The tools that a node has at hand while it talks, by name."""
    node = flow.node(path)
    if not isinstance(node, SubagentNode):
        return {}
    shared = flow.tools(path[:-1])
    tools = [*(node.tools or ()), *(shared[tool_id] for tool_id in node.tool_ids or ())]
    return {tool.name: tool for tool in tools}


def _sms(node: SmsNode) -> SendSms:
    content = node.instruction
    if content.type == "prompt":
        content = InferredSms(type="inferred", prompt=content.text)
    elif content.type == "static_text":
        content = PredefinedSms(type="predefined", text=content.text)
    return SendSms(
        type="send_sms",
        name=_name(node),
        sms_content=content,
        sms_destination=node.sms_destination,
        sms_sender=node.sms_sender,
    )


def _transfer(node: TransferCallNode) -> TransferCall:
    return TransferCall(
        type="transfer_call",
        name=_name(node),
        transfer_destination=node.transfer_destination,
        transfer_option=node.transfer_option,
        custom_sip_headers=node.custom_sip_headers,
        ignore_e164_validation=node.ignore_e164_validation,
    )


def _swap(node: AgentSwapNode) -> AgentSwap:
    return AgentSwap(
        type="agent_swap",
        name=_name(node),
        agent_id=node.agent_id,
        agent_version=node.agent_version,
        post_call_analysis_setting=node.post_call_analysis_setting,
        webhook_setting=node.webhook_setting,
        keep_current_language=node.keep_current_language,
        keep_current_voice=node.keep_current_voice,
        use_swap_agent_max_duration=node.use_swap_agent_max_duration,
    )


def _name(node: FlowNode) -> str:
    """A name that vendors of models take."""
    return _NOT_IN_NAMES.sub("_", node.name or node.id)[:_MAX_NAME_CHARS]
