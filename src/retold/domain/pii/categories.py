"""The kinds of personal data that an agent's `pii_config` names, and what stands in their place."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

PiiCategory = Literal[
    "person_name",
    "address",
    "email",
    "phone_number",
    "ssn",
    "passport",
    "driver_license",
    "credit_card",
    "bank_account",
    "password",
    "pin",
    "medical_id",
    "date_of_birth",
    "customer_account_number",
]
CATEGORIES: Final[tuple[PiiCategory, ...]] = get_args(PiiCategory)
HIDDEN: Final = "[TEXT]"
"""What stands in place of a text that is not shown at all."""


class Span(NamedTuple):
    """Personal data in a text, by its characters from `start` to before `end`."""

    start: int
    end: int
    category: PiiCategory


class Found(NamedTuple):
    """What a detector found in one turn; it may be any of these categories, the likeliest first."""

    turn: int
    start: int
    end: int
    categories: tuple[PiiCategory, ...]


def mark_of(category: PiiCategory) -> str:
    """What stands in place of personal data: `[CREDIT_CARD]`."""
    return f"[{category.upper()}]"


def with_marks(text: str, spans: Iterable[Span]) -> str:
    """The text with a mark for each span; they are in order and do not overlap."""
    parts: list[str] = []
    end = 0
    for span in spans:
        parts += [text[end : span.start], mark_of(span.category)]
        end = span.end
    return "".join([*parts, text[end:]])
