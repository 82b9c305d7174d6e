"""The pieces of ids and phone numbers in block summaries: which calls have each gram, hardly any two taken for one.

A gram has a number of 16 bits, so that of the thousands that the ids of a block have each is told by itself. Those
whose numbers end alike share a row, as so many rows would take longer to write than what is in them:

```
row 0xb7:   | 0x04 | 3 | 17 | 290 | 4001 |    | 0x31 | 0 | bitmap |    ...      a few places, or a bitmap when many
              first byte of the gram's number
```
"""

from collections.abc import Iterator, Sequence
from struct import Struct, pack, unpack_from
from typing import Final

from retold.domain.call_query import TextOp
from retold.storage.call_bits import hashes_of, hashes_of_piece, set_bit

TEXTS: Final = ("call_id", "batch_call_id", "from_number", "to_number")
"""Columns whose pieces are told of."""
_NUMBERS: Final = 1 << 16
_ROWS: Final = 1 << 8
_HEAD: Final = Struct("<BH")
_PLACE_BYTES: Final = 2


def grams_of(value: str) -> list[int]:
    """The numbers of the grams of a whole value; none of an empty one."""
    return _numbers(hashes_of(value))


def grams_of_piece(op: TextOp, piece: str) -> list[int]:
    """The numbers of the grams that a value has in which the piece stands there; none when it is too short to tell."""
    return _numbers(hashes_of_piece(op, piece))


def _numbers(hashes: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(one % _NUMBERS for one in hashes))


def row_of(gram: int) -> int:
    """The row in which a gram is."""
    return gram % _ROWS


class Pieces:
    """The grams of one column's values in a block."""

    def __init__(self) -> None:
        self._places: dict[int, list[int]] = {}

    def add(self, place: int, value: str) -> None:
        """Take in the value of the call at this place."""
        for gram in grams_of(value):
            self._places.setdefault(gram, []).append(place)

    def rows(self, block_calls: int) -> Iterator[tuple[int, bytes]]:
        """Each row and its content."""
        rows: dict[int, list[bytes]] = {}
        for gram, several in self._places.items():
            rows.setdefault(row_of(gram), []).append(_packed(gram, several, block_calls))
        for row, parts in rows.items():
            yield row, b"".join(parts)


def calls_with(stored: bytes, gram: int, block_calls: int) -> int:
    """The bitmap of the calls that have a gram, from the content of its row."""
    at = 0
    while at < len(stored):
        first, count = _HEAD.unpack_from(stored, at)
        at += _HEAD.size
        size = count * _PLACE_BYTES or block_calls // 8
        if first == gram // _ROWS:
            return int.from_bytes(_bitmap(stored, at, count, size, block_calls), "little")
        at += size
    return 0


def _packed(gram: int, several: Sequence[int], block_calls: int) -> bytes:
    size = block_calls // 8
    if len(several) * _PLACE_BYTES < size:
        return pack(f"<BH{len(several)}H", gram // _ROWS, len(several), *several)
    bitmap = bytearray(size)
    for place in several:
        set_bit(bitmap, place)
    return _HEAD.pack(gram // _ROWS, 0) + bitmap


def _bitmap(stored: bytes, at: int, count: int, size: int, block_calls: int) -> bytes | bytearray:
    if not count:
        return stored[at : at + size]
    bitmap = bytearray(block_calls // 8)
    for place in unpack_from(f"<{count}H", stored, at):
        # set_bit, without a call for each: this is done for all blocks.
        bitmap[place >> 3] |= 1 << (place & 7)
    return bitmap
