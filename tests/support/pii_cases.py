"""The suite of tests/data/pii-cases.txt: what must be found, and what must be left alone."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from retold.domain.pii.categories import CATEGORIES, PiiCategory, Span
from retold.domain.pii.talk import Turn
from retold.domain.pii.word_sets import words

CASES: Final = Path(__file__).resolve().parents[1] / "data" / "pii-cases.txt"
BY_PATTERN: Final[tuple[PiiCategory, ...]] = tuple(one for one in CATEGORIES if one not in {"person_name", "address"})
_MARKED: Final = re.compile(r"\{(\w+):([^}]*)\}")
_WORD: Final = re.compile(r"[^\W_]+")
_LEFT: Final = words("the of in on and uh um dash capital a")
"""Words inside personal data that say nothing: they may stay or go."""

Find = Callable[[Sequence[Turn], Sequence[PiiCategory]], list[list[Span]]]


@dataclass(frozen=True, slots=True)
class Expected:
    """One piece of personal data, by its places: turn, start and end."""

    category: PiiCategory
    turn: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Case:
    """A line of the suite."""

    line: str
    turns: tuple[Turn, ...]
    expected: tuple[Expected, ...]

    @property
    def is_held_out(self) -> bool:
        """Whether its failures are only counted."""
        return hashlib.sha256(self.line.encode()).digest()[0] % 3 == 0


@dataclass(slots=True)
class Score:
    """How many pieces of personal data were found, and what else was taken for one."""

    found: dict[PiiCategory, int] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0))
    expected: dict[PiiCategory, int] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0))
    clean: int = 0
    clean_untouched: int = 0
    words_masked: int = 0
    words_masked_rightly: int = 0
    failures: list[str] = field(default_factory=list[str])

    def recall(self, categories: Iterable[PiiCategory]) -> float:
        """Percent found of all pieces of these categories together."""
        chosen = list(categories)
        return 100 * sum(self.found[one] for one in chosen) / max(1, sum(self.expected[one] for one in chosen))

    @property
    def precision(self) -> float:
        """Percent of the masked words that were personal."""
        return 100 * self.words_masked_rightly / max(1, self.words_masked)


def cases() -> list[Case]:
    """All of them."""
    lines = (line.strip() for line in CASES.read_text(encoding="utf-8").splitlines())
    return [_parsed(line) for line in lines if line and not line.startswith("#")]


def scored(chosen: Iterable[Case], find: Find) -> Score:
    """What `find` makes of these cases; a piece is found when all its words that say something have its mark."""
    score = Score()
    for case in chosen:
        _score_one(case, find(case.turns, CATEGORIES), score)
    return score


def _score_one(case: Case, spans: list[list[Span]], score: Score) -> None:
    missed: list[str] = []
    for piece in case.expected:
        text = case.turns[piece.turn].text
        words = [word for word in _words(text, piece.start, piece.end) if word[2] not in _LEFT]
        is_found = all(
            any(
                span.category == piece.category and span.start <= start and end <= span.end
                for span in spans[piece.turn]
            )
            for start, end, _ in words
        )
        score.expected[piece.category] += 1
        score.found[piece.category] += is_found
        if not is_found:
            missed.append(f"missed {text[piece.start : piece.end]!r}")
    wrong = _wrongly_masked(case, spans, score)
    if not case.expected:
        score.clean += 1
        score.clean_untouched += not any(spans)
    if missed or wrong:
        score.failures.append(f"{case.line}\n    {'; '.join(missed + [f'masked {word!r}' for word in wrong])}")


def _wrongly_masked(case: Case, spans: list[list[Span]], score: Score) -> list[str]:
    wrong: list[str] = []
    for turn, of_turn in enumerate(spans):
        pieces = [piece for piece in case.expected if piece.turn == turn]
        for span in of_turn:
            for start, end, word in _words(case.turns[turn].text, span.start, span.end):
                is_right = any(piece.start <= start and end <= piece.end for piece in pieces)
                score.words_masked += 1
                score.words_masked_rightly += is_right
                if not is_right:
                    wrong.append(word)
    return wrong


def _words(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    return [(match.start(), match.end(), match[0].lower()) for match in _WORD.finditer(text, start, end)]


def _parsed(line: str) -> Case:
    turns: list[Turn] = []
    expected: list[Expected] = []
    for number, part in enumerate(line.split(" // ")):
        speaker, said = ("agent", part[3:]) if part.startswith("A: ") else ("user", part)
        text, end = "", 0
        for match in _MARKED.finditer(said):
            text += said[end : match.start()]
            category = CATEGORIES[CATEGORIES.index(match[1])]
            expected.append(Expected(category, number, len(text), len(text) + len(match[2])))
            text += match[2]
            end = match.end()
        turns.append(Turn(speaker, text + said[end:]))
    return Case(line, tuple(turns), tuple(expected))
