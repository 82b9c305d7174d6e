"""The nodes of a conversation flow: all types of SDK 6.2.13."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field

from retold.domain.agent_options import (
    AnalysisItem,
    CustomStt,
    EnumAnalysisItem,
    Fraction,
    Prompted,
    RequestModel,
    ShortText,
    StaticText,
)
from retold.domain.flow_edges import ConversationExample, Edge, GlobalNodeSetting, Id, TransitionExample
from retold.domain.llm import KbConfig
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import (
    CustomerNumber,
    OtherNumber,
    SipHeaders,
    SmsSender,
    TemplateSms,
    Texts,
    Tool,
)
from retold.domain.llm_transfer import Destination, TransferOption

Instruction = Annotated[Prompted | StaticText, Discriminator("type")]


class Position(RequestModel):
    """Where something stands on the canvas."""

    x: float | None = None
    y: float | None = None


class ModelChoice(RequestModel):
    """A model in its deprecated spelling."""

    type: Literal["cascading", "s2s"] = "cascading"
    model: ShortText
    high_priority: bool | None = None
    ultrafast: bool | None = None

    @property
    def primary(self) -> PrimaryModel:
        """The same as it is spelled today."""
        if self.ultrafast:
            return PrimaryModel(model=self.model, tier="ultrafast")
        return PrimaryModel(model=self.model, tier="fast" if self.high_priority else "standard")


class NodeModel(RequestModel):
    """The model of one node instead of the flow's."""

    primary: PrimaryModel


class FlowNode(RequestModel):
    """What all nodes have."""

    # `model_config` is a field of the API and pydantic's own name too.
    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    id: Id
    name: ShortText | None = None
    display_position: Position | None = None
    global_node_setting: GlobalNodeSetting | None = None
    model_choice: ModelChoice | None = None
    node_model: NodeModel | None = Field(default=None, alias="model_config")

    @property
    def primary_model(self) -> PrimaryModel | None:
        """The model this node asks for, None for the flow's."""
        if self.node_model is not None:
            return self.node_model.primary
        return None if self.model_choice is None else self.model_choice.primary

    def edges_by_path(self) -> Iterator[tuple[str, Edge]]:
        """Every edge that leads on from this node, with its path inside the node."""
        for name in ("always_edge", "skip_response_edge", "edge", "success_edge", "failed_edge", "else_edge"):
            edge: Edge | None = getattr(self, name, None)
            if edge is not None:
                yield name, edge
        edges: list[Edge] | None = getattr(self, "edges", None)
        for number, edge in enumerate(edges or ()):
            yield f"edges[{number}]", edge


class BranchingNode(FlowNode):
    """A node that is left by the first of its edges whose condition holds, else by `else_edge`."""

    edges: list[Edge] | None = None
    else_edge: Edge | None = None
    finetune_transition_examples: list[TransitionExample] | None = None


class TalkingNode(BranchingNode):
    """A node that talks with the caller, perhaps with settings of its own."""

    instruction: Instruction
    always_edge: Edge | None = None
    skip_response_edge: Edge | None = None
    skippable: bool | None = None
    finetune_conversation_examples: list[ConversationExample] | None = None
    allow_dtmf_interruption: bool | None = None
    boosted_keywords: list[ShortText] | None = None
    custom_stt_config: CustomStt | None = None
    interruption_sensitivity: Fraction | None = None
    kb_config: KbConfig | None = None
    knowledge_base_ids: list[ShortText] | None = None
    reminder_max_count: Annotated[int, Field(ge=0)] | None = None
    reminder_trigger_ms: Annotated[float, Field(gt=0)] | None = None
    responsiveness: Fraction | None = None
    stt_mode: Literal["fast", "accurate", "custom"] | None = None
    voice_speed: Annotated[float, Field(ge=0.5, le=2.0)] | None = None


class ConversationNode(TalkingNode):
    """Say something, or talk about one thing."""

    type: Literal["conversation"]


class SubagentNode(TalkingNode):
    """Talk with tools at hand."""

    type: Literal["subagent"]
    tool_ids: list[Id] | None = None
    tools: list[Tool] | None = None


class SpeakingNode(FlowNode):
    """A node that may say something while it acts."""

    instruction: Instruction | None = None
    speak_during_execution: bool | None = None


class EndNode(SpeakingNode):
    """Hang up."""

    type: Literal["end"]
    custom_sip_headers: SipHeaders | None = None


class ActingNode(BranchingNode):
    """A node that runs something and may wait for what it gives."""

    wait_for_result: bool
    instruction: Instruction | None = None
    speak_during_execution: bool | None = None
    enable_typing_sound: bool | None = None


class FunctionNode(ActingNode):
    """Run a tool of the flow."""

    type: Literal["function"]
    tool_id: Id
    tool_type: Literal["local", "shared"]


class CodeNode(ActingNode):
    """Run JavaScript."""

    type: Literal["code"]
    code: Annotated[str, Field(max_length=20_000)]
    response_variables: Texts | None = None
    timeout_ms: Annotated[int, Field(ge=5_000, le=60_000)] | None = None


class McpNode(ActingNode):
    """Run a tool of an MCP server."""

    type: Literal["mcp"]
    mcp_id: Id
    mcp_tool_name: Id
    response_variables: Texts | None = None


class TransferCallNode(SpeakingNode):
    """Connect the caller to somebody else; `edge` is taken when that fails."""

    type: Literal["transfer_call"]
    transfer_destination: Destination
    transfer_option: TransferOption
    edge: Edge
    custom_sip_headers: SipHeaders | None = None
    ignore_e164_validation: bool | None = None


class PressDigitNode(BranchingNode):
    """Send key presses."""

    type: Literal["press_digit"]
    instruction: Prompted
    delay_ms: Annotated[int, Field(ge=0, le=5_000)] | None = None


class BranchNode(BranchingNode):
    """Go on at once, by conditions alone."""

    type: Literal["branch"]
    else_edge: Edge  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride] - required here


class SmsNode(FlowNode):
    """Send a text message."""

    type: Literal["sms"]
    instruction: Annotated[Prompted | StaticText | TemplateSms, Discriminator("type")]
    success_edge: Edge
    failed_edge: Edge
    sms_destination: Annotated[CustomerNumber | OtherNumber, Discriminator("type")] | None = None
    sms_sender: SmsSender | None = None


class ExtractNode(BranchingNode):
    """Read variables out of the conversation."""

    type: Literal["extract_dynamic_variables"]
    variables: list[Annotated[AnalysisItem | EnumAnalysisItem, Discriminator("type")]]
    enable_typing_sound: bool | None = None


class AgentSwapNode(SpeakingNode):
    """Let another agent go on with the call; `edge` is taken when that fails."""

    type: Literal["agent_swap"]
    agent_id: ShortText
    agent_version: ShortText | int | None = None
    edge: Edge
    post_call_analysis_setting: Literal["both_agents", "only_destination_agent"]
    webhook_setting: Literal["both_agents", "only_destination_agent", "only_source_agent"] | None = None
    keep_current_language: bool | None = None
    keep_current_voice: bool | None = None
    use_swap_agent_max_duration: bool | None = None


class ComponentNode(BranchingNode):
    """Go through a component, and on from here when it is left."""

    type: Literal["component"]
    component_id: Id
    component_type: Literal["local", "shared"]
    else_edge: Edge  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride] - required here


class BridgeTransferNode(SpeakingNode):
    """Of a transfer agent: connect the two parties."""

    type: Literal["bridge_transfer"]


class CancelTransferNode(SpeakingNode):
    """Of a transfer agent: do not connect them."""

    type: Literal["cancel_transfer"]


Node = Annotated[
    ConversationNode
    | SubagentNode
    | EndNode
    | FunctionNode
    | CodeNode
    | McpNode
    | TransferCallNode
    | PressDigitNode
    | BranchNode
    | SmsNode
    | ExtractNode
    | AgentSwapNode
    | ComponentNode
    | BridgeTransferNode
    | CancelTransferNode,
    Discriminator("type"),
]
