"""The agent resource: wire shape and stored shape.

Fields: SDK 6.2.13 `AgentResponse`; engines of this version: custom-llm and the 2024 form `llm_websocket_url`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from retold.domain.call import DataStorageSetting

DEMO_AGENT_ID = "demo"
DEMO_BRAIN_URL = "retold://demo-brain"
"""Address of the built-in demo brain; outbound.py turns it into our own listener."""


class CustomLlm(BaseModel):
    """The response engine that asks a customer's LLM websocket."""

    model_config = ConfigDict(frozen=True)

    type: Literal["custom-llm"] = "custom-llm"
    llm_websocket_url: str = Field(min_length=1, max_length=2048)


class Agent(BaseModel):
    """One version of an agent; fields Retell has and we do not run yet are kept as sent."""

    model_config = ConfigDict(frozen=True, extra="allow")

    agent_id: str
    version: int = 0
    is_published: bool = False
    last_modification_timestamp: int
    agent_name: str | None = None
    response_engine: CustomLlm
    voice_id: str
    voice_speed: float = Field(default=1.0, ge=0.5, le=2.0)
    volume: float = Field(default=1.0, ge=0.0, le=2.0)
    language: str | list[str] = "en-US"
    responsiveness: float = Field(default=1.0, ge=0.0, le=1.0)
    interruption_sensitivity: float = Field(default=1.0, ge=0.0, le=1.0)
    reminder_trigger_ms: float = Field(default=10_000, gt=0)
    reminder_max_count: int = Field(default=1, ge=0)
    end_call_after_silence_ms: int = Field(default=600_000, ge=10_000)
    max_call_duration_ms: int = Field(default=3_600_000, ge=60_000, le=7_200_000)
    begin_message_delay_ms: int = Field(default=0, ge=0, le=5_000)
    data_storage_setting: DataStorageSetting = "everything"
    opt_out_sensitive_data_storage: bool | None = None
    webhook_url: str | None = None

    def wire(self) -> dict[str, Any]:
        """The agent as the API shows it, with the 2024 field beside `response_engine`."""
        shape = self.model_dump(mode="json", exclude_none=True)
        shape["llm_websocket_url"] = self.response_engine.llm_websocket_url
        return shape
