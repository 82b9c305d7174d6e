"""The real embedded model: true word times, equal audio each time, distinct voices, and a loop that goes on."""

import itertools

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from retold.audio.pcm import first_audible, last_audible, peak_dbfs, rms_dbfs, to_samples
from retold.domain.transcript import Word
from retold.ports import VoiceSettings
from retold.providers import models
from retold.providers.local_tts import LocalTextToSpeech
from retold.settings import LocalSpeechSettings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.alone,
    pytest.mark.skipif(
        not models.hibari().is_present, reason=f"the embedded voice is missing; run: {models.hibari().remedy}"
    ),
]
RATE = 24_000
SENTENCE = "Thank you for calling, I can book you in for Tuesday at nine."


@pytest.fixture(scope="module")
def tts() -> LocalTextToSpeech:
    return LocalTextToSpeech(LocalSpeechSettings())


async def speak(tts: LocalTextToSpeech, text: str, voice: VoiceSettings | None = None) -> tuple[bytes, list[Word]]:
    pieces = [piece async for piece in tts.stream(text, voice or VoiceSettings())]
    assert {piece.sample_rate for piece in pieces} <= {RATE}
    return b"".join(piece.pcm for piece in pieces), [word for piece in pieces for word in piece.words]


def hiss_dbfs(pcm: bytes) -> NDArray[np.float64]:
    """Level of what is over 5 kHz, where "s" is and vowels are not, each 5 ms."""
    window, step = 360, 120
    padded = np.pad(to_samples(pcm) / 32768, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::step] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return 10 * np.log10(power[:, np.fft.rfftfreq(window, 1 / RATE) > 5000].sum(axis=1) + 1e-9)


def hiss_onsets(pcm: bytes, words: list[Word]) -> list[float]:
    """For each "s" word after a vowel: how much later the hiss rises than the word is said to start, in ms."""
    level, errors = hiss_dbfs(pcm), []
    for before, word in itertools.pairwise(words):
        if word.text[0].lower() != "s" or before.text.strip(",.?").lower()[-1] not in "eouwya":
            continue
        near = round(word.start_ms / 5)
        low, high = max(near - 24, 0), near + 24
        threshold = level[low : high + 10].max() - 12
        rises = [at for at in range(low + 1, high) if level[at - 1] < threshold <= level[at]]
        errors += [min((at * 5 - word.start_ms for at in rises), key=abs)] if rises else []
    return errors


@pytest.mark.parametrize(
    "voice",
    [VoiceSettings(), VoiceSettings("caller"), VoiceSettings(speed=1.3), VoiceSettings(speed=0.8)],
    ids=["agent", "caller", "fast", "slow"],
)
async def test_words_in_flowing_speech_start_where_their_sound_does(
    tts: LocalTextToSpeech, voice: VoiceSettings
) -> None:
    texts = [
        "Who saw you so soon?",
        "We see so many of you say so.",
        "You save a lot to see me sail.",
        "They say we saw you sit by a sea.",
    ]
    errors = [error for text in texts for error in hiss_onsets(*await speak(tts, text, voice))]
    assert len(errors) >= 12
    assert np.median(np.abs(errors)) <= 20
    assert np.percentile(np.abs(errors), 95) <= 40


async def test_words_between_pauses_start_and_end_with_their_energy(tts: LocalTextToSpeech) -> None:
    pcm, words = await speak(tts, "Monday, Tuesday. Wait! Thursday; Friday, and done.")
    errors: list[float] = []
    for word, following in itertools.zip_longest(words, words[1:]):
        if word.text == "and":
            continue
        begin = round(word.start_ms * 24) - 960
        end = round(following.start_ms * 24) - 240 if following else len(pcm) // 2
        around = pcm[max(begin, 0) * 2 : end * 2]
        first, last = first_audible(around, -40), last_audible(around, -40)
        assert first is not None
        assert last is not None
        errors += [(max(begin, 0) + first) / 24 - word.start_ms, (max(begin, 0) + last) / 24 - word.end_ms]
    assert np.median(np.abs(errors)) <= 40
    assert np.percentile(np.abs(errors), 90) <= 80


async def test_audio_is_bit_identical_each_time_and_in_any_process_state(tts: LocalTextToSpeech) -> None:
    first = await speak(tts, SENTENCE)
    await speak(tts, "Something else in between.")
    assert await speak(tts, SENTENCE) == first
    assert await speak(LocalTextToSpeech(LocalSpeechSettings()), SENTENCE) == first


@pytest.mark.parametrize(
    ("text", "long_words"),
    [
        ("It costs $42.50, or three.", ["$42.50,"]),
        ("Call 555-0142 now.", ["555-0142"]),
        ("At 3:30 PM on Mar. 3, 2026 please.", ["3:30", "2026"]),
        ("Mail bob.smith@example.com today.", ["bob.smith@example.com"]),
        ("On the 21st we are 1,250 people.", ["21st", "1,250"]),
    ],
    ids=["money", "telephone", "time and date", "e-mail", "ordinal"],
)
async def test_a_written_number_covers_all_it_is_spoken_as(
    tts: LocalTextToSpeech, text: str, long_words: list[str]
) -> None:
    pcm, words = await speak(tts, text)
    assert [word.text for word in words] == text.split()
    length_ms = {word.text: word.end_ms - word.start_ms for word in words}
    assert all(length_ms[word] >= 400 for word in long_words), length_ms
    assert all(length_ms[word.text] > 30 for word in words), length_ms
    silent_ms = len(pcm) / 48 - sum(length_ms.values())
    assert silent_ms < 0.3 * len(pcm) / 48


async def test_words_without_sound_have_no_length_at_their_place(tts: LocalTextToSpeech) -> None:
    _, words = await speak(tts, "Yes — no 😀 maybe.")
    dash, smile = words[1], words[3]
    assert dash.start_ms == dash.end_ms == words[0].end_ms
    assert smile.start_ms == smile.end_ms == words[2].end_ms


@pytest.mark.parametrize("text", ["😀 —", "你好"], ids=["symbols", "letters it cannot read"])
async def test_a_text_without_any_sound_gives_its_words_and_no_audio(tts: LocalTextToSpeech, text: str) -> None:
    assert await speak(tts, text) == (b"", [Word(word, 0, 0) for word in text.split()])


async def test_a_very_long_word_or_sentence_is_spoken(tts: LocalTextToSpeech) -> None:
    for text in ("x" * 3000, "supercalifragilistic " * 25):
        pcm, words = await speak(tts, text)
        assert [word.text for word in words] == text.split()
        assert len(pcm) > RATE * 4


async def test_voices_differ_in_pitch_and_not_in_loudness(tts: LocalTextToSpeech) -> None:
    def pitch_hz(pcm: bytes) -> float:
        """Strongest period of the first vowels, by autocorrelation between 70 and 400 Hz."""
        samples = to_samples(pcm)[: RATE * 3] / 32768
        spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
        correlation = np.fft.irfft(spectrum)
        low, high = RATE // 400, RATE // 70
        return RATE / (low + int(np.argmax(correlation[low:high])))

    spoken = {voice: (await speak(tts, SENTENCE, VoiceSettings(voice)))[0] for voice in ("agent", "caller", "high")}
    assert pitch_hz(spoken["caller"]) < 0.8 * pitch_hz(spoken["agent"]) < pitch_hz(spoken["high"])
    levels = [rms_dbfs(pcm) for pcm in spoken.values()]
    assert max(levels) - min(levels) < 3
    assert all(-6 < peak_dbfs(pcm) < -0.4 for pcm in spoken.values())


async def test_silence_around_speech_is_short(tts: LocalTextToSpeech) -> None:
    for text, pause_ms in ((SENTENCE, 120), ("Well, and so,", 60)):
        pcm, _ = await speak(tts, text)
        first, last = first_audible(pcm, -55), last_audible(pcm, -55)
        assert first is not None
        assert last is not None
        assert first / 24 <= 10.1
        assert len(pcm) / 48 - last / 24 == pytest.approx(pause_ms, abs=1)


async def test_the_loop_goes_on_while_sentences_are_made(tts: LocalTextToSpeech) -> None:
    await tts.warm_up()
    gaps_ms: list[float] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while True:
                began = anyio.current_time()
                await anyio.sleep(0.001)
                gaps_ms.append((anyio.current_time() - began) * 1000)

        group.start_soon(watch)
        await speak(tts, " ".join([SENTENCE] * 5))
        group.cancel_scope.cancel()
    # On the loop, each sentence would be a gap of its whole making; what else the machine does makes some, not most.
    assert len(gaps_ms) > 50
    assert np.median(gaps_ms) < 20


async def test_a_cancelled_sentence_is_left_at_once(tts: LocalTextToSpeech) -> None:
    await tts.warm_up()
    took_s: list[float] = []
    for _ in range(3):
        with anyio.move_on_after(0.01):
            await speak(tts, "This is quite a long sentence that takes a while to be made, " * 4)
        began = anyio.current_time()
        await speak(tts, "Yes.")
        took_s.append(anyio.current_time() - began)
    # The best of three: what else the machine does is not ours.
    assert min(took_s) < 2
