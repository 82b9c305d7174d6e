"""One page of a list: how many items, in which order, and after which one."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from retold.errors import InvalidRequest

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in a list that is sorted by a number (a time, a version) and then by id."""

    number: int
    item_id: str

    def key(self) -> str:
        """The `pagination_key` that asks for what comes after."""
        return base64.urlsafe_b64encode(f"{self.number}:{self.item_id}".encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is wanted."""

    limit: int = DEFAULT_LIMIT
    is_descending: bool = True
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items of a page, and the key of the next one, None on the last."""

    items: Sequence[T]
    pagination_key: str | None


def parse_place(pagination_key: str) -> Place:
    """The place that a `pagination_key` stands for. Raises InvalidRequest when it is none of ours."""
    try:
        text = base64.urlsafe_b64decode(pagination_key.encode() + b"=" * (-len(pagination_key) % 4)).decode()
        number, colon, item_id = text.partition(":")
        place = Place(int(number), item_id)
    except (binascii.Error, ValueError):
        place, colon = None, ""
    # No database keeps a NUL character, and PostgreSQL does not even compare with one.
    if place is None or not colon or "\0" in place.item_id or not -(2**63) <= place.number < 2**63:
        raise InvalidRequest(
            "pagination_key is not one of this list",
            field="pagination_key",
            fix="send the pagination_key of the page before, or none for the first page",
        )
    return place
