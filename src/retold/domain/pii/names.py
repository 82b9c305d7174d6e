"""Names of people: by the words that introduce them, by lists, as answers to who it is, and spelled."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.name_list import NameList
from retold.domain.pii.runs import Run, runs_in
from retold.domain.pii.talk import Talk, Token, found_in
from retold.domain.pii.word_sets import words

_INTRODUCED: Final = re.compile(
    r"\b(?:name is|name was|(?:first|last|middle|full|family|maiden|my|his|her|the) name|surname|call me|called|named"
    r"|name ist|heiße|heisse|me llamo|nombre es|m'appelle|nom est|familienname|nachname|vorname) $"
)
"""What is followed by a name, whatever it is."""
_MAY_INTRODUCE: Final = re.compile(
    r"\b(?:this is|i'm|i am|it|it is|is this|is that|(?:speak|speaking|spoke|talk|talking|talked) (?:with|to)|under"
    r"|ask for|ask|call|hello|hi|hey|dear|thanks|thank you|sorry|tell|for|with|from|and|ich bin|hier ist|soy|je suis"
    r"|my (?:husband|wife|son|daughter|mother|father|brother|sister|partner|friend|boss|doctor|colleague)) $"
)
"""What may be followed by one: the word itself must look like it."""
_PRESENTS: Final = re.compile(r"\b(?:this is|i'm|i am|hier ist|hier spricht|soy) $")
_AFTER_NAMES: Final = words("speaking calling here")
_TITLES: Final = words("mr mrs ms mister missus miss dr doctor professor prof herr frau señor señora monsieur madame")
_SPOKEN_TITLES: Final = frozenset({"miss", "doctor", "professor"})
"""Titles that are words too: a name behind them must look like one."""
_ASKED: Final = re.compile(
    r"\b(?:(?:your|the|full|first|last|family) (?:\w+ )?(?:name|surname)|whom|name on|spell (?:that|it|your|the)"
    r"|who (?:am i|is this|is calling|calling|is speaking)|wie heißen|ihr name|su nombre|votre nom)"
)
_NO_NAME: Final = words(
    "a an the this that these those it its i'm i you he she we they me my your his her our their is are was"
    " were be been am not no yes yeah yep sure okay ok oh well so and or but if of to in on at by for from with"
    " as about up out over here there what who when where why how which can could would should will may might"
    " must do does did have has had just very really please thanks thank hello hi hey good fine great sorry"
    " calling going looking trying having speaking uh um er hmm right correct wrong spelled spell sir ma'am"
    " madam guys everyone everybody all both again back today tomorrow yesterday now then later soon monday"
    " tuesday wednesday thursday friday saturday sunday january february march april june july august september"
    " october november december english german french spanish american british first last middle full name names"
    " number account order isn't doesn't don't can't won't und der die das ist nicht y el la et le un une uno"
    " una someone somebody nobody anyone wells fargo chase barclays"
)
_ANSWER_WORDS: Final = words("it is its yes yeah sure uh um er my name this i'm i am well okay the that of course")
_MOST_WORDS: Final = 3
_JOINING: Final = re.compile(r"\s*-?\s*|\.\s+")
_SPELLED_LETTERS: Final = 4
"""So many letters one by one are a name; fewer may be an abbreviation, unless a name was asked for."""


def names_in(talk: Talk, names: NameList) -> Iterator[Found]:
    """Every name of a person."""
    for number, tokens in enumerate(talk.tokens):
        seen = _Seen(tokens, names, has_case=talk.has_case(number))
        answer = _answer(talk, number)
        index = 0
        while index < len(tokens):
            start, end = seen.name_at(index)
            if end == index and index == answer:
                start, end = index, seen.end_of_named(index)
            if end > index:
                yield Found(number, tokens[start].start, tokens[end - 1].end, ("person_name",))
            index = max(end, index + 1)
    yield from _spelled(talk)


class _Seen:
    """One turn, and which of its words look like names."""

    def __init__(self, tokens: Sequence[Token], names: NameList, *, has_case: bool) -> None:
        self._tokens = tokens
        self._names = names
        self._has_case = has_case

    def name_at(self, index: int) -> tuple[int, int]:
        """From which word to before which a name stands that begins here; its end is `index` when none does."""
        token = self._tokens[index]
        if token.word in _TITLES:
            end = self._titled_end(index)
            return (index, end) if end > index + 1 else (index, index)
        if token.word in _NO_NAME and not (self._has_case and token.raw.istitle()):
            return index, index
        before = " ".join(one.word for one in self._tokens[max(0, index - 4) : index]) + " "
        if _INTRODUCED.search(before) and self._may_be_introduced(token):
            return index, self.end_of_named(index)
        is_name = (
            (_MAY_INTRODUCE.search(before) and self._looks_like_name(index))
            or (_PRESENTS.search(before) and self._is_presented(index))
            or self._is_sure(index)
        )
        return index, self.end_of_named(index) if is_name else index

    def _may_be_introduced(self, token: Token) -> bool:
        """Any word but those that cannot be names, and of these the ones that are names too, with a capital: Will."""
        if token.word in _NO_NAME:
            return token.raw.istitle() and self._names.is_first(token.word)
        return not token.word.isdecimal()

    def _titled_end(self, index: int) -> int:
        following = index + 1
        if following == len(self._tokens) or not re.fullmatch(r"\.?\s+", self._tokens[following].gap):
            return index
        word = self._tokens[following]
        is_named = word.word not in _NO_NAME and (not self._has_case or word.raw[0].isupper())
        if self._tokens[index].word in _SPOKEN_TITLES and not self._has_case:
            is_named = self._names.is_any(word.word)
        return self.end_of_named(following) if is_named else index

    def _looks_like_name(self, index: int) -> bool:
        """In a turn with capitals a name of any list that has one; without capitals one that is nothing else."""
        token = self._tokens[index]
        if self._has_case:
            return token.raw[0].isupper() and self._names.is_any(token.word) and token.word not in _NO_NAME
        followed = index + 1 < len(self._tokens) and self._is_last(index + 1)
        return (
            token.word in self._names.first
            or token.word in self._names.last
            or (self._names.is_first(token.word) and followed)
        )

    def _is_presented(self, index: int) -> bool:
        """Whether an unknown word is followed by what people say after their names, now or after one more word."""
        return any(token.word in _AFTER_NAMES for token in self._tokens[index + 1 : index + 3]) and (
            not self._has_case or self._tokens[index].raw[0].isupper()
        )

    def _is_sure(self, index: int) -> bool:
        """A first name that is no other word, or a first name and a last."""
        token = self._tokens[index]
        if self._has_case and not token.raw[0].isupper():
            return False
        if token.word in self._names.first:
            return True
        has_last = index + 1 < len(self._tokens) and self._is_last(index + 1)
        if self._has_case:
            is_opening = index == 0 or "." in token.gap or "?" in token.gap or "!" in token.gap
            return (token.word in self._names.last and not is_opening) or (
                has_last and self._names.is_first(token.word) and self._tokens[index + 1].word in self._names.last
            )
        return has_last and token.word in self._names.first_or_word and self._tokens[index + 1].word in self._names.last

    def _is_last(self, index: int) -> bool:
        token = self._tokens[index]
        return self._is_joined(index) and self._names.is_last(token.word)

    def end_of_named(self, index: int) -> int:
        """The end of a name that begins here: what follows must look like another part of it."""
        end = index + 1
        while end < len(self._tokens) and end - index < _MOST_WORDS and self._is_joined(end) and self._is_part(end):
            end += 1
        return end

    def _is_joined(self, index: int) -> bool:
        return _JOINING.fullmatch(self._tokens[index].gap) is not None

    def _is_part(self, index: int) -> bool:
        token = self._tokens[index]
        if self._has_case:
            return token.raw[0].isupper() and token.word not in _NO_NAME and not token.word.isdecimal()
        return (
            (token.word in self._names.last or token.word in self._names.first)
            or (self._names.is_any(token.word) and index + 1 == len(self._tokens))
            or (self._names.is_any(token.word) and self._tokens[index + 1].word in {"speaking", "here", "and"})
        )


def _answer(talk: Talk, number: int) -> int | None:
    """The word at which the answer begins, when the other party has just asked for a name and little was said."""
    question = talk.asked(number)
    if question is None:
        return None
    asked = " ".join(token.word for token in talk.tokens[question])
    words = [token.word for token in talk.tokens[number]]
    start = next((index for index, word in enumerate(words) if word not in _ANSWER_WORDS), len(words))
    rest = words[start:]
    if not _ASKED.search(asked) or not 0 < len(rest) <= _MOST_WORDS or not _NO_NAME.isdisjoint(rest):
        return None
    return start if all(word.isalpha() or "'" in word or "-" in word for word in rest) else None


def _spelled(talk: Talk) -> Iterator[Found]:
    """Names letter by letter."""
    for stream in talk.streams:
        for run in runs_in(talk, stream):
            least = 2 if _ASKED.search(" ".join(talk.words_before(stream[run.first], 1)[-16:])) else _SPELLED_LETTERS
            if run.digits == 0 and len(run.pieces) >= least and _is_spelled(run):
                yield from found_in(stream, run.first, run.last, "person_name")


def _is_spelled(run: Run) -> bool:
    return all(len(piece.chars) == 1 for piece in run.pieces)
