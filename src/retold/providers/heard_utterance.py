"""One utterance on its way through a recogniser that only knows whole stretches of audio.

Recognition is done in passes over the audio so far. What an earlier pass made sure of is frozen, and its audio
let go, so that the cost of a pass does not grow with the length of the utterance.

    frozen words | committed words, words on trial     | not yet heard
    -------------|-------------------------------------|---------------
    0         origin                          end of last pass      total
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from retold.domain.transcript import Word
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, Transcribed
from retold.providers.word_sequence import agreed, best_cut, joined, shifted
from retold.providers.word_times import FRAME_MS, audible, levels_db, silence_at_end_ms

_PER_MS: Final = SPEECH_RATE_HZ // 1000
_SAMPLE_BYTES: Final = 2
_FULL_SCALE: Final = 32_768.0
_SETTLED_MS: Final = 80
"""So much silence may be the end: the pass made in it is the final one if nothing more is said."""
_PERHAPS_SETTLED_MS: Final = 30
"""After so much silence no partial pass begins: it would keep the final one waiting for as long as it takes."""
_REST: Final = 2
"""The next partial pass begins this many times as late as the last one took: half of the time at most is spent."""
_FREEZE_AT_PAUSE_MS: Final = 5_000
_CUT_FROM_MS: Final = 9_000
_CUT_ANYWHERE_FROM_MS: Final = 13_000
_CUT_AFTER_MS: Final = 3_000
_CUT_BEFORE_END_MS: Final = 1_000
_LONGEST_BACKLOG_MS: Final = 120_000

Floats = npt.NDArray[np.float32]


class PassKind(StrEnum):
    """Why a pass is made."""

    PARTIAL = "partial"
    SETTLED = "settled"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Pass:
    """A stretch of an utterance to recognise; `begin` and `end` are samples from the utterance's start."""

    kind: PassKind
    begin: int
    end: int
    pcm: bytes

    def samples(self) -> Floats:
        """The audio as float32 in -1 to 1."""
        return np.frombuffer(self.pcm, np.int16).astype(np.float32) / _FULL_SCALE


@dataclass(frozen=True, slots=True)
class _Done:
    """The newest pass of final quality; `is_answer` when the caller paused at its end."""

    end: int
    words: tuple[Word, ...]
    is_answer: bool


class HeardUtterance:
    """The audio and words of one utterance; word times inside are milliseconds from `origin`."""

    def __init__(self, number: int, start_ms: float) -> None:
        self.number = number
        self._start_ms = start_ms
        self._origin = 0
        self._pcm = bytearray()
        self._levels = np.zeros(0, np.float32)
        self._frozen: tuple[Word, ...] = ()
        """Words before the origin, in milliseconds from the start of the utterance."""
        self._committed: tuple[Word, ...] = ()
        self._trial: tuple[Word, ...] = ()
        self._beyond_cut = ""
        """The first word after the last cut as a pass that heard both sides spelled it."""
        self._last_end = 0
        self._wait = 0
        self._done: _Done | None = None

    @property
    def total(self) -> int:
        """Samples taken so far."""
        return self._origin + len(self._pcm) // _SAMPLE_BYTES

    @property
    def is_overfull(self) -> bool:
        """Whether recognition is so far behind that waiting longer makes no sense."""
        return self.total - self._origin > _LONGEST_BACKLOG_MS * _PER_MS

    def append(self, piece: SpeechAudio) -> None:
        """Take the next piece of audio."""
        self._pcm += piece.pcm
        levelled = len(self._levels) * FRAME_MS * _PER_MS * _SAMPLE_BYTES
        fresh = np.frombuffer(bytes(self._pcm[levelled:]), np.int16).astype(np.float32) / _FULL_SCALE
        self._levels = np.concatenate((self._levels, levels_db(fresh)))

    def pass_due(self, interval_ms: int) -> Pass | None:
        """The pass to make while the caller may still be speaking, if one is due."""
        unheard = self.total - self._last_end
        if unheard < _SETTLED_MS * _PER_MS:
            return None
        mask = audible(self._levels)
        silent = silence_at_end_ms(mask) * _PER_MS
        if silent >= unheard:
            return None
        if silent >= _SETTLED_MS * _PER_MS:
            return self._pass(PassKind.SETTLED, self.total)
        if silent >= _PERHAPS_SETTLED_MS * _PER_MS:
            return None
        if not self._last_end:
            unheard -= int(np.argmax(mask)) * FRAME_MS * _PER_MS
        return self._pass(PassKind.PARTIAL, self.total) if unheard >= max(interval_ms * _PER_MS, self._wait) else None

    def has_heard(self, end: int) -> bool:
        """Whether a pause at `end` can be answered: nothing was said since the newest pass of final quality."""
        done = self._done
        return done is not None and (done.end >= end or self._silence_before(end) >= end - done.end)

    def final_pass(self, end: int) -> Pass:
        """The pass whose words are final for a pause at `end`."""
        return self._pass(PassKind.FINAL, end)

    def final(self, end: int) -> Transcribed:
        """The answer to a pause at `end` that `has_heard()`."""
        done = self._done or _Done(end, (), is_answer=True)
        self._done = _Done(max(end, done.end), done.words, is_answer=True)
        return self._transcribed(done.words, self._done.end, is_final=True)

    def take(self, made: Pass, words: tuple[Word, ...]) -> Transcribed | None:
        """Take the words of a pass; gives the words so far when there are more of them to rely on."""
        self._last_end = max(self._last_end, made.end)
        self._wait = _REST * (self.total - made.end)
        if made.kind is not PassKind.PARTIAL:
            self._done = _Done(made.end, words, is_answer=False)
        if made.kind is PassKind.FINAL:
            self._committed = self._trial = words
            return None
        sure = agreed(self._trial, words)
        self._trial = words
        has_more = len(sure) > len(self._committed)
        if len(sure) >= len(self._committed):
            self._committed = sure
        partial = self._transcribed(self._committed, made.end, is_final=False) if has_more else None
        self._cut_long(made)
        return partial

    def _pass(self, kind: PassKind, end: int) -> Pass:
        self._freeze_at_pause(end)
        return Pass(kind, self._origin, end, bytes(self._pcm[: (end - self._origin) * _SAMPLE_BYTES]))

    def _freeze_at_pause(self, end: int) -> None:
        """Let go of what was final at an earlier pause, if it is long."""
        done = self._done
        if done and done.is_answer and end > done.end and done.end - self._origin >= _FREEZE_AT_PAUSE_MS * _PER_MS:
            self._freeze(done.words, done.end, "")
            self._trial = self._committed = ()

    def _cut_long(self, made: Pass) -> None:
        """Let go of the words before the widest gap once a pass has become long."""
        length_ms = (made.end - self._origin) / _PER_MS
        if length_ms < _CUT_FROM_MS or made.begin != self._origin:
            return
        words = self._trial if length_ms >= _CUT_ANYWHERE_FROM_MS else self._committed
        count = best_cut(words, after_ms=_CUT_AFTER_MS, before_ms=length_ms - _CUT_BEFORE_END_MS)
        if count is None:
            return
        cut_ms = round((words[count - 1].end_ms + words[count].start_ms) / 2 / FRAME_MS) * FRAME_MS
        committed, trial = self._committed[count:], self._trial[count:]
        self._freeze(words[:count], self._origin + cut_ms * _PER_MS, words[count].text)
        self._committed, self._trial = shifted(committed, -cut_ms), shifted(trial, -cut_ms)

    def _freeze(self, words: tuple[Word, ...], origin: int, beyond: str) -> None:
        self._frozen = joined(self._frozen, shifted(words, self._origin / _PER_MS), self._beyond_cut)
        self._beyond_cut = beyond
        let_go = origin - self._origin
        del self._pcm[: let_go * _SAMPLE_BYTES]
        self._levels = self._levels[let_go // (FRAME_MS * _PER_MS) :]
        self._origin = origin
        self._done = None

    def _silence_before(self, end: int) -> int:
        frames = (end - self._origin) // (FRAME_MS * _PER_MS)
        return silence_at_end_ms(audible(self._levels[:frames])) * _PER_MS

    def _transcribed(self, words: tuple[Word, ...], end: int, *, is_final: bool) -> Transcribed:
        whole = joined(self._frozen, shifted(words, self._origin / _PER_MS), self._beyond_cut)
        return Transcribed(self.number, shifted(whole, self._start_ms), is_final, (self.total - end) / _PER_MS)
