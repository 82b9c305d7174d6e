"""Numbers as people say them, in digits: "double five", "oh", "forty two", "two thousand and one"."""

from collections.abc import Sequence
from typing import Final

from retold.domain.pii.word_sets import words

UNITS: Final = {
    word: str(digit)
    for language in (
        "zero one two three four five six seven eight nine",
        "null eins zwei drei vier fünf sechs sieben acht neun",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "zéro une deux trois quatre cinq six sept huit neuf",
    )
    for digit, word in enumerate(language.split())
    if word != "une"  # an article more often than a digit
} | {"nought": "0", "zwo": "2"}
"""One digit each."""
OHS: Final = frozenset({"oh", "o"})
"""Zero, but only beside other digits."""
_TEENS: Final = {
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
}
_TENS: Final = {
    "twenty": "2",
    "thirty": "3",
    "forty": "4",
    "fifty": "5",
    "sixty": "6",
    "seventy": "7",
    "eighty": "8",
    "ninety": "9",
}
_REPEATS: Final = {"double": 2, "triple": 3}
_NUMBERS: Final = frozenset({*UNITS, *_TEENS, *_TENS, *_REPEATS, *OHS})
ORDINALS: Final = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
_LARGE: Final = {"hundred": "00", "thousand": "000"}


def number_at(said: Sequence[str], index: int, *, is_inside: bool = False) -> tuple[str, int]:
    """The digits that are said or written from `index` on, and the index after them; without any, ("", index).

    Words are in lower case. `is_inside` is whether digits stand before them: then "oh" alone is one too.
    """
    digits, end = _below_hundred(said, index, is_inside=is_inside)
    zeros = _LARGE.get(_word(said, end)) if digits else None
    if zeros is None:
        return digits, end
    return _with_rest(digits, zeros, said, end + 1)


def is_number(word: str) -> bool:
    """Whether a word in lower case is one of those that numbers are said with, or digits."""
    return word.isdecimal() or word in _NUMBERS


def _with_rest(head: str, zeros: str, said: Sequence[str], index: int) -> tuple[str, int]:
    """Two thousand and one is 2001: what follows belongs to it when it fits, and is a word."""
    start = index + 1 if _word(said, index) == "and" else index
    rest, end = ("", start) if _word(said, start).isdecimal() else _below_hundred(said, start)
    if rest and len(rest) <= len(zeros):
        return head + rest.rjust(len(zeros), "0"), end
    return head + zeros, index


def _below_hundred(said: Sequence[str], index: int, *, is_inside: bool = False) -> tuple[str, int]:
    word, following = _word(said, index), _word(said, index + 1)
    if word.isdecimal():
        return word, index + 1
    if word in UNITS or word in _TEENS:
        return UNITS.get(word) or _TEENS[word], index + 1
    if word in _TENS:
        unit = UNITS.get(following, "0")
        return _TENS[word] + unit, index + (1 if unit == "0" else 2)
    if word in _REPEATS:
        repeated = _repeatable(following)
        return repeated * _REPEATS[word], index + (2 if repeated else 0)
    if word in OHS and (is_inside or is_number(following)):
        return "0", index + 1
    return "", index


def _repeatable(word: str) -> str:
    """The one digit that "double" may stand in front of."""
    if word in OHS:
        return "0"
    return word if len(word) == 1 and word.isdecimal() else UNITS.get(word, "")


def _word(said: Sequence[str], index: int) -> str:
    return said[index] if index < len(said) else ""
