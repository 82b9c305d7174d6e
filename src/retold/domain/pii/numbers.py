"""Numbers that are personal: by their own check digits, by their form, or by the words around them."""

import re
from collections.abc import Container, Iterator, Sequence
from typing import Final

from retold.domain.pii.categories import Found, PiiCategory
from retold.domain.pii.checks import is_card, is_iban, is_routing_number, is_ssn
from retold.domain.pii.cues import Cue, cue_after, cue_before
from retold.domain.pii.phones import is_phone_number
from retold.domain.pii.runs import Run, runs_in
from retold.domain.pii.talk import Talk, Token, found_in
from retold.domain.pii.word_sets import words

_MEASURES: Final = words(
    "am pm o'clock uhr percent prozent dollar dollars cent cents euro euros pound pounds bucks second seconds"
    " minute minutes hour hours day days week weeks month months year years people persons guests points times"
    " pages miles meters metres kilometers degrees kids children"
)
"""What is counted: the number before it is no name of anything."""
_MONEY: Final = re.compile(r"[$€£]\s*$")
_BRITISH_CODE: Final = re.compile(r"[a-z]{1,2}\d[a-z\d]?\d[a-z]{2}")
_WRITTEN_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CODES: Final[dict[Cue, tuple[PiiCategory, ...]]] = {
    "bank": ("bank_account", "customer_account_number"),
    "account": ("customer_account_number", "bank_account"),
    "passport": ("passport",),
    "license": ("driver_license",),
    "medical": ("medical_id",),
}
_TELLING: Final = frozenset({"is", "number", "ist", "es", "est"})
_ABBREVIATIONS: Final = words("id dl mrn iban aba nhs i a us uk no ssn pin")
_NO_GROUP: Final = words(
    "a an the my not like ending starting about still in on at only just now uh um er this that is"
)
"""Words in front of a number that are not part of it."""
_WHEN: Final = words("since in from until till by before after seit")
_CARDS: Final = words("card visa mastercard amex kreditkarte tarjeta")
_BANKS: Final = words("bank chase barclays citibank hsbc wells fargo routing sort iban wire deposit checking savings")
_LEAST_CHARS: Final[dict[Cue, int]] = {"bank": 5, "account": 4, "passport": 5, "license": 5, "medical": 5}
_MANY: Final = 1_000
"""No bound: recognition repeats what is said monotonously, and a number that is too long is one all the same."""
_DIGITS: Final[dict[Cue, tuple[PiiCategory, Container[int]]]] = {
    "card": ("credit_card", range(8, _MANY)),
    "card_code": ("credit_card", range(3, 5)),
    "expiry": ("credit_card", range(3, 7)),
    "ssn": ("ssn", {4, *range(9, _MANY)}),
    "phone": ("phone_number", range(7, _MANY)),
    "postal_code": ("address", {5, 9}),
    "pin": ("pin", range(3, _MANY)),
}


def numbers_in(talk: Talk) -> Iterator[Found]:
    """Every number that is personal."""
    yield from _written_ibans(talk)
    for stream in talk.streams:
        for run in runs_in(talk, stream):
            if run.digits and not _is_measure(talk, stream, run):
                yield from _judged(talk, stream, run)


def _written_ibans(talk: Talk) -> Iterator[Found]:
    """Account numbers whose groups of letters no run has; words in capitals behind them are left out."""
    for number, turn in enumerate(talk.turns):
        for match in _WRITTEN_IBAN.finditer(turn.text):
            groups = match[0].split(" ")
            for count in range(len(groups), 0, -1):
                written = " ".join(groups[:count])
                if is_iban(written.replace(" ", "")):
                    yield Found(number, match.start(), match.start() + len(written), ("bank_account",))
                    break


def _judged(talk: Talk, stream: Sequence[Token], run: Run) -> Iterator[Found]:
    certain = list(_by_check(run))
    for part, category in certain:
        yield from found_in(stream, part.first, part.last, category)
    if certain:
        return
    cue = cue_before(talk, stream[run.first]) or cue_after(talk, stream[run.last])
    if cue == "postal_code" and _BRITISH_CODE.fullmatch(run.chars):
        yield from found_in(stream, run.first, run.last, "address")
    if cue in _CODES:
        yield from _code(talk, stream, run, cue)
        return
    for part in run.digit_parts():
        category = _by_cue(talk, stream, part, cue)
        if category is None and _looks_like_phone(talk, stream, part, cue):
            category = "phone_number"
        if category is not None:
            yield from found_in(stream, part.first, part.last, category)


def _by_check(run: Run) -> Iterator[tuple[Run, PiiCategory]]:
    """What needs no words around it."""
    if is_iban(run.chars):
        yield run, "bank_account"
        return
    for part in run.digit_parts():
        if is_card(part.chars):
            yield part, "credit_card"


def _by_cue(talk: Talk, stream: Sequence[Token], part: Run, cue: Cue | None) -> PiiCategory | None:
    if cue not in _DIGITS:
        if is_routing_number(part.chars) and _is_about_banks(talk, stream[part.first]):
            return "bank_account"
        return "ssn" if _is_written_ssn(stream, part) else None
    if cue == "expiry" and _CARDS.isdisjoint(_around(talk, stream[part.first])):
        return None
    category, lengths = _DIGITS[cue]
    return category if part.digits in lengths else None


def _code(talk: Talk, stream: Sequence[Token], run: Run, cue: Cue) -> Iterator[Found]:
    """A number of letters and digits that was announced."""
    if run.digits < 2 or len(run.chars) < _LEAST_CHARS[cue] or _is_year(talk, stream, run):
        return
    categories = _CODES[cue]
    if cue == "account" and _is_about_banks(talk, stream[run.first]):
        categories = _CODES["bank"]
    yield from found_in(stream, _first_of_code(stream, run), run.last, *categories)


def _is_year(talk: Talk, stream: Sequence[Token], run: Run) -> bool:
    """Whether it says when: "since 2015"."""
    return len(run.chars) == 4 and not _WHEN.isdisjoint(talk.words_before(stream[run.first], 0)[-1:])


def _first_of_code(stream: Sequence[Token], run: Run) -> int:
    """Letters that are written or said as a word in front of the digits are part of the number: "MORGA 657"."""
    if run.first < 2 or stream[run.first - 2].turn != stream[run.first].turn:
        return run.first
    announced, group = stream[run.first - 2], stream[run.first - 1]
    is_told = announced.word in _TELLING
    is_group = (group.raw.isupper() and (is_told or group.word not in _ABBREVIATIONS)) or (
        is_told and group.word.isalpha() and group.word not in _NO_GROUP
    )
    return run.first - 1 if is_group else run.first


def _is_about_banks(talk: Talk, token: Token) -> bool:
    return not _BANKS.isdisjoint(_around(talk, token))


def _around(talk: Talk, token: Token) -> list[str]:
    return talk.words_before(token, 2)[-20:] + talk.words_after(token)[:8]


def _is_written_ssn(stream: Sequence[Token], part: Run) -> bool:
    """Three, two and four digits, with hyphens between."""
    tokens = stream[part.first : part.last + 1]
    groups = [len(token.raw) for token in tokens]
    return groups == [3, 2, 4] and all(token.gap == "-" for token in tokens[1:]) and is_ssn(part.chars)


def _looks_like_phone(talk: Talk, stream: Sequence[Token], part: Run, cue: Cue | None) -> bool:
    if cue == "other":
        return False
    has_plus = stream[part.first].gap.endswith("+") or talk.words_before(stream[part.first], 0)[-1:] == ["plus"]
    return is_phone_number(part.chars, has_plus=has_plus)


def _is_measure(talk: Talk, stream: Sequence[Token], run: Run) -> bool:
    """Whether it counts something, is a price or a time of day."""
    following = talk.words_after(stream[run.last])[:1]
    return bool(following and following[0] in _MEASURES) or _MONEY.search(stream[run.first].gap) is not None
