"""The embedded recogniser with its real model: words, word times, silence. Figures are printed."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
import numpy as np
import pytest

from retold.audio.resample import resample
from retold.audio.wav import read_wav
from retold.ports import SPEECH_RATE_HZ, SpeechAudio
from retold.providers.local_stt import LocalSpeechToText
from retold.providers.local_tts import LocalTextToSpeech
from retold.providers.local_vad import SileroVad
from retold.providers.models import hibari, silero, whisper
from retold.settings import LocalSpeechSettings
from support.recognition import SENTENCES, final_words, telephone_speech, time_errors
from support.recordings import Prompt, telephone_prompts
from support.speech_pieces import pieces
from support.wer import WordErrors, total, word_errors

SETTINGS = LocalSpeechSettings()
MISSING = [model.name for model in (silero(), whisper(SETTINGS), hibari()) if not model.is_present]
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.alone,
    pytest.mark.skipif(bool(MISSING), reason=f"the embedded speech stack is not installed: {', '.join(MISSING)}"),
]

MOST_WORD_ERRORS = 0.04
MEDIAN_ERROR_MS = 80
P95_ERROR_MS = 200


@pytest.fixture(scope="module")
def stt() -> LocalSpeechToText:
    return LocalSpeechToText(SETTINGS)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


async def test_recorded_telephone_prompts_are_understood(
    stt: LocalSpeechToText, vad: SileroVad, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = telephone_prompts()
    errors: list[WordErrors] = []

    async def understand(prompt: Prompt) -> None:
        wav = read_wav(prompt.wav)
        pcm = resample(wav.pcm, wav.sample_rate, SPEECH_RATE_HZ)
        words = await final_words(stt, pieces(pcm, vad.detector()))
        errors.append(word_errors(prompt.text, " ".join(word.text for word in words)))

    # All at once, because the recogniser itself bounds its passes to what the machine can do.
    async with anyio.create_task_group() as trials:
        for prompt in prompts:
            trials.start_soon(understand, prompt)
    found = total(errors)
    with capsys.disabled():
        print(f"\nword error rate of {len(errors)} prompts: {found.rate:.1%} of {found.words} words")  # noqa: T201
    assert found.rate <= MOST_WORD_ERRORS


async def test_word_times_are_those_of_the_speech(
    stt: LocalSpeechToText, vad: SileroVad, capsys: pytest.CaptureFixture[str]
) -> None:
    tts = LocalTextToSpeech(SETTINGS)
    errors_ms: list[float] = []
    known = 0

    async def measure(sentence: str) -> None:
        nonlocal known
        speech = await telephone_speech(tts, sentence)
        words = await final_words(stt, pieces(speech.pcm, vad.detector()))
        errors_ms.extend(time_errors(speech.words, words))
        known += 2 * len(speech.words)

    async with anyio.create_task_group() as trials:
        for sentence in SENTENCES:
            trials.start_soon(measure, sentence)
    sizes = np.abs(errors_ms)
    median_ms, p95_ms = np.percentile(sizes, [50, 95])
    with capsys.disabled():
        print(f"\nword times: median error {median_ms:.0f} ms, p95 {p95_ms:.0f} ms of {len(sizes)} edges")  # noqa: T201
    assert len(sizes) > 0.9 * known
    assert median_ms <= MEDIAN_ERROR_MS
    assert p95_ms <= P95_ERROR_MS


async def test_call_time_is_added_and_an_utterance_that_goes_on_is_told_whole(
    stt: LocalSpeechToText, vad: SileroVad
) -> None:
    tts = LocalTextToSpeech(SETTINGS)
    first = await telephone_speech(tts, "Please move my appointment")
    second = await telephone_speech(tts, "to the fourth of October.")
    gap = bytes(SPEECH_RATE_HZ // 2 * 2)
    words = await final_words(stt, pieces(bytes(32 * 3000) + first.pcm + gap + second.pcm, vad.detector()))
    assert (
        word_errors("please move my appointment to the fourth of october", " ".join(w.text for w in words)).errors <= 2
    )
    assert words[0].start_ms == pytest.approx(3000 + first.words[0].start_ms, abs=P95_ERROR_MS)


@pytest.mark.parametrize(
    "amplitude", [pytest.param(0.0, id="silence"), pytest.param(0.001, id="hiss"), pytest.param(0.05, id="noise")]
)
async def test_without_speech_there_are_no_words(stt: LocalSpeechToText, amplitude: float) -> None:
    noise = np.random.default_rng(1).normal(0, amplitude, SPEECH_RATE_HZ) * 32_767
    pcm = noise.clip(-32_768, 32_767).astype(np.int16).tobytes()
    assert await final_words(stt, [SpeechAudio(1, 0, pcm, is_pause=True)]) == []


async def test_more_speech_than_the_model_hears_at_a_time_loses_nothing(stt: LocalSpeechToText) -> None:
    tts = LocalTextToSpeech(SETTINGS)
    spoken = [await telephone_speech(tts, sentence) for sentence in SENTENCES]
    pcm = b"".join(speech.pcm for speech in spoken)
    words = await final_words(stt, [SpeechAudio(1, 0, pcm, is_pause=True)])
    assert len(pcm) / 2 / SPEECH_RATE_HZ > 30
    assert word_errors(" ".join(SENTENCES), " ".join(word.text for word in words)).rate <= 0.08
    last = sum(len(speech.pcm) for speech in spoken[:-1]) / 32 + spoken[-1].words[-1].end_ms
    assert words[-1].end_ms == pytest.approx(last, abs=P95_ERROR_MS)


async def test_the_loop_goes_on_while_speech_is_recognised(stt: LocalSpeechToText) -> None:
    tts = LocalTextToSpeech(SETTINGS)
    speech = await telephone_speech(tts, SENTENCES[0])
    await stt.warm_up()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.001)
            turns += 1

    async def audio() -> AsyncIterator[SpeechAudio]:
        yield SpeechAudio(1, 0, speech.pcm, is_pause=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        async with aclosing(stt.stream(audio(), "en")) as out:
            async for _ in out:
                pass
        tasks.cancel_scope.cancel()
    assert turns > 10
