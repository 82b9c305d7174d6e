"""What every ports.TextToSpeech must do; run on each implementation."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

import anyio
import pytest

from retold.audio.pcm import duration_ms, rms_dbfs
from retold.domain.transcript import Word
from retold.ports import Spoken, TextToSpeech, VoiceSettings
from retold.providers.scripted import ScriptedTextToSpeech
from retold.settings import LocalSpeechSettings, ScriptedSettings
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


def _local() -> TextToSpeech:
    pytest.importorskip("hibari", reason="the embedded speech stack is not installed: pip install 'retold[local]'")
    from retold.providers.local_tts import LocalTextToSpeech  # noqa: PLC0415 - needs the extra

    return LocalTextToSpeech(LocalSpeechSettings())


MAKERS: dict[str, Callable[[], TextToSpeech]] = {
    "scripted": lambda: ScriptedTextToSpeech(ScriptedSettings(tts_ms=1)),
    "local": _local,
}


@pytest.fixture(scope="module", params=list(MAKERS))
def tts(request: pytest.FixtureRequest) -> TextToSpeech:
    return MAKERS[request.param]()


async def speak(tts: TextToSpeech, text: str, voice: VoiceSettings | None = None) -> tuple[list[Spoken], list[Word]]:
    pieces = [spoken async for spoken in tts.stream(text, voice or VoiceSettings())]
    return pieces, [word for spoken in pieces for word in spoken.words]


def total_ms(pieces: list[Spoken]) -> float:
    return sum(duration_ms(spoken.pcm, spoken.sample_rate) for spoken in pieces)


TEXTS = [
    "Hello there.",
    "It costs $42.50, or three for €120!  Call 555-0142\tnow.",
    "One sentence. Another — with a dash; and one more:\n\nThe end?",
    "At 3:30 PM on Mar. 3, 2026 — okay? 😀",
    "word",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_words_are_those_of_the_text_as_written(tts: TextToSpeech, text: str) -> None:
    _, words = await speak(tts, text)
    assert [word.text for word in words] == text.split()


@pytest.mark.parametrize("text", TEXTS)
async def test_word_times_follow_each_other_inside_the_audio(tts: TextToSpeech, text: str) -> None:
    pieces, words = await speak(tts, text)
    edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= total_ms(pieces) + 0.1


@pytest.mark.parametrize("text", TEXTS)
async def test_a_word_comes_with_the_piece_in_which_it_starts(tts: TextToSpeech, text: str) -> None:
    pieces, _ = await speak(tts, text)
    begin_ms = 0.0
    for spoken in pieces:
        end_ms = begin_ms + duration_ms(spoken.pcm, spoken.sample_rate)
        assert all(begin_ms - 0.1 <= word.start_ms <= end_ms + 0.1 for word in spoken.words)
        begin_ms = end_ms


async def test_audio_is_audible_at_one_rate_and_starts_at_once(tts: TextToSpeech) -> None:
    pieces, words = await speak(tts, TEXTS[2])
    assert len({spoken.sample_rate for spoken in pieces}) == 1
    assert all(len(spoken.pcm) % 2 == 0 for spoken in pieces)
    assert rms_dbfs(pieces[0].pcm) > -35
    assert words[0].start_ms <= 60


@pytest.mark.parametrize("text", ["", "   ", "\n\t"], ids=repr)
async def test_nothing_to_say_makes_no_audio(tts: TextToSpeech, text: str) -> None:
    assert await speak(tts, text) == ([], [])


async def test_the_same_text_sounds_the_same(tts: TextToSpeech) -> None:
    first, again = (await speak(tts, "Hello there, again."))[0], (await speak(tts, "Hello there, again."))[0]
    assert first == again


async def test_speed_shortens_and_volume_lowers(tts: TextToSpeech) -> None:
    normal, _ = await speak(tts, "We are open until five.")
    fast, _ = await speak(tts, "We are open until five.", VoiceSettings(speed=2.0))
    quiet, _ = await speak(tts, "We are open until five.", VoiceSettings(volume=0.25))
    assert total_ms(fast) < 0.75 * total_ms(normal)
    assert rms_dbfs(quiet[0].pcm) < rms_dbfs(normal[0].pcm) - 9


async def test_an_unknown_voice_speaks_as_the_default(tts: TextToSpeech) -> None:
    unknown, _ = await speak(tts, "Hello.", VoiceSettings(voice="11labs-Adrian"))
    assert unknown == (await speak(tts, "Hello."))[0]


async def test_leaving_in_mid_stream_leaves_nothing_behind(tts: TextToSpeech) -> None:
    stream = cast("Any", tts.stream("One. Two. Three. Four. Five. Six. Seven. Eight.", VoiceSettings()))
    async with aclosing(stream):
        async for _ in cast("AsyncIterator[Spoken]", stream):
            break
    with anyio.fail_after(PATIENCE_S):
        assert (await speak(tts, "Still here."))[1]


async def test_many_streams_at_a_time_each_get_their_own_words(tts: TextToSpeech) -> None:
    said: dict[str, list[str]] = {}

    async def say(text: str) -> None:
        said[text] = [word.text for word in (await speak(tts, text))[1]]

    texts = [f"Number {number} is here." for number in range(8)]
    async with anyio.create_task_group() as group:
        for text in texts:
            group.start_soon(say, text)
    assert said == {text: text.split() for text in texts}
