"""Exact word times of synthesised speech: from phoneme lengths, sharpened by the sound at the edges of pauses.

The network's phoneme lengths (frames of 25 ms) add up to the audio exactly, but the sound of a phoneme begins
LEAD_MS before its frames: measured on hibari 0.2.1 at the edges of "s" sounds between words, where rise and fall then
lie within 10 ms (median) of the word times at any speed. A phoneme before a pause also holds part of the silence, so at
pauses the energy decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAD_MS = 35.0
QUIET_DBFS = -45.0
"""Below this nobody on a telephone hears anything; the loudest of speech is about -3."""
STEP_MS = 5.0
SEARCH_MS = 120.0
"""How far from its frames the sound of a word may begin."""
TAIL_MS = 80.0
"""How far behind its frames the sound of a word may end."""

SILENT_PHONEMES = frozenset(' ;:,.!?—…"“”()')


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One symbol for the network and the written word it belongs to; a space belongs to the one before it."""

    symbol: str
    owner: int


@dataclass(slots=True)
class Span:
    """When a written word sounds, in milliseconds of its audio; next to a pause on either side or not."""

    owner: int
    start_ms: float
    end_ms: float
    follows_pause: bool
    precedes_pause: bool = False


def word_spans(
    phonemes: Sequence[Phoneme], lengths_ms: Sequence[float], samples: NDArray[np.float32], rate_hz: int
) -> list[Span]:
    """The span of each owner that sounds, in order and without overlap.

    `lengths_ms` has one entry per phoneme and one more for the silence on either side; `samples` are between -1 and 1.
    """
    spans = _from_lengths(phonemes, lengths_ms)
    _sharpen(spans, _audible_steps(samples, rate_hz))
    return spans


def _from_lengths(phonemes: Sequence[Phoneme], lengths_ms: Sequence[float]) -> list[Span]:
    edges = np.maximum(np.cumsum(lengths_ms) - LEAD_MS, 0.0).tolist()
    spans: list[Span] = []
    after_pause = True
    for phoneme, start_ms, end_ms in zip(phonemes, edges, edges[1:], strict=False):
        if phoneme.symbol in SILENT_PHONEMES:
            if phoneme.symbol != " ":
                after_pause = True
                if spans:
                    spans[-1].precedes_pause = True
            continue
        if spans and spans[-1].owner == phoneme.owner:
            # A pause inside a written word ("555-0142") is no edge of it.
            spans[-1].end_ms, spans[-1].precedes_pause = end_ms, False
        else:
            # In flowing speech the frames of the space sound like the word behind it.
            spans.append(Span(phoneme.owner, start_ms if after_pause else spans[-1].end_ms, end_ms, after_pause))
        after_pause = False
    if spans:
        spans[-1].precedes_pause = True
    return spans


def _audible_steps(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.bool_]:
    """For each STEP_MS of the audio, whether its level is over QUIET_DBFS."""
    step = int(rate_hz * STEP_MS / 1000)
    steps = samples[: len(samples) // step * step].reshape(-1, step)
    power = np.mean(np.square(steps, dtype=np.float64), axis=1)
    return power >= 10 ** (QUIET_DBFS / 10)


def _sharpen(spans: Sequence[Span], audible: NDArray[np.bool_]) -> None:
    for before, span in zip([None, *spans], spans, strict=False):
        if span.follows_pause:
            floor_ms = before.start_ms if before else 0.0
            span.start_ms = _onset_ms(audible, span.start_ms, floor_ms)
        if before and before.precedes_pause:
            before.end_ms = _offset_ms(audible, before, span.start_ms)
        if before:
            before.end_ms = min(before.end_ms, span.start_ms)
    if spans:
        spans[-1].end_ms = _offset_ms(audible, spans[-1], len(audible) * STEP_MS)
    for before, span in zip([None, *spans], spans, strict=False):
        span.start_ms = max(span.start_ms, before.end_ms if before else 0.0)
        span.end_ms = max(span.end_ms, span.start_ms)


def _onset_ms(audible: NDArray[np.bool_], near_ms: float, floor_ms: float) -> float:
    """The rise out of quiet next to `near_ms`; `near_ms` itself when there is none in reach."""
    low = int(max(near_ms - SEARCH_MS, floor_ms) / STEP_MS)
    high = int((near_ms + SEARCH_MS) / STEP_MS) + 1
    window = audible[low:high]
    rises = np.flatnonzero(window & ~np.concatenate(([low > 0 and audible[low - 1]], window[:-1]))) + low
    if not len(rises):
        return near_ms
    return float(rises[np.argmin(np.abs(rises * STEP_MS - near_ms))] * STEP_MS)


def _offset_ms(audible: NDArray[np.bool_], span: Span, ceiling_ms: float) -> float:
    """The end of the last sound of the span, looking a little past its frames."""
    low = int(span.start_ms / STEP_MS)
    high = int(min(span.end_ms + TAIL_MS, ceiling_ms) / STEP_MS)
    heard = np.flatnonzero(audible[low:high])
    return float((low + heard[-1] + 1) * STEP_MS) if len(heard) else min(span.end_ms, ceiling_ms)
