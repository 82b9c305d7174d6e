"""Scripted speech for load tests, demos without models and tests: set texts are heard, tones are spoken.

Delays are those of the settings, times are exact, and a call costs next to no processor time. Sleeping is by
anyio only, so it all runs on virtual time too.
"""

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import numpy as np

from retold.audio.pcm import duration_ms, fade_in, fade_out, first_audible, last_audible, silence, to_pcm
from retold.domain.transcript import Word
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, Spoken, Transcribed, VoiceSettings
from retold.settings import ScriptedSettings

PARTIAL_WORD_MS = 300
"""A partial shows one more word for each such stretch of an utterance's audio."""

TONE_RATE_HZ = 16_000
TONE_MS = 200
TONE_GAP_MS = 40
TONE_LEVEL = 0.35
"""Amplitude of a tone at volume 1, of full scale."""
TONE_FADE_SAMPLES = 32
TONE_FREQUENCIES_HZ = tuple(range(300, 2300, 100))
"""By position of the word in its text, over again after the last; all of them pass a telephone line."""
WORDS_PER_PIECE = 6


class ScriptedSpeechToText:
    """Hears the texts of the settings, utterance by utterance; what is in the audio only sets the times.

    Partials grow with the audio; the final comes `stt_ms` after the pause mark. Audio that comes in
    meanwhile waits with whoever feeds the stream.
    """

    def __init__(self, settings: ScriptedSettings) -> None:
        self._delay_s = settings.stt_ms / 1000
        self._texts = [tuple(text.split()) for text in settings.stt_texts.split("|")]

    async def warm_up(self) -> None:
        """Nothing is to be loaded."""

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:  # noqa: ARG002 - scripts are in any language
        """See ports.SpeechToText; each call hears the texts from the first one on, whatever its utterance ids."""
        utterances = 0
        heard = _Heard(utterance=-1, script=())
        shown = 0
        async for piece in audio:
            if piece.utterance != heard.utterance:
                heard = _Heard(piece.utterance, self._texts[min(utterances, len(self._texts) - 1)])
                utterances += 1
                shown = 0
            heard.take(piece)
            if piece.is_pause:
                await anyio.sleep(self._delay_s)
                shown = len(heard.script)
                yield Transcribed(heard.utterance, heard.words(shown), is_final=True)
                continue
            audible = min(int(heard.audio_ms // PARTIAL_WORD_MS), len(heard.script))
            if audible > shown:
                shown = audible
                yield Transcribed(heard.utterance, heard.words(shown), is_final=False)


class ScriptedTextToSpeech:
    """Speaks each word as one burst of tone: TONE_MS long, then TONE_GAP_MS of silence, both divided by the speed."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self._delay_s = settings.tts_ms / 1000
        # Bounded, per instance: bursts differ by frequency, speed and volume only, and a call repeats its own.
        self._burst = functools.lru_cache(maxsize=256)(_burst)

    @property
    def voice_ids(self) -> frozenset[str]:
        """Names of the voices; they all sound the same."""
        return frozenset({"default", "agent", "caller", "low", "high"})

    async def warm_up(self) -> None:
        """Nothing is to be loaded."""

    async def stream(self, text: str, voice: VoiceSettings) -> AsyncIterator[Spoken]:
        """See ports.TextToSpeech; the first audio comes `tts_ms` after the text, the rest at once."""
        texts = text.split()
        if not texts:
            return
        await anyio.sleep(self._delay_s)
        tone = round(TONE_RATE_HZ * TONE_MS / 1000 / voice.speed)
        gap = silence(round(TONE_RATE_HZ * TONE_GAP_MS / 1000 / voice.speed))
        step = tone + len(gap) // 2
        for first in range(0, len(texts), WORDS_PER_PIECE):
            positions = range(first, min(first + WORDS_PER_PIECE, len(texts)))
            bursts = (
                self._burst(TONE_FREQUENCIES_HZ[position % len(TONE_FREQUENCIES_HZ)], tone, voice.volume)
                for position in positions
            )
            words = tuple(
                Word(texts[position], _tone_ms(position * step), _tone_ms(position * step + tone))
                for position in positions
            )
            yield Spoken(b"".join(burst + gap for burst in bursts), TONE_RATE_HZ, words)


@dataclass(slots=True)
class _Heard:
    """The utterance in progress: its script and where its sound begins and ends."""

    utterance: int
    script: tuple[str, ...]
    start_ms: float | None = None
    audio_ms: float = 0.0
    end_ms: float = 0.0
    sound_start_ms: float | None = None
    sound_end_ms: float = 0.0

    def take(self, piece: SpeechAudio) -> None:
        length_ms = duration_ms(piece.pcm, SPEECH_RATE_HZ)
        if self.start_ms is None:
            self.start_ms = piece.start_ms
        self.audio_ms += length_ms
        self.end_ms = piece.start_ms + length_ms
        first, last = first_audible(piece.pcm), last_audible(piece.pcm)
        if first is None or last is None:
            return
        if self.sound_start_ms is None:
            self.sound_start_ms = piece.start_ms + first * 1000 / SPEECH_RATE_HZ
        self.sound_end_ms = piece.start_ms + (last + 1) * 1000 / SPEECH_RATE_HZ

    def words(self, count: int) -> tuple[Word, ...]:
        """The first `count` words spread evenly over the sound so far; over all audio when none of it sounds."""
        if self.sound_start_ms is not None:
            start_ms, end_ms = self.sound_start_ms, self.sound_end_ms
        else:
            start_ms, end_ms = self.start_ms or 0.0, self.end_ms
        each_ms = (end_ms - start_ms) / max(count, 1)
        return tuple(
            Word(text, start_ms + index * each_ms, start_ms + (index + 1) * each_ms)
            for index, text in enumerate(self.script[:count])
        )


def _burst(frequency_hz: int, samples: int, volume: float) -> bytes:
    """One tone with edges of 2 ms, so that it neither clicks nor blurs its boundaries."""
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(samples) / TONE_RATE_HZ)
    return fade_out(fade_in(to_pcm(wave * (TONE_LEVEL * volume * 32767)), TONE_FADE_SAMPLES), TONE_FADE_SAMPLES)


def _tone_ms(sample: int) -> float:
    return sample * 1000 / TONE_RATE_HZ
