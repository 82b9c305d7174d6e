"""What was said on a call as words in order: all of it, and each party's alone, for numbers are split over turns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from retold.domain.pii.categories import Found, PiiCategory

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_ALWAYS_CAPITAL: Final = re.compile(r"I\b")
NEAR_WORDS: Final = 30
"""So far is looked around a word for what says what it is."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one party said without the other in between."""

    speaker: str
    text: str
    is_alone: bool = False
    """Whether nothing was said to it or after it: a value of a tool, not speech. Such turns stand behind all others."""


class Token(NamedTuple):
    """One word of a turn, by its characters from `start` to before `end`."""

    turn: int
    start: int
    end: int
    place: int
    """Its number in its turn."""
    raw: str
    word: str
    """In lower case, without the 's of "number's"."""
    gap: str
    """What stands between it and the word before in its turn."""


class Talk:
    """A conversation, split into words once for all detectors."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns
        self.tokens = [_tokens(number, turn.text) for number, turn in enumerate(turns)]
        speakers = dict.fromkeys(turn.speaker for turn in turns)
        self.streams = [
            [token for number, turn in enumerate(turns) if turn.speaker == speaker for token in self.tokens[number]]
            for speaker in speakers
        ]
        """The words of each party, over all its turns."""

    def has_case(self, turn: int) -> bool:
        """Whether a turn is written with capitals, beside those that recognition without them has too: I, ATM."""
        return any(token.raw.istitle() and not _ALWAYS_CAPITAL.match(token.raw) for token in self.tokens[turn])

    def words_before(self, token: Token, turns: int) -> list[str]:
        """The nearest words in front of one, in its turn and in so many turns before it, by whomever."""
        first = token.turn if self.turns[token.turn].is_alone else max(0, token.turn - turns)
        passages = [*self.tokens[first : token.turn], self.tokens[token.turn][: token.place]]
        return [one.word for passage in passages for one in passage[-NEAR_WORDS:]][-NEAR_WORDS:]

    def asked(self, turn: int) -> int | None:
        """The turn of the other party that this one may answer."""
        before = turn - 1
        is_answer = before >= 0 and not self.turns[turn].is_alone
        return before if is_answer and self.turns[before].speaker != self.turns[turn].speaker else None

    def words_after(self, token: Token) -> list[str]:
        """The nearest words behind one in its turn."""
        return [one.word for one in self.tokens[token.turn][token.place + 1 : token.place + 1 + NEAR_WORDS]]


def found_in(stream: Sequence[Token], first: int, last: int, *categories: PiiCategory) -> list[Found]:
    """What reaches from one word of a party to another, by their indices, in each of the turns it is spread over."""
    by_turn: dict[int, list[Token]] = {}
    for token in stream[first : last + 1]:
        by_turn.setdefault(token.turn, []).append(token)
    return [Found(turn, tokens[0].start, tokens[-1].end, categories) for turn, tokens in by_turn.items()]


def _tokens(turn: int, text: str) -> list[Token]:
    tokens: list[Token] = []
    end = 0
    for place, match in enumerate(_WORD.finditer(text)):
        word = match[0].lower().replace("\u2019", "'").removesuffix("'s")
        tokens.append(Token(turn, match.start(), match.end(), place, match[0], word, text[end : match.start()]))
        end = match.end()
    return tokens
