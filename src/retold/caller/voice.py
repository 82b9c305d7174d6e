"""The caller's voice: every passage of a scenario is spoken or read, and resampled, before the call starts."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from retold.audio.pcm import duration_ms
from retold.audio.resample import resample
from retold.audio.wav import read_wav
from retold.caller.scenario import At, Play, Say, Step
from retold.domain.transcript import Word
from retold.errors import ScenarioInvalid, UnreadableAudio
from retold.ports import TextToSpeech, VoiceSettings
from retold.providers.scripted import ScriptedTextToSpeech
from retold.settings import Settings

CALLER_VOICE = VoiceSettings(voice="caller")


@dataclass(frozen=True, slots=True)
class Passage:
    """What one step sends: mono PCM at the rate of the call; word times are milliseconds from its start."""

    step: int
    pcm: bytes
    sample_rate: int
    text: str | None = None
    words: tuple[Word, ...] = ()
    path: Path | None = None

    @property
    def duration_ms(self) -> float:
        """How long it sounds."""
        return duration_ms(self.pcm, self.sample_rate)


def voice_for(settings: Settings) -> TextToSpeech:
    """The synthesiser that the settings name: the server's own, so that scripted servers get scripted callers."""
    if settings.tts == "scripted":
        return ScriptedTextToSpeech(settings.scripted)
    # Imported here: the embedded model is an extra, and a caller who only plays files needs none.
    from retold.providers.local_tts import LocalTextToSpeech  # noqa: PLC0415

    return LocalTextToSpeech(settings.local)


async def prepare(steps: Sequence[Step], settings: Settings, sample_rate: int) -> dict[int, Passage]:
    """The passages by step number. Raises ScenarioInvalid (a file) and SynthesisFailed (a missing model)."""
    passages: dict[int, Passage] = {}
    voice: TextToSpeech | None = None
    for number, step in enumerate(steps, start=1):
        match step.passage if isinstance(step, At) else step:
            case Say(text):
                voice = voice or voice_for(settings)
                passages[number] = await _speak(voice, number, text, sample_rate)
            case Play(path):
                passages[number] = await anyio.to_thread.run_sync(_read, number, path, sample_rate)
            case _:
                pass
    return passages


async def _speak(voice: TextToSpeech, number: int, text: str, sample_rate: int) -> Passage:
    spoken, words, rate = bytearray(), list[Word](), sample_rate
    async with aclosing(voice.stream(text, CALLER_VOICE)) as pieces:  # pyright: ignore[reportArgumentType] - a generator by contract
        async for piece in pieces:
            spoken += piece.pcm
            words += piece.words
            rate = piece.sample_rate
    pcm = await anyio.to_thread.run_sync(resample, bytes(spoken), rate, sample_rate)
    return Passage(number, pcm, sample_rate, text=text, words=tuple(words))


def _read(number: int, path: Path, sample_rate: int) -> Passage:
    try:
        clip = read_wav(path)
    except UnreadableAudio as error:
        raise ScenarioInvalid(f"step {number}: `play`: {error}") from error
    return Passage(number, resample(clip.pcm, clip.sample_rate, sample_rate), sample_rate, path=path)
