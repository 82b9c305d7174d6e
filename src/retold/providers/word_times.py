"""Fits the word times of a recogniser to the audible speech.

Whisper's cross-attention says well where one word passes into the next inside fluent speech, but lets the words
around a pause reach far into it. The energy of the audio knows where the pauses are, so boundaries near a pause
are moved to its edges.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from retold.domain.transcript import Word

FRAME_MS: Final = 10
_FRAME: Final = 160
_BELOW_PEAK_DB: Final = 38.0
_ABOVE_NOISE_DB: Final = 9.0
_LEAST_BELOW_PEAK_DB: Final = 18.0
_SHORTEST_SPEECH_MS: Final = 30
_SHORTEST_PAUSE_MS: Final = 100
"""The silent part of a plosive is shorter than this."""
_REACH_MS: Final = 400
"""How far a word boundary may lie from a pause and still be meant by it."""
_ATTENTION_LAG_MS: Final = 50
"""The attention comes so much later than the sound: median over synthesised speech, whose times are known."""
_BETWEEN_WORDS_MS: Final = 30
"""Attention passes from word to word without a gap; in fluent speech a word ends this long before the next begins."""
_SHORTEST_WORD_MS: Final = 20

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def levels_db(samples: Floats) -> Floats:
    """The loudness of each whole 10 ms frame of 16 kHz audio, in dB below full scale."""
    count = len(samples) // _FRAME
    power = np.mean(samples[: count * _FRAME].reshape(count, _FRAME) ** 2, axis=1)
    return (10 * np.log10(power + 1e-10)).astype(np.float32)


def audible(levels: Floats) -> Mask:
    """Which 10 ms frames hold sound that stands out from the background of this same audio."""
    if not len(levels):
        return np.zeros(0, np.bool_)
    peak_db, noise_db = np.percentile(levels, (98, 5))
    threshold_db = max(peak_db - _BELOW_PEAK_DB, noise_db + _ABOVE_NOISE_DB)
    return _without_clicks(levels > min(threshold_db, peak_db - _LEAST_BELOW_PEAK_DB))


def runs(mask: Mask, *, of: bool) -> list[tuple[int, int]]:
    """The stretches of frames that are `of`, as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([not of], mask, [not of])) == of))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def silence_at_end_ms(mask: Mask) -> int:
    """How long the audio has been silent at its end."""
    heard = np.flatnonzero(mask)
    return (len(mask) - int(heard[-1]) - 1 if len(heard) else len(mask)) * FRAME_MS


def fit(words: Sequence[Word], mask: Mask) -> list[Word]:
    """Words with times in milliseconds from the start of the audio, moved to where speech is audible.

    A word that starts after the last sound is dropped: nobody said it.
    """
    heard = np.flatnonzero(mask)
    if not len(heard):
        return list(words)
    begin, end = int(heard[0]) * FRAME_MS, (int(heard[-1]) + 1) * FRAME_MS
    kept = [word for word in words if word.start_ms - _ATTENTION_LAG_MS < end]
    if not kept:
        return []
    starts = np.array([word.start_ms for word in kept]) - _ATTENTION_LAG_MS
    passed = np.array([word.end_ms for word in kept[:-1]]) - _ATTENTION_LAG_MS
    ends = np.array([*(np.minimum(starts[1:], passed) - _BETWEEN_WORDS_MS), end])
    starts[0] = begin
    pauses = [
        (first * FRAME_MS, last * FRAME_MS)
        for first, last in runs(mask[: end // FRAME_MS], of=False)
        if first and (last - first) * FRAME_MS >= _SHORTEST_PAUSE_MS
    ]
    for pause in pauses:
        _open_pause(starts, ends, pause)
    return _in_order(kept, starts, ends)


def _open_pause(starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], pause: tuple[int, int]) -> None:
    """Put the word boundary that is nearest to a pause at both its edges."""
    if len(starts) < 2:
        return
    first, last = pause
    outside = np.maximum(0, np.maximum(first - starts[1:], starts[1:] - last))
    nearest = int(np.argmin(outside))
    if outside[nearest] <= _REACH_MS and starts[nearest] < first and (last < ends[nearest + 1]):
        ends[nearest], starts[nearest + 1] = first, last


def _in_order(words: Sequence[Word], starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]) -> list[Word]:
    fitted: list[Word] = []
    at = 0.0
    for word, start, end in zip(words, starts, ends, strict=True):
        start_ms = max(at, float(start))
        at = max(start_ms + _SHORTEST_WORD_MS, float(end))
        fitted.append(Word(word.text, start_ms, at))
    for index, (word, following) in enumerate(pairwise(fitted)):
        fitted[index] = Word(word.text, word.start_ms, min(word.end_ms, following.start_ms))
    return fitted


def _without_clicks(mask: Mask) -> Mask:
    kept = mask.copy()
    for first, last in runs(mask, of=True):
        if (last - first) * FRAME_MS < _SHORTEST_SPEECH_MS:
            kept[first:last] = False
    return kept
