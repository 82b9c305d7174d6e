"""What can be set on an agent, with its default: the fields of SDK 6.2.13, and those of older ones.

An agent as it is kept and a request that changes one are both made of these fields.
"""

import difflib
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from retold.domain.agent_options import (
    LOCALES,
    AmbientSound,
    AnalysisItems,
    CallScreeningOption,
    ContactMemory,
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
    ShortText,
    Tools,
    UserDtmfOptions,
    VoicemailOption,
    WebhookEvent,
)
from retold.domain.call import DataStorageSetting


def _check_language(value: object) -> object:
    names = value if isinstance(value, list) else [value]
    for name in names or [None]:
        if name not in LOCALES:
            near = difflib.get_close_matches(str(name), LOCALES, n=1)
            fix = "use a locale such as en-US" + (f"; did you mean '{near[0]}'?" if near else "")
            raise PydanticCustomError("language", "must be a known locale or a list of them", {"fix": fix})
    return value


Language = Annotated[
    str | list[str],
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


def _default_events() -> list[WebhookEvent]:
    return ["call_started", "call_ended", "call_analyzed"]


class AgentSettings(RequestModel):
    """The settings of an agent beside its engine and voice; `| None` marks those that null puts back to the default."""

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
    denoising_enhancement_level: Fraction | None = 0.8
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
    guardrail_config: Guardrails | None = None
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
    signed_url_expiration_ms: Annotated[int, Field(gt=0)] | None = 86_400_000
    stt_mode: Literal["fast", "accurate", "custom"] = "fast"
    timezone: ShortText | None = "America/Los_Angeles"
    user_dtmf_options: UserDtmfOptions | None = None
    version_description: LongText | None = None
    version_title: ShortText | None = None
    vocab_specialization: Literal["general", "medical"] = "general"
    voice_model: ShortText | None = None
    voice_speed: float = Field(default=1.0, ge=0.5, le=2.0)
    voice_temperature: Double = 1.0
    voicemail_option: VoicemailOption | None = None
    volume: Double = 1.0
    webhook_events: list[WebhookEvent] | None = Field(default_factory=_default_events)
    webhook_timeout_ms: int = Field(default=10_000, gt=0)
    webhook_url: Annotated[str, Field(max_length=2_048)] | None = None

    # What older SDKs have; shown only when it was sent.
    opt_out_sensitive_data_storage: bool | None = None
    enable_voicemail_detection: bool | None = None
    voicemail_message: LongText | None = None
    voicemail_detection_timeout_ms: Annotated[int, Field(gt=0)] | None = None
    normalize_for_speech: bool | None = None
    enable_transcription_formatting: bool | None = None
    voice_emotion: ShortText | None = None
