"""Runs of digits and letters, as numbers of any kind are said: piece by piece, with hesitation, over several turns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from retold.domain.pii.cues import goes_on
from retold.domain.pii.numerals import number_at
from retold.domain.pii.talk import Talk, Token
from retold.domain.pii.word_sets import FILLERS, words

_LETTER_WORDS: Final = words(
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec"
    " romeo sierra tango uniform victor whiskey xray yankee zulu"
)
"""Each stands for its first letter."""
_AS_IN: Final = (("as", "in"), ("like", "in"), ("wie",), ("for",), ("de",))
"""What follows a letter to make it plain: "d as in david"."""
_ENDS: Final = frozenset("?!:;")
_ARTICLES: Final = frozenset({"a", "i", "y", "e", "o"})
"""Letters that are words in one language or another: they neither end a run nor begin one of digits."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a run: digits, a letter, or letters and digits written together; by its words in the stream."""

    chars: str
    first: int
    last: int

    @property
    def is_digits(self) -> bool:
        """Whether it has digits only."""
        return self.chars.isdecimal()


@dataclass(slots=True)
class Run:
    """Pieces that follow one another."""

    pieces: list[Piece] = field(default_factory=list[Piece])

    @property
    def chars(self) -> str:
        """All of it, in lower case."""
        return "".join(piece.chars for piece in self.pieces)

    @property
    def first(self) -> int:
        """The index of its first word in the stream."""
        return self.pieces[0].first

    @property
    def last(self) -> int:
        """The index of its last word in the stream."""
        return self.pieces[-1].last

    @property
    def digits(self) -> int:
        """How many digits are in it."""
        return sum(char.isdecimal() for char in self.chars)

    def digit_parts(self) -> list["Run"]:
        """Its parts that have digits only."""
        parts = [Run()]
        for piece in self.pieces:
            if piece.is_digits:
                parts[-1].pieces.append(piece)
            elif parts[-1].pieces:
                parts.append(Run())
        return [part for part in parts if part.pieces]


def runs_in(talk: Talk, stream: Sequence[Token]) -> Iterator[Run]:
    """Every run of a party's words."""
    said = [token.word for token in stream]
    run, index = Run(), 0
    while index < len(said):
        if run.pieces and not _may_go_on(talk, stream, run.last, index):
            yield from _trimmed(run)
            run = Run()
        piece = _piece_at(said, index, run)
        if piece is not None:
            run.pieces.append(piece)
            index = piece.last + 1
        elif run.pieces and said[index] in FILLERS:
            index += 1
        else:
            yield from _trimmed(run)
            run = Run()
            index += 1
    yield from _trimmed(run)


def _may_go_on(talk: Talk, stream: Sequence[Token], last: int, index: int) -> bool:
    """Whether the word at `index` can belong to what was said up to `last`: fillers, and nothing else, are between."""
    if stream[index].turn == stream[last].turn:
        return _ENDS.isdisjoint("".join(token.gap for token in stream[last + 1 : index + 1]))
    return goes_on(talk, stream[last], stream[index])


def _piece_at(said: Sequence[str], index: int, run: Run) -> Piece | None:
    is_inside = bool(run.pieces) and run.pieces[-1].chars[-1].isdecimal()
    digits, end = number_at(said, index, is_inside=is_inside)
    if digits:
        return Piece(digits, index, end - 1)
    word = said[index]
    if len(word) == 1:
        return Piece(word, index, _after_example(said, index) - 1)
    if word in _LETTER_WORDS:
        return Piece(word[0], index, index)
    if word.isalnum() and any(char.isdecimal() for char in word):
        return Piece(word, index, index)
    return None


def _after_example(said: Sequence[str], index: int) -> int:
    """The index after a letter and the word that makes it plain, if one does."""
    for phrase in _AS_IN:
        example = index + 1 + len(phrase)
        if tuple(said[index + 1 : example]) == phrase and example < len(said) and said[example][0] == said[index]:
            return example + 1
    return index + 1


def _trimmed(run: Run) -> Iterator[Run]:
    """The run without letters at its ends that are words of their own."""
    pieces = run.pieces
    while pieces and pieces[-1].chars in _ARTICLES and (len(pieces) == 1 or pieces[-2].is_digits):
        pieces = pieces[:-1]
    if pieces:
        yield Run(pieces)
