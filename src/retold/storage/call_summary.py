"""What is told of one organisation's calls in a block, gathered call by call."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from retold.storage.call_bits import BLOCK_CALLS, packed, set_bit, slices_of
from retold.storage.call_rows import as_text

FIELDS: Final = (
    "agent_id",
    "agent_tag",
    "call_status",
    "call_successful",
    "call_type",
    "data_storage_setting",
    "direction",
    "disconnection_reason",
    "in_voicemail",
    "user_sentiment",
)
"""Columns that have few values."""
OF_COLUMN: Final = "call"
"""The `kind` of a column's bitmaps; others are the names of maps."""
MAX_KEYS: Final = 32
"""Keys of a block that are told of, so that neither memory nor disk depends on who invents keys."""

_KNOWN_VALUES: Final = 1_024


class BitmapName(NamedTuple):
    """What is true of the calls of a bitmap."""

    kind: str
    name: str
    """A column, or a key."""
    value: str
    """Of a column its value; of a key the number of a slice, or nothing: all calls that have the key."""


def column_is(column: str, value: object) -> BitmapName:
    """The calls with this value in a column."""
    return BitmapName(OF_COLUMN, column, as_text(value) or "")


def has_key(kind: str, key: str) -> BitmapName:
    """The calls that have a key."""
    return BitmapName(kind, key, "")


def has_slice(kind: str, key: str, number: int) -> BitmapName:
    """The calls whose value under a key falls into a slice."""
    return BitmapName(kind, key, str(number))


class _Key:
    """The calls that have a key, and those of them whose value falls into each slice."""

    def __init__(self, size_bytes: int) -> None:
        self._bytes = size_bytes
        self.calls = bytearray(size_bytes)
        self.slices: dict[int, bytearray] = {}

    def add(self, place: int, slices: Iterable[int]) -> None:
        set_bit(self.calls, place)
        # set_bit, once for all slices: this is where the time of a summary goes.
        at, bit = place >> 3, 1 << (place & 7)
        for number in slices:
            bitmap = self.slices.get(number)
            if bitmap is None:
                bitmap = self.slices[number] = bytearray(self._bytes)
            bitmap[at] |= bit


class Summary:
    """The bitmaps of one organisation's calls in one block."""

    def __init__(self, block_calls: int = BLOCK_CALLS) -> None:
        self._bytes = block_calls // 8
        self._calls = bytearray(self._bytes)
        self._columns: dict[tuple[str, object], bytearray] = {}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._starts_ms: list[int] = []
        # Most values come again and again.
        self._slices_of = lru_cache(maxsize=_KNOWN_VALUES)(slices_of)
        self.has_all_keys = True

    def add_call(self, place: int, sort_ms: int, columns: Mapping[Any, object]) -> None:
        """Take a call in; of `columns` those in FIELDS count."""
        set_bit(self._calls, place)
        self._starts_ms.append(sort_ms)
        for column in FIELDS:
            value = columns[column]
            if value is not None:
                bitmap = self._columns.get((column, value))
                if bitmap is None:
                    bitmap = self._columns[column, value] = bytearray(self._bytes)
                set_bit(bitmap, place)

    def add_value(self, place: int, kind: str, key: str, text: str | None) -> None:
        """Take in what a call has under a key; a list or an object has no text."""
        known = self._keys.get((kind, key))
        if known is None:
            if len(self._keys) == MAX_KEYS:
                self.has_all_keys = False
                return
            known = self._keys[kind, key] = _Key(self._bytes)
        known.add(place, self._slices_of(text) if text is not None else ())

    @property
    def first_ms(self) -> int:
        """Where the first of them stands in lists."""
        return min(self._starts_ms)

    @property
    def last_ms(self) -> int:
        """Where the last of them stands in lists."""
        return max(self._starts_ms)

    def calls(self) -> bytes:
        """The bitmap of all of them, as it is stored."""
        return packed(self._calls)

    def bitmaps(self) -> Iterator[tuple[BitmapName, bytes]]:
        """All others, as they are stored."""
        for (column, value), bitmap in self._columns.items():
            yield column_is(column, value), packed(bitmap)
        for (kind, key), known in self._keys.items():
            yield has_key(kind, key), packed(known.calls)
            for number, bitmap in known.slices.items():
                yield has_slice(kind, key, number), packed(bitmap)
