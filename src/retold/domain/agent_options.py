"""The nested objects and closed value sets of an agent (SDK 6.2.13 `types/agent_create_params.py`)."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from retold.domain.pii.categories import PiiCategory


class RequestModel(BaseModel):
    """What a client sends: types are taken as they are, unknown fields are dropped.

    One thing is coerced: JSON knows one kind of number, and clients in many languages write the integer 50 as 50.0.
    """

    # Most are parts of others and never checked alone, and what checks one takes memory: it is made when first needed.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False, defer_build=True)

    _integers: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: Any) -> None:
        """Note which fields hold integers and no other numbers."""
        kinds = {name: set(_kinds(field.annotation)) for name, field in cls.model_fields.items()}
        cls._integers = frozenset(name for name, of in kinds.items() if int in of and float not in of)

    @model_validator(mode="before")
    @classmethod
    def _take_whole_numbers(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        whole = {name for name in cls._integers & sent.keys() if _is_whole(sent[name])}
        return {name: int(value) if name in whole else value for name, value in sent.items()} if whole else sent


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation names, unions and `Annotated` taken apart; not those inside lists and maps."""
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        for choice in get_args(annotation):
            yield from _kinds(choice)
    elif origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    else:
        yield annotation


ShortText = Annotated[str, Field(max_length=1_000)]
LongText = Annotated[str, Field(max_length=50_000)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Double = Annotated[float, Field(ge=0.0, le=2.0)]

AmbientSound = Literal[
    "coffee-shop", "convention-hall", "summer-outdoor", "mountain-outdoor", "static-noise", "call-center"
]
DenoisingMode = Literal["no-denoise", "noise-cancellation", "noise-and-background-speech-cancellation"]
EmotionTag = Literal[
    "empathetic", "excited", "happy", "curious", "surprised", "sigh", "clear throat", "pause", "long pause", "emphasis"
]
WebhookEvent = Literal[
    "call_started",
    "call_ended",
    "call_analyzed",
    "transcript_updated",
    "transfer_started",
    "transfer_bridged",
    "transfer_cancelled",
    "transfer_ended",
]
LOCALES = (
    "en-US",
    "en-IN",
    "en-GB",
    "en-AU",
    "en-NZ",
    "de-DE",
    "es-ES",
    "es-419",
    "hi-IN",
    "fr-FR",
    "fr-CA",
    "ja-JP",
    "pt-PT",
    "pt-BR",
    "zh-CN",
    "ru-RU",
    "it-IT",
    "ko-KR",
    "nl-NL",
    "nl-BE",
    "pl-PL",
    "tr-TR",
    "vi-VN",
    "ro-RO",
    "bg-BG",
    "ca-ES",
    "th-TH",
    "da-DK",
    "fi-FI",
    "el-GR",
    "hu-HU",
    "id-ID",
    "no-NO",
    "sk-SK",
    "sv-SE",
    "lt-LT",
    "lv-LV",
    "cs-CZ",
    "ms-MY",
    "af-ZA",
    "ar-SA",
    "az-AZ",
    "bs-BA",
    "cy-GB",
    "fa-IR",
    "fil-PH",
    "gl-ES",
    "he-IL",
    "hr-HR",
    "hy-AM",
    "is-IS",
    "kk-KZ",
    "kn-IN",
    "mk-MK",
    "mr-IN",
    "ne-NP",
    "sl-SI",
    "sr-RS",
    "sw-KE",
    "ta-IN",
    "ur-IN",
    "yue-CN",
    "uk-UA",
    "multi",
)
"""Every language name of the SDK, and `multi` of older ones."""


class Prompted(RequestModel):
    """Say what a prompt makes."""

    type: Literal["prompt"]
    text: LongText


class StaticText(RequestModel):
    """Say this text."""

    type: Literal["static_text"]
    text: LongText


class Hangup(RequestModel):
    """End the call."""

    type: Literal["hangup"]


class BridgeTransfer(RequestModel):
    """Connect the two parties."""

    type: Literal["bridge_transfer"]


class VoicemailOption(RequestModel):
    """What to do when a voicemail answers."""

    action: Annotated[Prompted | StaticText | Hangup | BridgeTransfer, Discriminator("type")]
    detection_prompt: Annotated[str, Field(max_length=2_000)] | None = None


class IvrOption(RequestModel):
    """What to do when an IVR answers."""

    action: Hangup
    detection_prompt: Annotated[str, Field(max_length=2_000)] | None = None


class CallScreeningOption(RequestModel):
    """How the agent introduces itself to a call screener."""

    agent_identity: str = Field(min_length=1, max_length=100)
    call_purpose: str = Field(min_length=1, max_length=300)


class ContactMemory(RequestModel):
    """Whether contacts are read and updated."""

    enable_read: bool = True
    enable_update: bool = False


_LEAST_ENDPOINTING_MS = {"azure": 100, "deepgram": 10, "soniox": 500, "assemblyai": 100, "muse": 100}


class CustomStt(RequestModel):
    """Speech to text by a named vendor."""

    provider: Literal["azure", "deepgram", "soniox", "assemblyai", "muse"]
    endpointing_ms: int

    @model_validator(mode="after")
    def _check_endpointing(self) -> "CustomStt":
        least = _LEAST_ENDPOINTING_MS[self.provider]
        if self.endpointing_ms < least:
            raise PydanticCustomError(
                "endpointing", "must have endpointing_ms of {least} or more with this provider", {"least": least}
            )
        return self


class UserDtmfOptions(RequestModel):
    """How key presses of the caller are gathered."""

    digit_limit: Annotated[int, Field(ge=1, le=50)] | None = None
    termination_key: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "#", "*"] | None = None
    timeout_ms: int = Field(default=1_000, ge=1_000, le=15_000)


class PiiConfig(RequestModel):
    """Which personal data is redacted after the call."""

    mode: Literal["post_call"]
    categories: list[PiiCategory]


class Guardrails(RequestModel):
    """Topics that are kept out of the conversation."""

    output_topics: (
        list[
            Literal[
                "harassment",
                "self_harm",
                "sexual_exploitation",
                "violence",
                "defense_and_national_security",
                "illicit_and_harmful_activity",
                "gambling",
                "regulated_professional_advice",
                "child_safety_and_exploitation",
            ]
        ]
        | None
    ) = None
    input_topics: list[Literal["platform_integrity_jailbreaking"]] | None = None


class Handbook(RequestModel):
    """Ready-made manners."""

    default_personality: bool = False
    conversational_personality: bool = False
    natural_filler_words: bool = False
    high_empathy: bool = False
    echo_verification: bool = False
    nato_phonetic_alphabet: bool = False
    speech_normalization: bool = False
    smart_matching: bool = False
    ai_disclosure: bool = False
    scope_boundaries: bool = False


class Pronunciation(RequestModel):
    """How one word is said."""

    word: ShortText
    alphabet: Literal["ipa", "cmu", "pinyin", "jyutping"]
    phoneme: ShortText


class AnalysisItem(RequestModel):
    """A text, number or yes/no that is read out of the call afterwards."""

    type: Literal["string", "boolean", "number"]
    name: ShortText
    description: LongText
    examples: list[ShortText] | None = None
    required: bool | None = None
    conditional_prompt: LongText | None = None


class EnumAnalysisItem(RequestModel):
    """One of several choices that is read out of the call afterwards."""

    type: Literal["enum"]
    name: ShortText
    description: LongText
    choices: list[ShortText] = Field(min_length=1)
    required: bool | None = None
    conditional_prompt: LongText | None = None


class PresetAnalysisItem(RequestModel):
    """A ready-made analysis."""

    type: Literal["system-presets"]
    name: Literal["call_summary", "call_successful", "user_sentiment"]
    description: LongText | None = None
    required: bool | None = None
    conditional_prompt: LongText | None = None


AnalysisItems = list[Annotated[AnalysisItem | EnumAnalysisItem | PresetAnalysisItem, Discriminator("type")]]
Tools = list[dict[str, Any]]
"""Tools that run before or after the conversation; kept as sent until this server runs them."""
