"""Trials of speech recognition with the real models, shared by the integration tests and the benchmark."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

import anyio

from retold.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from retold.audio.resample import resample
from retold.domain.transcript import Word
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, SpeechToText, TextToSpeech, Transcribed, VoiceSettings
from support.wer import normal_words

TELEPHONE_HZ: Final = 8_000
SENTENCES: Final = (
    "Good morning, I am calling about the bill you sent me last week.",
    "There is a mistake on the second page, I believe.",
    "Right, I will send you a copy of the letter.",
    "We moved to a new address in the spring, so please update it.",
    "Would it be possible to come in before work?",
    "That sounds good to me.",
    "My wife and I both need an appointment, preferably on the same day.",
    "Never mind, I found it in my calendar.",
    "The swelling is much better but I still cannot chew on the left side.",
    "Which bus stops near your office?",
    "Somebody called me from this number about an hour ago.",
    "Yes please, go ahead.",
)
"""What a caller may say; every word is spoken as it is written."""


@dataclass(frozen=True, slots=True)
class KnownSpeech:
    """16 kHz PCM and the words in it with their true times in milliseconds."""

    pcm: bytes
    words: tuple[Word, ...]


async def telephone_speech(tts: TextToSpeech, text: str, voice: str = "caller") -> KnownSpeech:
    """A text as the embedded voice speaks it over an 8 kHz mu-law line."""
    spoken = [piece async for piece in tts.stream(text, VoiceSettings(voice))]
    pcm = b"".join(piece.pcm for piece in spoken)
    narrow = ulaw_to_pcm(pcm_to_ulaw(resample(pcm, spoken[0].sample_rate, TELEPHONE_HZ)))
    words = tuple(word for piece in spoken for word in piece.words)
    return KnownSpeech(resample(narrow, TELEPHONE_HZ, SPEECH_RATE_HZ), words)


async def final_words(stt: SpeechToText, pieces: Iterable[SpeechAudio]) -> list[Word]:
    """The words of all utterances, fed pause by pause: after each pause its final is awaited."""
    finals: dict[int, tuple[Word, ...]] = {}
    async for transcribed in _in_step(stt, pieces):
        if transcribed.is_final:
            finals[transcribed.utterance] = transcribed.words
    return [word for number in sorted(finals) for word in finals[number]]


def time_errors(known: Sequence[Word], heard: Sequence[Word]) -> Iterator[float]:
    """Errors in ms, start and end, of the words that were heard right."""
    matcher = SequenceMatcher(None, [_plain(word) for word in known], [_plain(word) for word in heard], autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            truth, claim = known[block.a + offset], heard[block.b + offset]
            yield claim.start_ms - truth.start_ms
            yield claim.end_ms - truth.end_ms


async def _in_step(stt: SpeechToText, pieces: Iterable[SpeechAudio]) -> AsyncIterator[Transcribed]:
    remaining = iter(pieces)
    send, receive = anyio.create_memory_object_stream[SpeechAudio](100_000)

    def feed_to_pause() -> None:
        for piece in remaining:
            send.send_nowait(piece)
            if piece.is_pause:
                return
        send.close()

    feed_to_pause()
    with send, receive:
        async for transcribed in stt.stream(receive, "en"):
            yield transcribed
            if transcribed.is_final:
                feed_to_pause()


def _plain(word: Word) -> str:
    return " ".join(normal_words(word.text))
