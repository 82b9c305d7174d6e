"""Pure operations on sequences of recognised words: agreement of passes, repeats, joints and cuts."""

from collections.abc import Sequence
from typing import Final

from retold.domain.transcript import Word

_LONGEST_REPEAT: Final = 4
_FASTEST_WORD_MS: Final = 90
"""Nobody says a word in less; a decoder that runs on invents words at any speed."""


def normal(text: str) -> str:
    """A word without case and punctuation, to compare two passes by."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def agreed(before: Sequence[Word], after: Sequence[Word]) -> tuple[Word, ...]:
    """The words at the start on which two passes agree, as the later one has them."""
    count = 0
    for old, new in zip(before, after, strict=False):
        if normal(old.text) != normal(new.text):
            break
        count += 1
    return tuple(after[:count])


def without_repeats(words: Sequence[Word]) -> list[Word]:
    """Words less a repeated tail that is spoken faster than anyone speaks."""
    kept = list(words)
    for length in range(1, _LONGEST_REPEAT + 1):
        while len(kept) >= 2 * length and _is_invented_repeat(kept[-2 * length : -length], kept[-length:]):
            del kept[-length:]
    return kept


def joined(frozen: Sequence[Word], rest: Sequence[Word], beyond_cut: str = "") -> tuple[Word, ...]:
    """Words before a cut and after it, without the full stop and the capital that only the cut made.

    `beyond_cut` is the first word after the cut as it was spelled before the cut, if known.
    """
    if not frozen or not rest:
        return (*frozen, *rest)
    last, following = frozen[-1], rest[0]
    if beyond_cut and normal(beyond_cut) == normal(following.text):
        following = Word(beyond_cut[0] + following.text[1:], following.start_ms, following.end_ms)
    if last.text.endswith(".") and following.text[0].islower():
        last = Word(last.text.rstrip("."), last.start_ms, last.end_ms)
    return (*frozen[:-1], last, following, *rest[1:])


def shifted(words: Sequence[Word], by_ms: float) -> tuple[Word, ...]:
    """The words with all times moved later."""
    return tuple(Word(word.text, word.start_ms + by_ms, word.end_ms + by_ms) for word in words)


def best_cut(words: Sequence[Word], *, after_ms: float, before_ms: float) -> int | None:
    """How many words to cut off where the gap between words is widest within the limits, the latest of equals."""
    candidates = [
        (words[count].start_ms - words[count - 1].end_ms, count)
        for count in range(1, len(words))
        if words[count].start_ms >= after_ms and words[count].end_ms <= before_ms
    ]
    return max(candidates)[1] if candidates else None


def _is_invented_repeat(first: Sequence[Word], again: Sequence[Word]) -> bool:
    is_repeat = all(normal(one.text) == normal(two.text) for one, two in zip(first, again, strict=True))
    return is_repeat and again[-1].end_ms - again[0].start_ms < _FASTEST_WORD_MS * len(again)
