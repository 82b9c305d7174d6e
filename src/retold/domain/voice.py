"""The voice resource (SDK 6.2.13 `VoiceResponse`), the voices of the embedded model, and vendors' ids that mean one."""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

DEFAULT_VOICE = "default"

Provider = Literal["elevenlabs", "openai", "cartesia", "minimax", "fish_audio", "inworld", "platform", "xai"]


class Voice(BaseModel):
    """A voice that an agent may have."""

    model_config = ConfigDict(frozen=True)

    voice_id: str
    voice_name: str
    provider: Provider = "platform"
    gender: Literal["male", "female"] = "female"
    accent: str | None = None
    age: str | None = None
    preview_audio_url: str | None = None

    def wire(self) -> dict[str, Any]:
        """The voice as the API shows it."""
        return self.model_dump(mode="json", exclude_none=True)


# hibari has one voice, a young American woman's; the others are hers at another pitch.
_EMBEDDED: Final = MappingProxyType(
    {
        "default": Voice(voice_id="default", voice_name="Heart", accent="American", age="Young"),
        "agent": Voice(voice_id="agent", voice_name="Heart (agent)", accent="American", age="Young"),
        "caller": Voice(
            voice_id="caller", voice_name="Heart, very low", gender="male", accent="American", age="Middle Aged"
        ),
        "low": Voice(voice_id="low", voice_name="Heart, low", accent="American", age="Middle Aged"),
        "high": Voice(voice_id="high", voice_name="Heart, high", accent="American", age="Young"),
    }
)
_VENDORS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "11labs": "elevenlabs",
        "elevenlabs": "elevenlabs",
        "openai": "openai",
        "cartesia": "cartesia",
        "minimax": "minimax",
        "fish": "fish_audio",
        "fish_audio": "fish_audio",
        "inworld": "inworld",
        "xai": "xai",
    }
)
"""How vendors' voice ids begin, up to the first hyphen."""


def our_voice(voice_id: str, ours: Collection[str], voice_map: Mapping[str, str]) -> str | None:
    """The voice of this server that speaks for an id: itself, or what the map says; None for neither."""
    for one in (voice_id, voice_map.get(voice_id)):
        if one in ours:
            return one
    return None


def find_voice(voice_id: str, ours: Collection[str], voice_map: Mapping[str, str]) -> Voice | None:
    """The voice with this id, with the sound of ours where it is a vendor's; None when there is none."""
    spoken_by = our_voice(voice_id, ours, voice_map)
    if spoken_by is None:
        return None
    voice = _EMBEDDED.get(spoken_by) or Voice(voice_id=spoken_by, voice_name=spoken_by)
    if spoken_by == voice_id:
        return voice
    vendor, _, name = voice_id.partition("-")
    return voice.model_copy(
        update={
            "voice_id": voice_id,
            "voice_name": name or voice_id,
            "provider": _VENDORS.get(vendor, "platform"),
        }
    )


def all_voices(ours: Collection[str], voice_map: Mapping[str, str]) -> Iterator[Voice]:
    """Every voice: the default one first, ours by name, then the vendors' ids that mean one of them."""
    own = sorted(ours, key=lambda voice_id: (voice_id != DEFAULT_VOICE, voice_id))
    for voice_id in [*own, *sorted(set(voice_map) - set(ours))]:
        voice = find_voice(voice_id, ours, voice_map)
        if voice is not None:
            yield voice


def preview_text(voice: Voice) -> str:
    """What a voice says of itself."""
    return f"Hello, my name is {voice.voice_name.partition(',')[0]}. How can I help you today?"
