"""Speech synthesis with the embedded model (hibari), shared by all calls of the server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

import anyio

from retold.domain.transcript import Word
from retold.errors import SynthesisFailed
from retold.ports import Spoken, VoiceSettings
from retold.providers import models
from retold.settings import LocalSpeechSettings

PITCHES: Final[Mapping[str, float]] = MappingProxyType(
    {"default": 1.0, "agent": 1.0, "caller": 0.65, "low": 0.8, "high": 1.15}
)
"""Our voices: factors on the pitch of the one voice that the package holds."""

LOAD_TIMEOUT_S = 60.0
PIECE_TIMEOUT_S = 10.0
"""For one sentence, with the wait for a free thread; it takes 0.1 s when the machine is not overloaded."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Manner:
    """How to speak: factor on the pitch, speed 0.5 to 2, volume 0 to 2."""

    pitch: float = 1.0
    speed: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """PCM at the engine's rate and the written words that start in it, in milliseconds from the start of the text."""

    pcm: bytes
    words: tuple[Word, ...]


class Engine(Protocol):
    """A loaded model; blocking, and may be called from several threads."""

    rate_hz: int

    def speak(self, text: str, manner: Manner) -> Iterator[SpokenPiece]:
        """Speak a text piece by piece, each made when it is asked for."""
        ...


def load_hibari() -> Engine:
    """The packaged model. Raises SynthesisFailed with what to install."""
    model = models.hibari()
    if not model.is_present:
        raise SynthesisFailed(f"no speech synthesis model; run: {model.remedy}")
    from retold.providers.hibari_engine import HibariEngine  # noqa: PLC0415 - needs an extra, and is slow to import

    return HibariEngine()


class LocalTextToSpeech:
    """Synthesis on our own processors: one loaded model, `tts_threads` sentences at a time over all calls.

    Sentences wait in order of arrival, at most one per stream. What a cancelled stream has waiting is
    skipped; what it has running ends by itself within a sentence and is thrown away.
    """

    def __init__(
        self,
        settings: LocalSpeechSettings,
        load: Callable[[], Engine] = load_hibari,
        piece_timeout_s: float = PIECE_TIMEOUT_S,
    ) -> None:
        self._load = load
        self._piece_timeout_s = piece_timeout_s
        self._loading = anyio.Lock()
        self._engine: Engine | None = None
        # A pool of our own, because leaving an anyio worker thread gives its place away while it still runs.
        self._threads = ThreadPoolExecutor(settings.tts_threads, thread_name_prefix="retold-tts")

    @property
    def voice_ids(self) -> frozenset[str]:
        """Names of the voices; any other is spoken by `default`."""
        return frozenset(PITCHES)

    async def warm_up(self) -> None:
        """Load the model and speak once, in a thread. Raises SynthesisFailed with what to install."""
        engine = await self._ready_engine()
        await self._in_thread(lambda: next(engine.speak("Ready.", Manner()), None), self._piece_timeout_s)

    async def stream(self, text: str, voice: VoiceSettings) -> AsyncIterator[Spoken]:
        """Speak sentence by sentence; see `ports.TextToSpeech`. Waits for the model when it is still being loaded.

        Words without sound (dashes, emoji) have zero length at their place; a text of nothing else gives them with
        no audio. A sentence that takes too long raises SynthesisFailed.
        """
        if not text.strip():
            return
        engine = await self._ready_engine()
        pieces = engine.speak(text, Manner(PITCHES.get(voice.voice, 1.0), voice.speed, voice.volume))
        while piece := await self._in_thread(lambda: next(pieces, None), self._piece_timeout_s):
            yield Spoken(piece.pcm, engine.rate_hz, piece.words)

    async def _ready_engine(self) -> Engine:
        if self._engine is None:
            async with self._loading:
                if self._engine is None:
                    self._engine = await self._in_thread(self._load, LOAD_TIMEOUT_S)
        return self._engine

    async def _in_thread(self, work: Callable[[], _T], timeout_s: float) -> _T:
        try:
            with anyio.fail_after(timeout_s):
                return await asyncio.wrap_future(self._threads.submit(work))
        except SynthesisFailed:
            raise
        except TimeoutError as error:
            raise SynthesisFailed(
                f"speech synthesis took over {timeout_s:g} s; "
                "lower RETOLD_CONCURRENCY_LIMIT or raise RETOLD_LOCAL__TTS_THREADS"
            ) from error
        except Exception as error:
            raise SynthesisFailed(f"speech synthesis failed: {type(error).__name__}: {error}") from error
