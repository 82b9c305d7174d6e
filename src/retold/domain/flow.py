"""Conversation flows and their components, as they are kept on the server (SDK 6.2.13 `ConversationFlowResponse`)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field

from retold.domain.agent_options import Fraction, LongText, RequestModel, ShortText
from retold.domain.flow_edges import Id
from retold.domain.flow_nodes import ModelChoice, Node, Position
from retold.domain.llm import KbConfig, Mcp, Prompt
from retold.domain.llm_models import DeprecatedBackup, ModelSettings
from retold.domain.llm_tools import CustomTool, IntegrationApp, Texts


class FlowCustomTool(CustomTool):
    """A web service that function nodes call by this id."""

    tool_id: Id | None = None


class FlowApp(IntegrationApp):
    """A connected app that function nodes call by this id."""

    tool_id: Id | None = None


FlowTool = Annotated[FlowCustomTool | FlowApp, Discriminator("type")]


class FlowMcp(Mcp):
    """An MCP server that nodes name by this id, else by its name."""

    mcp_id: Id | None = None


class Size(RequestModel):
    """How large a note is drawn."""

    width: float | None = None
    height: float | None = None


class Note(RequestModel):
    """A note on the canvas."""

    id: ShortText
    content: LongText
    display_position: Position
    size: Size


class Graph(RequestModel):
    """Nodes, where to begin, and what the nodes use: the whole of a component, the heart of a flow."""

    nodes: list[Node]
    start_node_id: Id | None = None
    """None for the first node."""
    tools: list[FlowTool] | None = None
    mcps: list[FlowMcp] | None = None
    begin_tag_display_position: Position | None = None
    notes: list[Note] | None = None
    flex_mode: bool | None = None


class ComponentSettings(Graph):
    """A part of a flow that is used like one node."""

    name: ShortText


class Component(ComponentSettings):
    """Such a part of one flow."""

    conversation_flow_component_id: Id | None = None
    """What component nodes name, else its name."""

    @property
    def component_id(self) -> str:
        """What component nodes name."""
        return self.conversation_flow_component_id or self.name


class FlowOptions(RequestModel):
    """The settings of a flow beside its graph; null clears those that may be empty."""

    # `model_config` is a field of the API and pydantic's own name too.
    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    models: ModelSettings = Field(default=ModelSettings(), alias="model_config")
    model_choice: ModelChoice | None = None
    model_temperature: Fraction | None = None
    backup_model: DeprecatedBackup | None = None

    begin_after_user_silence_ms: Annotated[int, Field(ge=0)] | None = None
    components: list[Component] | None = None
    default_dynamic_variables: Texts | None = None
    global_prompt: Prompt | None = None
    is_transfer_cf: bool | None = None
    kb_config: KbConfig | None = None
    knowledge_base_ids: list[ShortText] | None = None
    start_speaker: Literal["user", "agent"] = "agent"
    tool_call_strict_mode: bool | None = None


class Flow(Graph, FlowOptions):
    """One version of a conversation flow; its versions are those of the agents that use it."""

    model_config = ConfigDict(strict=False, extra="allow")

    conversation_flow_id: str
    version: int = 0
    is_published: bool = False
    last_modification_timestamp: int

    def wire(self) -> dict[str, Any]:
        """The flow as the API shows it."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)

    def stored(self) -> str:
        """The flow as it is kept, as JSON."""
        return self.model_dump_json(exclude_none=True, by_alias=True)


class SharedComponent(ComponentSettings):
    """A component of its own that several flows use; a change of it holds for all of them at once."""

    model_config = ConfigDict(strict=False, extra="allow")

    conversation_flow_component_id: Id
    user_modified_timestamp: int

    @property
    def component_id(self) -> str:
        """What component nodes name."""
        return self.conversation_flow_component_id

    def wire(self, linked_flow_ids: list[str]) -> dict[str, Any]:
        """The component as the API shows it, with the flows that use it."""
        shape = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        return shape | {"linked_conversation_flow_ids": linked_flow_ids}

    def stored(self) -> str:
        """The component as it is kept, as JSON."""
        return self.model_dump_json(exclude_none=True, by_alias=True)
