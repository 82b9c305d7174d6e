"""The call object: wire shape, stored shape and (later) webhook payload in one model.

Fields of `../spec`: the "Get Call" page of 2024 plus their successors in SDK 6.2.13; absent means not filled yet.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from retold.domain.latency import CallLatency, LatencyStats
from retold.domain.reasons import CallStatus, DisconnectionReason

DataStorageSetting = Literal["everything", "everything_except_pii", "basic_attributes_only"]
AudioEncoding = Literal["s16le", "mulaw"]
AudioProtocol = Literal["web", "twilio"]


class CallAudio(BaseModel):
    """How the caller's audio websocket carries sound; v1 register-call names it, newer calls take the default."""

    model_config = ConfigDict(frozen=True)

    encoding: AudioEncoding = "s16le"
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000)
    protocol: AudioProtocol = "web"


class Call(BaseModel):
    """One call; unset fields are omitted on the wire (`model_dump(exclude_none=True)`)."""

    model_config = ConfigDict(frozen=True)

    call_type: Literal["web_call", "phone_call"] = "web_call"
    call_id: str
    agent_id: str
    agent_version: int = 0
    agent_name: str | None = None
    call_status: CallStatus = CallStatus.REGISTERED
    access_token: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    direction: Literal["inbound", "outbound"] | None = None
    metadata: dict[str, JsonValue] | None = None
    retell_llm_dynamic_variables: dict[str, JsonValue] | None = None
    collected_dynamic_variables: dict[str, str] | None = None
    data_storage_setting: DataStorageSetting = "everything"
    opt_out_sensitive_data_storage: bool = False
    opt_in_signed_url: bool = False
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    duration_ms: int | None = None
    transcript: str | None = None
    transcript_object: list[dict[str, Any]] | None = None
    transcript_with_tool_calls: list[dict[str, Any]] | None = None
    recording_url: str | None = None
    recording_multi_channel_url: str | None = None
    public_log_url: str | None = None
    latency: CallLatency | None = None
    e2e_latency: LatencyStats | None = None
    llm_latency: LatencyStats | None = None
    llm_websocket_network_rtt_latency: LatencyStats | None = None
    disconnection_reason: DisconnectionReason | None = None

    @property
    def stores_sensitive_data(self) -> bool:
        """Whether transcript, recording and log may be written to disk."""
        return self.data_storage_setting == "everything" and not self.opt_out_sensitive_data_storage

    def wire(self) -> dict[str, Any]:
        """The call as the API shows it: JSON-ready, unset fields omitted."""
        return self.model_dump(mode="json", exclude_none=True)


class CallRecord(BaseModel):
    """What is stored of a call: the object itself and what the API never shows."""

    model_config = ConfigDict(frozen=True)

    call: Call
    org_id: str
    audio: CallAudio = CallAudio()
    created_wall_ms: int
    join_deadline_wall_ms: int
    is_registered_phone_call: bool = False
    """Made by v1 register-call: not joined in time means registered_call_timeout."""
    files_token: str
    """128 random bits in the paths of the call's files."""
    end_call_after_silence_ms: int | None = None
    """v1 register-call's own value, over the agent's."""
    is_recording_complete: bool = True
