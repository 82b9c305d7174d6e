"""Postal addresses: a number and a street, with what follows of flat, town, state and postal code."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found
from retold.domain.pii.numerals import is_number
from retold.domain.pii.places import STATE_CODES, STATES
from retold.domain.pii.talk import Talk, Token
from retold.domain.pii.word_sets import words

_STREETS: Final = words(
    "street st avenue ave road rd boulevard blvd lane ln drive dr court ct way terrace circle cir square sq"
    " highway hwy parkway pkwy close crescent alley trail plaza row mews gardens place pl grove"
)
_STREET_FIRST: Final = words("calle avenida carrer paseo plaza rue avenue boulevard chemin allée via viale piazza")
_ONE_WORD_STREET: Final = re.compile(r"\w{3,}(?:straße|strasse|gasse|allee|straat|laan)")
_ONE_WORD_STREET_OR_WORD: Final = re.compile(r"\w{3,}(?:platz|weg|ring|damm|ufer)")
_JOINING: Final = re.compile(r"[\s.\-]+")
_ORDINAL_ENDS: Final = ("st", "nd", "rd", "th")
_NO_STREET: Final = words(
    "a an the and or but of to in on at by for from with was is are were had have has my your our we i you he"
    " she they it down up this that every per there here not dollars percent minutes hours days years people"
    " times more less only about first way good great drive"
)
"""Words that no name of a street has between its number and its kind."""
_STREET_WORDS: Final = 4
_ASKED: Final = re.compile(
    r"\b(?<!mail )(?<!web )(?<!ip )(?:address|where do you live|where (?:shall|should|can) we (?:send|ship|deliver))\b"
)
_MOST_ANSWER_WORDS: Final = 16
_UNITS: Final = words("apartment apt unit suite ste flat floor room building bldg nw ne sw se")
_DIRECTIONS: Final = words("north south east west northeast northwest southeast southwest n s e w nw ne sw se")
_LOOK_AHEAD: Final = 4
"""Without capitals a town is what stands before a state or a postal code: so few words before it."""
_BOX: Final = re.compile(
    r"\bp\.?\s?o\.?\s?box\s+(?:number\s+)?[\w-]+|\bpostfach\s+\d[\d ]*\d|\bapartado (?:postal )?\d+", re.IGNORECASE
)
_BRITISH: Final = re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b")


def addresses_in(talk: Talk) -> Iterator[Found]:
    """Every postal address; a town alone is none."""
    for number, turn in enumerate(talk.turns):
        for pattern in (_BOX, _BRITISH):
            for match in pattern.finditer(turn.text):
                yield Found(number, match.start(), match.end(), ("address",))
        tokens = talk.tokens[number]
        has_case = talk.has_case(number)
        for index in range(len(tokens)):
            place = _numbered_street(tokens, index) or _named_street(tokens, index, has_case=has_case)
            if place is not None:
                first, last = place
                end = _end_of(tokens, last + 1, has_case=has_case)
                yield Found(number, tokens[first].start, tokens[end - 1].end, ("address",))
        yield from _answer(talk, number)


def _answer(talk: Talk, number: int) -> Iterator[Found]:
    """From the first number to the end of what little was said when an address was asked for."""
    question, tokens = talk.asked(number), talk.tokens[number]
    if question is None or len(tokens) > _MOST_ANSWER_WORDS:
        return
    first = next((token for token in tokens if _is_house_number(token)), None)
    asked = " ".join(token.word for token in talk.tokens[question])
    if first is not None and first is not tokens[-1] and _ASKED.search(asked):
        yield Found(number, first.start, tokens[-1].end, ("address",))


def _numbered_street(tokens: Sequence[Token], index: int) -> tuple[int, int] | None:
    """The first and last word of "12 oak street", when its kind stands at `index`."""
    if tokens[index].word not in _STREETS:
        return None
    start = index - 1
    while start >= 0 and index - start <= _STREET_WORDS and not _is_house_number(tokens[start]):
        if tokens[start].word in _NO_STREET or not _JOINING.fullmatch(tokens[start + 1].gap):
            return None
        start -= 1
    if start < 0 or not _is_house_number(tokens[start]):
        return None
    if start == index - 1 and not tokens[start].word.endswith(_ORDINAL_ENDS):
        return None
    return _first_of_number(tokens, start), index


def _named_street(tokens: Sequence[Token], index: int, *, has_case: bool) -> tuple[int, int] | None:
    """The same of "Calle Mayor 14", "12 rue de la Paix" and "Hauptstraße 12"."""
    word = tokens[index].word
    if word in _STREET_FIRST and index and _is_house_number(tokens[index - 1]):
        return _first_of_number(tokens, index - 1), _capitals_behind(tokens, index)
    is_one_word = _ONE_WORD_STREET.fullmatch(word) or (
        has_case and tokens[index].raw[0].isupper() and _ONE_WORD_STREET_OR_WORD.fullmatch(word)
    )
    last = _number_behind(tokens, index) if is_one_word or word in _STREET_FIRST else None
    return None if last is None else (index, last)


def _is_house_number(token: Token) -> bool:
    return (
        is_number(token.word)
        or token.word in {"hundred", "thousand"}
        or re.fullmatch(r"\d{1,5}[a-z]?(?:st|nd|rd|th)?", token.word) is not None
    )


def _first_of_number(tokens: Sequence[Token], index: int) -> int:
    while index > 0 and _is_house_number(tokens[index - 1]) and re.fullmatch(r"[\s\-]+", tokens[index].gap):
        index -= 1
    return index


def _number_behind(tokens: Sequence[Token], index: int) -> int | None:
    """The house number behind a street, within the words of its name."""
    for place in range(index + 1, min(index + 1 + _STREET_WORDS, len(tokens))):
        if _is_house_number(tokens[place]):
            return place
        if tokens[place].word in {"and", "y", "und", "is", "ist", "es"}:
            return None
    return None


def _capitals_behind(tokens: Sequence[Token], index: int) -> int:
    """The last word of a name such as "rue de la Paix"."""
    last = index
    for place in range(index + 1, min(index + 6, len(tokens))):
        if tokens[place].raw[0].isupper():
            last = place
        elif tokens[place].word not in {"de", "la", "du", "des", "le", "les", "del", "los", "las"}:
            break
    return last


def _end_of(tokens: Sequence[Token], index: int, *, has_case: bool) -> int:
    """Where the address ends that has reached `index`: flat, direction, town, state and code belong to it."""
    while index < len(tokens):
        further = _further(tokens, index, has_case=has_case)
        if further == index:
            return index
        index = further
    return index


def _further(tokens: Sequence[Token], index: int, *, has_case: bool) -> int:
    """The index behind the next part of an address; the same index when there is none."""
    token = tokens[index]
    if re.search(r"[.!?;]\s", token.gap) and not token.gap.startswith((". ", ".,")):
        return index
    if token.word in _UNITS and token.word not in _DIRECTIONS and index + 1 < len(tokens):
        return index + 2
    if token.word in _DIRECTIONS or token.raw in STATE_CODES:
        return index + 1
    if (
        has_case
        and token.raw[0].isupper()
        and ("," in token.gap or tokens[index - 1].raw.isdecimal() or tokens[index - 1].raw[0].isupper())
        and token.gap[:1] != "."
    ):
        return index + 1
    if re.fullmatch(r"\d{5}|\d{4}", token.word):
        return index + 1
    return _to_state_or_code(tokens, index)


def _to_state_or_code(tokens: Sequence[Token], index: int) -> int:
    """Behind the state or the five spoken digits that end an address, when one is near."""
    for place in range(index, min(index + _LOOK_AHEAD, len(tokens))):
        if tokens[place].word in STATES:
            return place + 1
        digits = 0
        while place + digits < len(tokens) and is_number(tokens[place + digits].word):
            digits += 1
        if digits == 5:
            return place + digits
    return index
