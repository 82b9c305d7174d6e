"""The Retell LLM resource: prompt, tools and states that are kept on the server (SDK 6.2.13 `LlmResponse`)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from retold.domain.agent_options import Fraction, LongText, RequestModel, ShortText
from retold.domain.llm_models import DeprecatedBackup, ModelSettings
from retold.domain.llm_tools import Headers, JsonSchema, Texts, Tool, ToolUrl
from retold.domain.response_engine import RETELL_LLM_URL

Prompt = Annotated[str, Field(max_length=200_000)]


class KbConfig(RequestModel):
    """How much of a knowledge base is looked up."""

    top_k: Annotated[int, Field(ge=1, le=10)] | None = None
    filter_score: Fraction | None = None


class Mcp(RequestModel):
    """An MCP server whose tools may be used."""

    name: ShortText
    url: ToolUrl
    headers: Headers | None = None
    query_params: Texts | None = None
    timeout_ms: Annotated[int, Field(gt=0)] = 120_000


class StateEdge(RequestModel):
    """The way from one state to another."""

    destination_state_name: ShortText
    description: LongText
    parameters: JsonSchema | None = None


class State(RequestModel):
    """A part of the conversation with a prompt and tools of its own."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    state_prompt: Prompt | None = None
    edges: list[StateEdge] | None = None
    tools: list[Tool] | None = None


class LlmSettings(RequestModel):
    """The settings of a Retell LLM; null clears those that may be empty."""

    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())

    models: ModelSettings = Field(default=ModelSettings(), alias="model_config")
    backup_model: DeprecatedBackup | None = None
    model: ShortText | None = None
    model_high_priority: bool | None = None
    model_temperature: Fraction | None = None
    model_ultrafast: bool | None = None
    s2s_model: ShortText | None = None

    begin_after_user_silence_ms: Annotated[int, Field(ge=0)] | None = None
    begin_message: LongText | None = None
    default_dynamic_variables: Texts | None = None
    general_prompt: Prompt | None = None
    general_tools: list[Tool] | None = None
    inbound_dynamic_variables_webhook_url: Annotated[str, Field(max_length=2_048)] | None = None
    """Of 2024; phone numbers have it today."""
    is_transfer_llm: bool | None = None
    kb_config: KbConfig | None = None
    knowledge_base_ids: list[ShortText] | None = None
    mcps: list[Mcp] | None = None
    start_speaker: Literal["user", "agent"] = "agent"
    starting_state: ShortText | None = None
    states: list[State] | None = None
    tool_call_strict_mode: bool | None = None


class Llm(LlmSettings):
    """One version of a Retell LLM; its versions are those of the agents that use it."""

    model_config = ConfigDict(strict=False, extra="allow")

    llm_id: str
    version: int = 0
    is_published: bool = False
    last_modification_timestamp: int

    def wire(self) -> dict[str, Any]:
        """The LLM as the API shows it, with the address by which clients of 2024 name it."""
        shape = self.model_dump(mode="json", exclude_none=True, by_alias=True)
        return shape | {"llm_websocket_url": RETELL_LLM_URL + self.llm_id}

    def stored(self) -> str:
        """The LLM as it is kept, as JSON."""
        return self.model_dump_json(exclude_none=True, by_alias=True)
