"""Word error rate: what share of the spoken words a recogniser got wrong, spelling aside."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_CONTRACTIONS: Final = (
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\bcannot\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'d\b", " would"),
    (r"'m\b", " am"),
    (r"\b(it|that|there|here|what|who|where|how|he|she)'s\b", r"\1 is"),
)
_SMALL: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLINGS: Final = {"ok": "okay", "goodbye": "good bye", "mr": "mister", "mrs": "missus", "dr": "doctor"}


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors against a number of spoken words."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors per spoken word, 0 when nothing was spoken."""
        return self.errors / self.words if self.words else 0.0


def normal_words(text: str) -> list[str]:
    """The words of a text in one spelling: lower case, no punctuation, contractions written out, numbers as words."""
    plain = text.lower().replace("\u2019", "'")
    for pattern, written_out in _CONTRACTIONS:
        plain = re.sub(pattern, written_out, plain)
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain).replace("'", "")
    plain = re.sub(r"\d+", lambda number: f" {_spoken(number[0])} ", plain)
    words = re.sub(r"[^a-z\s]", " ", plain).split()
    return " ".join(_SPELLINGS.get(word, word) for word in words).split()


def word_errors(spoken: str, heard: str) -> WordErrors:
    """Substitutions, deletions and insertions of the cheapest way from one text to the other."""
    reference = normal_words(spoken)
    return WordErrors(_distance(reference, normal_words(heard)), len(reference))


def total(parts: Iterable[WordErrors]) -> WordErrors:
    """The errors of several texts together."""
    listed = list(parts)
    return WordErrors(sum(part.errors for part in listed), sum(part.words for part in listed))


def _spoken(digits: str) -> str:
    """A number up to 99 as it is said, a longer one digit by digit."""
    if len(digits) > 2 or (len(digits) == 2 and digits.startswith("0")):
        return " ".join(_SMALL[int(digit)] for digit in digits)
    number = int(digits)
    if number < len(_SMALL):
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens - 2]} {_SMALL[ones]}" if ones else _TENS[tens - 2]


def _distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    row = list(range(len(heard) + 1))
    for at, spoken in enumerate(reference, start=1):
        previous = row
        row = [at]
        for index, word in enumerate(heard):
            row.append(min(previous[index] + (word != spoken), previous[index + 1] + 1, row[index] + 1))
    return row[-1]
