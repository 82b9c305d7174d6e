"""What is told of one organisation's calls in a block, gathered call by call."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from retold.domain.call_query import CHOICES
from retold.storage.call_bits import BLOCK_CALLS, packed, set_bit, slices_of
from retold.storage.call_buckets import NUMBERS, bucket_of
from retold.storage.call_pieces import TEXTS, Pieces
from retold.storage.call_rows import as_text

FIELDS: Final = CHOICES
"""Columns that have few values."""
COLUMNS: Final = (*FIELDS, *NUMBERS, *TEXTS)
"""All columns that are told of."""
OF_COLUMN: Final = "call"
"""The `kind` of a column's bitmaps; others are the names of maps."""
OF_NUMBER: Final = "number"
"""The `kind` of the buckets of a column of numbers."""
OF_PIECE: Final = "piece"
"""The `kind` of the rows of grams of a column of texts (call_pieces.py)."""
OF_TOOL: Final = "tool"
"""The `kind` of the calls that have used a tool; its name is the key, and its slices are 0 for failed, 1 for worked."""
MAX_KEYS: Final = 32
"""Keys and tools of a block that are told of, so that neither memory nor disk depends on who invents names."""
MAX_NAME_CHARS: Final = 200
"""Of a tool; keys are no longer by themselves."""

_KNOWN_VALUES: Final = 1_024


class BitmapName(NamedTuple):
    """What is true of the calls of a bitmap."""

    kind: str
    name: str
    """A column, or a key."""
    value: str
    """Of a column its value, or the number of a bucket or a row; of a key the number of a slice, or nothing: all calls
    that have the key."""


def column_is(column: str, value: object) -> BitmapName:
    """The calls with this value in a column."""
    return BitmapName(OF_COLUMN, column, as_text(value) or "")


def is_in_bucket(column: str, bucket: int) -> BitmapName:
    """The calls whose number in a column falls into a bucket."""
    return BitmapName(OF_NUMBER, column, str(bucket))


def row_of_pieces(column: str, row: int) -> BitmapName:
    """What is told of these grams of a column: no bitmap, but several."""
    return BitmapName(OF_PIECE, column, str(row))


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
        self._block_calls = block_calls
        self._bytes = block_calls // 8
        self._calls = bytearray(self._bytes)
        self._columns: dict[tuple[str, object], bytearray] = {}
        self._buckets: dict[tuple[str, int], bytearray] = {}
        self._pieces = {column: Pieces() for column in TEXTS}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._starts_ms: list[int] = []
        self._rows: list[Mapping[Any, object]] = []
        # Most values come again and again.
        self._slices_of = lru_cache(maxsize=_KNOWN_VALUES)(slices_of)
        self.has_all_keys = True

    def add_call(self, place: int, sort_ms: int, columns: Mapping[Any, object]) -> None:
        """Take a call in; of `columns` those in COLUMNS and in FIGURES count."""
        set_bit(self._calls, place)
        self._starts_ms.append(sort_ms)
        self._rows.append(columns)
        for column in FIELDS:
            if (value := columns[column]) is not None:
                set_bit(self._columns.setdefault((column, value), bytearray(self._bytes)), place)
        for column in NUMBERS:
            if (value := columns[column]) is not None:
                bucket = bucket_of(cast("float", value))
                set_bit(self._buckets.setdefault((column, bucket), bytearray(self._bytes)), place)
        for column, pieces in self._pieces.items():
            if (value := columns[column]) is not None:
                pieces.add(place, cast("str", value))

    def add_value(self, place: int, kind: str, key: str, text: str | None) -> None:
        """Take in what a call has under a key; a list or an object has no text."""
        self._add_key(place, kind, key, self._slices_of(text) if text is not None else ())

    def add_tool(self, place: int, name: str, *, is_successful: bool | None) -> None:
        """Take in that a call has used a tool."""
        if len(name) <= MAX_NAME_CHARS:
            self._add_key(place, OF_TOOL, name, () if is_successful is None else (int(is_successful),))

    def _add_key(self, place: int, kind: str, key: str, slices: Iterable[int]) -> None:
        known = self._keys.get((kind, key))
        if known is None:
            if len(self._keys) == MAX_KEYS:
                self.has_all_keys = False
                return
            known = self._keys[kind, key] = _Key(self._bytes)
        known.add(place, slices)

    @property
    def first_ms(self) -> int:
        """Where the first of them stands in lists."""
        return min(self._starts_ms)

    @property
    def last_ms(self) -> int:
        """Where the last of them stands in lists."""
        return max(self._starts_ms)

    def figures(self) -> bytes:
        """What statistics are told of them, as it is stored."""
        # numpy: what does not summarise need not load it.
        from retold.domain.call_figures import gathered  # noqa: PLC0415 - as said
        from retold.storage.call_figures import packed as packed_figures  # noqa: PLC0415 - as said

        return packed_figures(gathered(self._rows))

    def calls(self) -> bytes:
        """The bitmap of all of them, as it is stored."""
        return packed(self._calls)

    def bitmaps(self) -> Iterator[tuple[BitmapName, bytes]]:
        """All others, as they are stored."""
        for (column, value), bitmap in self._columns.items():
            yield column_is(column, value), packed(bitmap)
        for (column, bucket), bitmap in self._buckets.items():
            yield is_in_bucket(column, bucket), packed(bitmap)
        for column, pieces in self._pieces.items():
            for row, content in pieces.rows(self._block_calls):
                yield row_of_pieces(column, row), content
        for (kind, key), known in self._keys.items():
            yield has_key(kind, key), packed(known.calls)
            for number, bitmap in known.slices.items():
                yield has_slice(kind, key, number), packed(bitmap)
