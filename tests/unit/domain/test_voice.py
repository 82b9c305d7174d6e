"""Which voice speaks for which id."""

import pytest

from retold.domain.voice import all_voices, find_voice, our_voice, preview_text

OURS = {"default", "low"}
VOICE_MAP = {"11labs-Adrian": "low", "cartesia": "default", "lost-voice": "gone", "low": "default"}


@pytest.mark.parametrize(
    ("voice_id", "spoken_by"),
    [("low", "low"), ("11labs-Adrian", "low"), ("cartesia", "default"), ("lost-voice", None), ("retell-Cimo", None)],
)
def test_a_voice_speaks_for_itself_and_for_what_the_map_says(voice_id: str, spoken_by: str | None) -> None:
    assert our_voice(voice_id, OURS, VOICE_MAP) == spoken_by


def test_a_mapped_voice_has_its_own_name_and_the_sound_of_ours() -> None:
    adrian, low = find_voice("11labs-Adrian", OURS, VOICE_MAP), find_voice("low", OURS, VOICE_MAP)
    assert adrian is not None
    assert low is not None
    assert (adrian.voice_id, adrian.voice_name, adrian.provider) == ("11labs-Adrian", "Adrian", "elevenlabs")
    assert (adrian.gender, adrian.accent) == (low.gender, low.accent)
    plain = find_voice("cartesia", OURS, VOICE_MAP)
    assert plain is not None
    assert (plain.voice_name, plain.provider) == ("cartesia", "cartesia")
    assert find_voice("lost-voice", OURS, VOICE_MAP) is None


def test_the_default_voice_comes_first_and_dead_entries_of_the_map_are_left_out() -> None:
    assert [voice.voice_id for voice in all_voices(OURS, VOICE_MAP)] == ["default", "low", "11labs-Adrian", "cartesia"]


def test_a_voice_nobody_has_described_is_called_by_its_id() -> None:
    voice = find_voice("new", {"new"}, {})
    assert voice is not None
    assert voice.wire() == {"voice_id": "new", "voice_name": "new", "provider": "platform", "gender": "female"}
    assert preview_text(voice) == "Hello, my name is new. How can I help you today?"
