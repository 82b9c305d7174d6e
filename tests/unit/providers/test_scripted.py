from collections.abc import AsyncIterator

import anyio
import numpy as np
import pytest

from retold.audio.pcm import first_audible, last_audible, silence, to_pcm, to_samples
from retold.domain.transcript import Word
from retold.ports import SpeechAudio, Transcribed, VoiceSettings
from retold.providers.local_tts import LocalTextToSpeech
from retold.providers.scripted import ScriptedSpeechToText, ScriptedTextToSpeech
from retold.settings import LocalSpeechSettings, ScriptedSettings

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]
MS = 16


def sound(length_ms: int) -> bytes:
    return to_pcm(np.full(length_ms * MS, 8000))


def piece(utterance: int, start_ms: float, pcm: bytes, *, pause: bool = False) -> SpeechAudio:
    return SpeechAudio(utterance, start_ms, pcm, is_pause=pause)


async def heard(settings: ScriptedSettings, *pieces: SpeechAudio) -> list[Transcribed]:
    async def feed() -> AsyncIterator[SpeechAudio]:
        for one in pieces:
            yield one

    return [transcribed async for transcribed in ScriptedSpeechToText(settings).stream(feed(), "en")]


NO_DELAY = ScriptedSettings(stt_ms=0, tts_ms=0, stt_texts="one two three | four ||last words")


async def test_each_utterance_hears_the_next_text_and_the_last_repeats() -> None:
    pieces = [piece(utterance, utterance * 1000, sound(100), pause=True) for utterance in (3, 4, 7, 8, 9)]
    finals = await heard(NO_DELAY, *pieces)
    assert [[word.text for word in final.words] for final in finals] == [
        ["one", "two", "three"],
        ["four"],
        [],
        ["last", "words"],
        ["last", "words"],
    ]
    assert all(final.is_final for final in finals)
    assert [final.utterance for final in finals] == [3, 4, 7, 8, 9]


async def test_words_spread_evenly_over_the_sound_and_not_the_silence_around() -> None:
    pcm = silence(50 * MS) + sound(300)
    finals = await heard(NO_DELAY, piece(0, 1000, pcm), piece(0, 1350, silence(200 * MS), pause=True))
    assert finals[-1].words == (Word("one", 1050, 1150), Word("two", 1150, 1250), Word("three", 1250, 1350))


async def test_an_utterance_without_sound_takes_all_of_its_audio() -> None:
    [final] = await heard(NO_DELAY, piece(0, 500, silence(300 * MS), pause=True))
    assert (final.words[0].start_ms, final.words[-1].end_ms) == (500, 800)


async def test_partials_grow_with_the_audio() -> None:
    pieces = [piece(0, at, sound(100)) for at in range(0, 1500, 100)]
    partials = await heard(NO_DELAY, *pieces)
    assert [len(partial.words) for partial in partials] == [1, 2, 3]
    assert not any(partial.is_final for partial in partials)
    assert [partial.words[-1].end_ms for partial in partials] == [300, 600, 900]


async def test_audio_that_adds_no_word_brings_no_partial() -> None:
    pieces = [piece(0, at, sound(40)) for at in range(0, 2000, 40)]
    shown = [[word.text for word in partial.words] for partial in await heard(NO_DELAY, *pieces)]
    assert shown == [["one"], ["one", "two"], ["one", "two", "three"]]


async def test_going_on_after_a_pause_brings_one_more_final_with_all_words() -> None:
    first, second = await heard(NO_DELAY, piece(0, 0, sound(200), pause=True), piece(0, 200, sound(400), pause=True))
    assert [word.text for word in first.words] == [word.text for word in second.words]
    assert (first.words[-1].end_ms, second.words[-1].end_ms) == (200, 600)


async def test_an_empty_pause_mark_is_answered_too() -> None:
    first, second = await heard(NO_DELAY, piece(0, 100, sound(90), pause=True), piece(0, 190, b"", pause=True))
    assert first.words == second.words


async def test_times_of_tones_are_exact_to_the_sample() -> None:
    texts = [f"word{index}" for index in range(15)]
    tts = ScriptedTextToSpeech(NO_DELAY)
    pieces = [spoken async for spoken in tts.stream(" ".join(texts), VoiceSettings(speed=1.3))]
    pcm = b"".join(spoken.pcm for spoken in pieces)
    words = [word for spoken in pieces for word in spoken.words]
    assert [word.text for word in words] == texts
    for word in words:
        start, end = round(word.start_ms * MS), round(word.end_ms * MS)
        burst = pcm[start * 2 : end * 2]
        first, last = first_audible(burst), last_audible(burst)
        assert first is not None
        assert last is not None
        assert first <= 4
        assert last >= end - start - 5
        assert first_audible(pcm[end * 2 : (end + 400) * 2]) is None


async def test_neighbouring_words_differ_in_frequency() -> None:
    tts = ScriptedTextToSpeech(NO_DELAY)
    [spoken] = [spoken async for spoken in tts.stream("a b c", VoiceSettings())]
    samples = to_samples(spoken.pcm)
    peaks = [
        int(np.argmax(np.abs(np.fft.rfft(samples[round(word.start_ms * MS) : round(word.end_ms * MS)]))) * 5)
        for word in spoken.words
    ]
    assert peaks == [300, 400, 500]


async def test_volume_scales_the_tone() -> None:
    tts = ScriptedTextToSpeech(NO_DELAY)

    async def peak(volume: float) -> int:
        [spoken] = [spoken async for spoken in tts.stream("a", VoiceSettings(volume=volume))]
        return int(np.abs(to_samples(spoken.pcm).astype(int)).max())

    assert await peak(0) == 0
    assert await peak(2) == pytest.approx(2 * await peak(1), abs=2)


async def test_finals_and_first_audio_come_after_their_delay() -> None:
    settings = ScriptedSettings(stt_ms=250, tts_ms=120, stt_texts="hi")
    began = anyio.current_time()
    await heard(settings, piece(0, 0, sound(100), pause=True))
    assert anyio.current_time() - began == pytest.approx(0.25, abs=0.002)
    began = anyio.current_time()
    spoken = ScriptedTextToSpeech(settings).stream("word " * 50, VoiceSettings())
    came_at = [anyio.current_time() - began async for _ in spoken]
    assert came_at == pytest.approx([0.12] * 9, abs=0.002)


async def test_scripted_speech_is_ready_at_once_and_knows_the_voices_of_the_embedded_one() -> None:
    stt, tts = ScriptedSpeechToText(NO_DELAY), ScriptedTextToSpeech(NO_DELAY)
    began = anyio.current_time()
    await stt.warm_up()
    await tts.warm_up()
    assert anyio.current_time() == began
    assert tts.voice_ids == LocalTextToSpeech(LocalSpeechSettings()).voice_ids


async def test_blank_text_makes_no_tone() -> None:
    assert [spoken async for spoken in ScriptedTextToSpeech(NO_DELAY).stream(" ", VoiceSettings())] == []
