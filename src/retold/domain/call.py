"""The call object: wire shape, stored shape and (later) webhook payload in one model.

Fields: Retell's "Get Call" page of 2024 plus their successors in SDK 6.2.13; absent means not filled yet.
"""

from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from retold.domain.call_parts import (
    STORAGE_SETTINGS,
    CallAnalysis,
    CallCost,
    DataStorageSetting,
    LlmTokenUsage,
    TelephonyIdentifier,
)
from retold.domain.latency import CallLatency, LatencyStats
from retold.domain.pii.categories import CATEGORIES, PiiCategory
from retold.domain.reasons import CallStatus, DisconnectionReason

TranscriptJson = list[dict[str, Any]]
AudioEncoding = Literal["s16le", "mulaw"]
AudioProtocol = Literal["web", "twilio"]


class CallAudio(BaseModel):
    """How the caller's audio websocket carries sound; v1 register-call names it, newer calls take the default."""

    model_config = ConfigDict(frozen=True)

    encoding: AudioEncoding = "s16le"
    sample_rate: int = Field(default=24_000, ge=8_000, le=48_000)
    protocol: AudioProtocol = "web"


class Call(BaseModel):
    """One call; unset fields are omitted on the wire, and fields this server does not know survive."""

    model_config = ConfigDict(frozen=True, extra="allow")

    call_type: Literal["web_call", "phone_call"] = "web_call"
    call_id: str
    agent_id: str
    agent_version: int = 0
    agent_name: str | None = None
    agent_tag: str | None = None
    call_status: CallStatus = CallStatus.REGISTERED
    access_token: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    direction: Literal["inbound", "outbound"] | None = None
    telephony_identifier: TelephonyIdentifier | None = None
    custom_sip_headers: dict[str, str] | None = None
    metadata: dict[str, JsonValue] | None = None
    custom_attributes: dict[str, str | int | float | bool] | None = None
    retell_llm_dynamic_variables: dict[str, JsonValue] | None = None
    collected_dynamic_variables: dict[str, str] | None = None
    data_storage_setting: DataStorageSetting = "everything"
    opt_out_sensitive_data_storage: bool = False
    opt_in_signed_url: bool = False
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    transfer_end_timestamp: int | None = None
    duration_ms: int | None = None
    transcript: str | None = None
    transcript_object: TranscriptJson | None = None
    transcript_with_tool_calls: TranscriptJson | None = None
    scrubbed_transcript_with_tool_calls: TranscriptJson | None = None
    pre_session_transcript_with_tool_calls: TranscriptJson | None = None
    post_session_transcript_with_tool_calls: TranscriptJson | None = None
    scrubbed_pre_session_transcript_with_tool_calls: TranscriptJson | None = None
    scrubbed_post_session_transcript_with_tool_calls: TranscriptJson | None = None
    recording_url: str | None = None
    recording_multi_channel_url: str | None = None
    scrubbed_recording_url: str | None = None
    scrubbed_recording_multi_channel_url: str | None = None
    public_log_url: str | None = None
    knowledge_base_retrieved_contents_url: str | None = None
    latency: CallLatency | None = None
    e2e_latency: LatencyStats | None = None
    llm_latency: LatencyStats | None = None
    llm_websocket_network_rtt_latency: LatencyStats | None = None
    disconnection_reason: DisconnectionReason | None = None
    transfer_destination: str | None = None
    call_analysis: CallAnalysis | None = None
    call_cost: CallCost | None = None
    llm_token_usage: LlmTokenUsage | None = None

    @property
    def stores_sensitive_data(self) -> bool:
        """Whether transcript, recording and log may be written to disk as they are."""
        return self.data_storage_setting == "everything" and not self.opt_out_sensitive_data_storage

    @property
    def stores_scrubbed_data(self) -> bool:
        """Whether they may be without the personal data in them."""
        return self.data_storage_setting == "everything_except_pii" and not self.opt_out_sensitive_data_storage

    def wire(self) -> dict[str, Any]:
        """The call as the API shows it: JSON-ready, unset fields omitted."""
        return self.model_dump(mode="json", exclude_none=True)

    def as_created(self) -> "Call":
        """The call as it was shown when it was made."""
        return self.model_copy(update={**dict.fromkeys(_AFTER_CREATION), "call_status": CallStatus.REGISTERED})

    def tightened(self, setting: DataStorageSetting) -> "Call":
        """The call with this storage setting, and without what it forbids. Raises ValueError for a looser one.

        What `everything_except_pii` would leave of what is stored already is not worked out: all of it goes.
        """
        if setting == self.data_storage_setting:
            return self
        if STORAGE_SETTINGS.index(setting) < STORAGE_SETTINGS.index(self.data_storage_setting):
            raise ValueError(f"data_storage_setting is {self.data_storage_setting} and can only be tightened")
        return self.model_copy(update={"data_storage_setting": setting}).permitted()

    def permitted(self) -> "Call":
        """What of the call, as it was told, may be written to disk."""
        return self if self.stores_sensitive_data else self.model_copy(update=dict.fromkeys(SENSITIVE_FIELDS))


SENSITIVE_FIELDS = (
    "transcript",
    "transcript_object",
    "transcript_with_tool_calls",
    "scrubbed_transcript_with_tool_calls",
    "pre_session_transcript_with_tool_calls",
    "post_session_transcript_with_tool_calls",
    "scrubbed_pre_session_transcript_with_tool_calls",
    "scrubbed_post_session_transcript_with_tool_calls",
    "recording_url",
    "recording_multi_channel_url",
    "scrubbed_recording_url",
    "scrubbed_recording_multi_channel_url",
    "public_log_url",
    "knowledge_base_retrieved_contents_url",
    "call_analysis",
    "collected_dynamic_variables",
)
"""What a storage setting tighter than `everything` forbids."""
_AFTER_CREATION = (
    *SENSITIVE_FIELDS,
    "custom_attributes",
    "start_timestamp",
    "end_timestamp",
    "transfer_end_timestamp",
    "duration_ms",
    "latency",
    "e2e_latency",
    "llm_latency",
    "llm_websocket_network_rtt_latency",
    "disconnection_reason",
    "transfer_destination",
    "call_cost",
    "llm_token_usage",
)


_DAY_MS = 86_400_000


class CallRecord(BaseModel):
    """What is stored of a call: the object itself and what the API never shows.

    What a client may name freely stands in `call`, or is JSON text here: `call` is cut out of what is stored by the
    names that follow it.
    """

    # What is read is new in every call: kept for the next one, it would only fill memory, thousands of calls long.
    model_config = ConfigDict(frozen=True, extra="allow", cache_strings="keys")

    call: Call
    org_id: str
    audio: CallAudio = CallAudio()
    created_wall_ms: int
    join_deadline_wall_ms: int
    is_registered_phone_call: bool = False
    """Made by register-call or register-phone-call: not joined in time means registered_call_timeout."""
    is_dialled_by_us: bool = False
    """Made by create-phone-call: nobody can join it."""
    pii_categories: tuple[PiiCategory, ...] | None = None
    """What is left out of the scrubbed copies; None when there are to be none."""
    files_token: str
    """Random, in the paths of the call's files; marked when these are served with a signature only."""
    signed_url_expiration_ms: int | None = None
    """How long a signed address is served; None is the default."""
    data_storage_retention_days: int | None = None
    """The agent's, counted from the end of the call; None is for ever."""
    end_call_after_silence_ms: int | None = None
    """v1 register-call's own value, over the agent's."""
    agent_override_json: str | None = None
    """An `AgentOverride` for this call only."""
    current_node_id: str | None = None
    """The node of a conversation flow that the call starts in."""
    current_state: str | None = None
    """The state of a Retell LLM that the call starts in."""
    variable_overrides_json: str | None = None
    """Dynamic variables set while the call runs; they go before those it was created with."""
    is_recording_complete: bool = True
    is_scrubbed: bool = False
    """Whether transcript, recording and log are those without personal data."""
    tool_latencies_json: str | None = None
    """From a tool's call to its result in milliseconds, by `tool_call_id`; calls can be found by them."""

    @property
    def tool_latencies_ms(self) -> dict[str, float]:
        """The same, parsed."""
        return orjson.loads(self.tool_latencies_json or "{}")

    def permitted(self) -> "CallRecord":
        """What of the record may be written to disk."""
        if self.call.stores_sensitive_data:
            return self
        if self.is_scrubbed and self.call.stores_scrubbed_data:
            return self._with_scrubbed_analysis()
        return self.model_copy(update={"call": self.call.permitted(), "tool_latencies_json": None})

    @property
    def scrubbed_categories(self) -> tuple[PiiCategory, ...]:
        """What is left out of the scrubbed copies; all there is, where only these may be stored and none is named."""
        return self.pii_categories or (CATEGORIES if self.call.stores_scrubbed_data else ())

    def _with_scrubbed_analysis(self) -> "CallRecord":
        analysis = self.call.call_analysis
        if analysis is None:
            return self
        # Imported when it is first needed: lists of names and words, which few servers use.
        from retold.domain.pii.scrub import scrub_json  # noqa: PLC0415 - as said

        try:
            text = scrub_json(analysis.model_dump_json(exclude_none=True), self.scrubbed_categories)
            scrubbed = CallAnalysis.model_validate_json(text)
        except Exception:  # noqa: BLE001 - fails closed: what could not be searched is not stored
            scrubbed = None
        return self.model_copy(update={"call": self.call.model_copy(update={"call_analysis": scrubbed})})

    @property
    def erase_after_ms(self) -> int | None:
        """When the call is to be erased, in milliseconds since the epoch; None while it goes on, or when never."""
        ended_ms = self.call.end_timestamp if self.call.call_status.is_terminal else None
        days = self.data_storage_retention_days
        return None if ended_ms is None or days is None else ended_ms + days * _DAY_MS

    @property
    def unjoined_reason(self) -> DisconnectionReason:
        """Why the call ends when nobody has joined it by its deadline."""
        if self.is_dialled_by_us:
            return DisconnectionReason.TELEPHONY_PROVIDER_UNAVAILABLE
        if self.is_registered_phone_call:
            return DisconnectionReason.REGISTERED_CALL_TIMEOUT
        return DisconnectionReason.ERROR_USER_NOT_JOINED
