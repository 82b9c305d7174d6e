"""Speech recognition with the embedded Whisper model, made to stream by recognising the same audio again and again.

While the caller speaks, a pass every `partial_interval_ms` gives the words on which it and the pass before agree.
As soon as the caller is silent a pass is made on trial: it is the final one if the pause comes without another sound,
so that the time it takes hides in the time the pause is waited for.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, NamedTuple, Protocol

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt

from retold.domain.transcript import Word
from retold.errors import RecognitionFailed
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, Transcribed
from retold.providers.decode_slots import DecodeSlots
from retold.providers.heard_utterance import HeardUtterance, Pass, PassKind
from retold.providers.models import whisper_languages
from retold.settings import LocalSpeechSettings

_MOST_PAUSES_WAITING: Final = 8


class Decoder(Protocol):
    """A model that turns a stretch of speech into words; blocking, and may be called from several threads."""

    def decode(self, samples: npt.NDArray[np.float32], language: str, *, is_final: bool) -> tuple[Word, ...]:
        """Words of float32 16 kHz audio, times in milliseconds from its start. Raises RuntimeError or ValueError."""
        ...


def load_whisper(settings: LocalSpeechSettings) -> Decoder:
    """The Whisper model that the settings name. Raises RecognitionFailed with what to install."""
    from retold.providers.whisper_decoder import WhisperDecoder  # noqa: PLC0415 - needs an extra, and is slow to import

    return WhisperDecoder(settings)


class LocalSpeechToText:
    """Recognition on our own processors; one loaded model and a bound on passes at a time for all calls.

    Leave a `stream()` early by closing it (`contextlib.aclosing`) in the task that reads it.
    """

    def __init__(
        self, settings: LocalSpeechSettings, load: Callable[[LocalSpeechSettings], Decoder] = load_whisper
    ) -> None:
        self._settings = settings
        self._load = load
        self._loading = anyio.Lock()
        self._decoder: Decoder | None = None
        self._understood = frozenset[str]()
        self._threads = anyio.CapacityLimiter(settings.stt_threads)
        self._slots = DecodeSlots(settings.stt_threads)

    @property
    def languages(self) -> frozenset[str]:
        """Primary language subtags that the model understands; reads files, so ask once at start."""
        return whisper_languages(self._settings)

    async def warm_up(self) -> None:
        """Load the model and run it once, in a thread. Raises RecognitionFailed with what to install or mend."""
        await self._ready_decoder()

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncGenerator[Transcribed]:
        """Recognise 16 kHz PCM as it comes; see `ports.SpeechToText`.

        Audio that comes during a pass waits for the next one, which takes all of it. Recognition that falls
        two minutes or eight pauses behind raises RecognitionFailed.
        """
        decoder = await self._ready_decoder()
        subtag = language.split("-", maxsplit=1)[0].lower()
        if subtag not in self._understood:
            raise RecognitionFailed(
                f"the speech recognition model does not understand {language!r}; it knows "
                f"{', '.join(sorted(self._understood))}: set RETOLD_LOCAL__WHISPER_DIR to one that does"
            )
        heard = _Heard(self._settings.partial_interval_ms)
        failure: Exception | None = None
        async with anyio.create_task_group() as reading:
            reading.start_soon(heard.read, audio)
            try:
                while await heard.has_work():
                    for transcribed in await self._work(heard, decoder, subtag):
                        yield transcribed
            except (Exception, GeneratorExit) as error:  # noqa: BLE001 - raised again below, outside the task group
                failure = error if isinstance(error, Exception) else None
            reading.cancel_scope.cancel()
        if failure:
            raise failure

    async def _work(self, heard: "_Heard", decoder: Decoder, language: str) -> list[Transcribed]:
        """Make the pass that is wanted most once there is a free slot, and give what it tells."""
        answers = heard.answers()
        if answers:
            return answers
        async with self._slots.slot(heard.is_urgent):
            work = heard.next_pass()
            if work is None:
                return []
            words = await anyio.to_thread.run_sync(_decode, decoder, work.made, language, limiter=self._threads)
        partial = work.utterance.take(work.made, words)
        return [partial] if partial and heard.is_current(work.utterance) else []

    async def _ready_decoder(self) -> Decoder:
        async with self._loading:
            if self._decoder is None:
                self._decoder = await anyio.to_thread.run_sync(self._load_and_try)
            return self._decoder

    def _load_and_try(self) -> Decoder:
        try:
            decoder = self._load(self._settings)
            noise = np.random.default_rng(0).normal(0, 0.01, SPEECH_RATE_HZ).astype(np.float32)
            decoder.decode(noise, "en", is_final=False)
            self._understood = self.languages
        except (RuntimeError, ValueError, OSError, ImportError) as error:
            raise RecognitionFailed(f"the speech recognition model cannot be loaded: {error}") from error
        return decoder


class _Work(NamedTuple):
    utterance: HeardUtterance
    made: Pass


class _Pause(NamedTuple):
    """A pause that has yet to be answered by a final."""

    utterance: HeardUtterance
    end: int


class _Heard:
    """What one stream has heard and still owes."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._current: HeardUtterance | None = None
        self._pauses: deque[_Pause] = deque()
        self._news = anyio.Event()
        self._has_ended = False
        self._failure: Exception | None = None

    async def read(self, audio: AsyncIterator[SpeechAudio]) -> None:
        """Take all pieces of audio; an error of theirs is raised by `has_work()`, in the reader's own task."""
        try:
            async for piece in audio:
                self._take(piece)
                self._news.set()
        except Exception as error:  # noqa: BLE001 - handed over, not handled
            self._failure = error
        self._has_ended = True
        self._news.set()

    async def has_work(self) -> bool:
        """Wait until there is something to answer or to recognise; False when nothing more will come."""
        while True:
            if self._failure:
                raise self._failure
            if self._pauses or self._due():
                return True
            if self._has_ended:
                return False
            self._news = anyio.Event()
            await self._news.wait()

    def is_urgent(self) -> bool:
        """Whether the caller is waiting for an answer."""
        return bool(self._pauses)

    def is_current(self, utterance: HeardUtterance) -> bool:
        """Whether a partial of this utterance still tells anything."""
        return utterance is self._current

    def answers(self) -> list[Transcribed]:
        """The finals that can be given without another pass."""
        given: list[Transcribed] = []
        while self._pauses and self._pauses[0].utterance.has_heard(self._pauses[0].end):
            utterance, end = self._pauses.popleft()
            given.append(utterance.final(end))
        return given

    def next_pass(self) -> _Work | None:
        """The pass that is wanted most, over the newest audio."""
        if not self._pauses:
            return self._due()
        utterance, end = self._newest_of_first()
        return _Work(utterance, utterance.final_pass(end))

    def _due(self) -> _Work | None:
        made = self._current.pass_due(self._interval_ms) if self._current and not self._has_ended else None
        return _Work(self._current, made) if self._current and made else None

    def _newest_of_first(self) -> _Pause:
        """Pauses of one utterance that pile up are answered together: its newest words answer them all."""
        first = self._pauses[0]
        return next(pause for pause in reversed(self._pauses) if pause.utterance is first.utterance)

    def _take(self, piece: SpeechAudio) -> None:
        if self._current is None or self._current.number != piece.utterance:
            self._current = HeardUtterance(piece.utterance, piece.start_ms)
        self._current.append(piece)
        if piece.is_pause:
            self._pauses.append(_Pause(self._current, self._current.total))
        if self._current.is_overfull or len(self._pauses) > _MOST_PAUSES_WAITING:
            raise RecognitionFailed(
                f"recognition is {len(self._pauses)} pauses behind; "
                "raise RETOLD_LOCAL__STT_THREADS or RETOLD_LOCAL__PARTIAL_INTERVAL_MS, or take fewer calls"
            )


def _decode(decoder: Decoder, made: Pass, language: str) -> tuple[Word, ...]:
    """Decode, a second time if the first fails."""
    samples, is_final = made.samples(), made.kind is not PassKind.PARTIAL
    try:
        return decoder.decode(samples, language, is_final=is_final)
    except (RuntimeError, ValueError):
        pass
    try:
        return decoder.decode(samples, language, is_final=is_final)
    except (RuntimeError, ValueError) as error:
        raise RecognitionFailed(f"speech recognition failed twice: {error}") from error
