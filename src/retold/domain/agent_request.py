"""What create-agent and update-agent take and how it becomes an agent: the fields of SDK 6.2.13 and of the 2024 era."""

import difflib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from retold.domain.agent import Agent
from retold.domain.agent_options import (
    LOCALES,
    AmbientSound,
    AnalysisItems,
    CallScreeningOption,
    ContactMemory,
    CustomLlmRef,
    CustomStt,
    DenoisingMode,
    Double,
    EmotionTag,
    Fraction,
    Guardrails,
    Handbook,
    IvrOption,
    LongText,
    PiiConfig,
    Pronunciation,
    RequestModel,
    ResponseEngineRef,
    ShortText,
    Tools,
    UserDtmfOptions,
    VoicemailOption,
    WebhookEvent,
)
from retold.domain.call import DataStorageSetting
from retold.errors import InvalidRequest


def _check_language(value: object) -> object:
    names = value if isinstance(value, list) else [value]
    for name in names or [None]:
        if name not in LOCALES:
            near = difflib.get_close_matches(str(name), LOCALES, n=1)
            fix = "use a locale such as en-US" + (f"; did you mean '{near[0]}'?" if near else "")
            raise PydanticCustomError("language", "must be a known locale or a list of them", {"fix": fix})
    return value


Language = Annotated[
    Any,
    BeforeValidator(_check_language),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(LOCALES)},
                {"type": "array", "items": {"type": "string", "enum": list(LOCALES)}},
            ]
        }
    ),
]


class AgentChanges(RequestModel):
    """The fields of an agent that a client may set; `| None` marks those that null clears."""

    response_engine: ResponseEngineRef = Field(default=CustomLlmRef(type="custom-llm", llm_websocket_url="unset"))
    llm_websocket_url: str = Field(default="", min_length=1, max_length=2048)
    """The 2024 form of `response_engine`."""
    voice_id: str = Field(default="", min_length=1, max_length=200)
    agent_name: ShortText | None = None
    allow_dtmf_interruption: bool = False
    allow_user_dtmf: bool = True
    ambient_sound: AmbientSound | None = None
    ambient_sound_volume: Double = 1.0
    backchannel_frequency: Fraction = 0.8
    backchannel_words: list[ShortText] | None = None
    begin_message_delay_ms: int = Field(default=0, ge=0, le=5_000)
    boosted_keywords: list[ShortText] | None = None
    call_screening_option: CallScreeningOption | None = None
    contact_memory_config: ContactMemory = ContactMemory()
    custom_stt_config: CustomStt | None = None
    data_storage_retention_days: Annotated[int, Field(ge=1, le=730)] | None = None
    data_storage_setting: DataStorageSetting = "everything"
    denoising_enhancement_level: Fraction | None = None
    denoising_mode: DenoisingMode = "noise-cancellation"
    enable_backchannel: bool = False
    enable_dnc_detection: bool = False
    enable_dynamic_responsiveness: bool = False
    enable_dynamic_voice_speed: bool = False
    enable_expressive_mode: bool = False
    end_call_after_silence_ms: int = Field(default=600_000, ge=10_000)
    expressive_emotion_tags: list[EmotionTag] = Field(default_factory=list)
    expressive_mode_prompt: LongText | None = None
    fallback_voice_ids: list[ShortText] | None = None
    guardrail_config: Guardrails = Guardrails()
    handbook_config: Handbook = Handbook()
    interruption_sensitivity: Fraction = 1.0
    is_transfer_agent: bool = False
    ivr_option: IvrOption | None = None
    language: Language = "en-US"
    max_call_duration_ms: int = Field(default=3_600_000, ge=60_000, le=7_200_000)
    opt_in_signed_url: bool = False
    pii_config: PiiConfig | None = None
    post_call_analysis_data: AnalysisItems | None = None
    post_call_analysis_model: ShortText | None = None
    post_session_tools: Tools | None = None
    pre_session_tools: Tools | None = None
    pronunciation_dictionary: list[Pronunciation] | None = None
    reminder_max_count: int = Field(default=1, ge=0)
    reminder_trigger_ms: float = Field(default=10_000, gt=0)
    responsiveness: Fraction = 1.0
    ring_duration_ms: int = Field(default=30_000, ge=5_000, le=300_000)
    signed_url_expiration_ms: Annotated[int, Field(gt=0)] | None = None
    stt_mode: Literal["fast", "accurate", "custom"] = "fast"
    timezone: ShortText | None = None
    user_dtmf_options: UserDtmfOptions | None = None
    version_description: LongText | None = None
    version_title: ShortText | None = None
    vocab_specialization: Literal["general", "medical"] = "general"
    voice_model: ShortText | None = None
    voice_speed: float = Field(default=1.0, ge=0.5, le=2.0)
    voice_temperature: Double = 1.0
    voicemail_option: VoicemailOption | None = None
    volume: Double = 1.0
    webhook_events: list[WebhookEvent] | None = None
    webhook_timeout_ms: int = Field(default=10_000, gt=0)
    webhook_url: Annotated[str, Field(max_length=2_048)] | None = None

    opt_out_sensitive_data_storage: bool | None = None
    enable_voicemail_detection: bool = False
    voicemail_message: LongText | None = None
    voicemail_detection_timeout_ms: int = Field(default=30_000, gt=0)
    normalize_for_speech: bool = False
    enable_transcription_formatting: bool = True
    voice_emotion: ShortText | None = None

    def sent(self) -> dict[str, Any]:
        """What the client really named, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True)


class NewAgent(AgentChanges):
    """What create-agent takes; `response_engine` or the 2024 `llm_websocket_url` is needed too."""

    voice_id: str = Field(min_length=1, max_length=200)


CheckUrl = Callable[[str], None]
"""Raises InvalidRequest or ValueError for an LLM websocket address that can never be called."""


def create_agent(request: NewAgent, agent_id: str, now_ms: int, check_url: CheckUrl) -> Agent:
    """Version 0 of an agent. Raises InvalidRequest when it has no response engine that this server runs."""
    sent = request.sent()
    engine = _engine(request, sent, stored_url=None)
    if engine is None:
        raise InvalidRequest(
            "response_engine is required",
            field="response_engine",
            fix='send {"type": "custom-llm", "llm_websocket_url": "wss://..."}',
        )
    check_url(engine["llm_websocket_url"])
    fields = {name: value for name, value in sent.items() if value is not None and name != "llm_websocket_url"}
    return Agent.model_validate(
        {**fields, "response_engine": engine, "agent_id": agent_id, "last_modification_timestamp": now_ms}
    )


def change_agent(agent: Agent, request: AgentChanges, now_ms: int, check_url: CheckUrl) -> Agent:
    """The same version of the agent with the sent fields changed; null clears."""
    sent = request.sent()
    engine = _engine(request, sent, stored_url=agent.response_engine.llm_websocket_url)
    fields = agent.model_dump(mode="json", exclude_unset=True)
    for name, value in sent.items():
        if value is None:
            fields.pop(name, None)
        elif name != "llm_websocket_url":
            fields[name] = value
    if engine is not None:
        check_url(engine["llm_websocket_url"])
        fields["response_engine"] = engine
    return Agent.model_validate(
        {**fields, "last_modification_timestamp": max(now_ms, agent.last_modification_timestamp)}
    )


def _engine(request: AgentChanges, sent: Mapping[str, Any], stored_url: str | None) -> dict[str, Any] | None:
    """The custom-llm engine the request asks for, from either form; None when it names neither.

    A client that sends a fetched agent back after changing one of the two forms means the changed one.
    """
    urls: dict[str, str] = {}
    if "response_engine" in sent:
        engine = request.response_engine
        if not isinstance(engine, CustomLlmRef):
            raise InvalidRequest(
                f"response_engine.type '{engine.type}' is not run by this server",
                field="response_engine.type",
                fix="use custom-llm with llm_websocket_url",
            )
        urls["response_engine.llm_websocket_url"] = engine.llm_websocket_url
    if "llm_websocket_url" in sent:
        urls["llm_websocket_url"] = request.llm_websocket_url
    if not urls:
        return None
    changed = sorted({url for url in urls.values() if url != stored_url}) or [stored_url]
    if len(changed) > 1:
        raise InvalidRequest(
            "llm_websocket_url and response_engine.llm_websocket_url differ",
            field="llm_websocket_url",
            fix="send only response_engine",
        )
    return {"type": "custom-llm", "llm_websocket_url": changed[0]}
