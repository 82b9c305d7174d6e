"""Words that a loop can recognise: each is 200 ms of one loudness, so recognition can be tested without a model."""

import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from retold.domain.transcript import Word

WORD_MS: Final = 200
_PER_MS: Final = 16
_QUIETEST: Final = 6_000
_STEP: Final = 200
_FULL_SCALE: Final = 32_768


def say(words: Sequence[int], *, then_silent_ms: int = 0) -> bytes:
    """16 kHz PCM of words, given by number from 0 to 99, without gaps between them."""
    spoken = [np.full(WORD_MS * _PER_MS, _QUIETEST + _STEP * word, np.int16) for word in words]
    return np.concatenate([*spoken, np.zeros(then_silent_ms * _PER_MS, np.int16)]).tobytes()


class PlainWordsDecoder:
    """Recognises `say()`: word 7 is heard as "w7", and wrongly as "cut" while less than half of it is there."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, bool]] = []
        """Length in ms and finality of each pass."""
        self.go = threading.Event()
        """Cleared, it holds every pass back."""
        self.go.set()
        self.failures: list[Exception] = []
        """Raised one by one before anything is recognised."""
        self.at_a_time = 0
        self.most_at_a_time = 0

    def decode(self, samples: npt.NDArray[np.float32], language: str, *, is_final: bool) -> tuple[Word, ...]:
        """Recognise `say()` in English."""
        assert language == "en"
        self.passes.append((len(samples) // _PER_MS, is_final))
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        self.go.wait(10)
        self.at_a_time -= 1
        if self.failures:
            raise self.failures.pop(0)
        return tuple(_words(np.rint(samples * _FULL_SCALE).astype(np.int64)))


def _words(levels: npt.NDArray[np.int64]) -> list[Word]:
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    found: list[Word] = []
    for begin, end in pairwise(edges):
        if end > begin and levels[begin] >= _QUIETEST:
            is_whole = (end - begin) // _PER_MS >= WORD_MS // 2
            text = f"w{(int(levels[begin]) - _QUIETEST) // _STEP}" if is_whole else "cut"
            found.append(Word(text, begin / _PER_MS, end / _PER_MS))
    return found
