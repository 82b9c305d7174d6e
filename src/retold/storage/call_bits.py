"""Sets of calls as bits, and the pieces of a text as a few small numbers: the pure part of block summaries.

Calls are grouped by `row_id` in blocks; a bitmap has one bit for each place in a block, the first call's the lowest.
A text is cut into grams of three characters, its start and end marked, and each gram falls into one of `SLICES` slices:
a value that holds a piece has all the slices of the piece. The reverse is not certain, so what is found is looked at.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from retold.domain.call_query import TextOp

BLOCK_CALLS: Final = 4_096
"""Calls of a block; a multiple of eight."""
SLICES: Final = 512
_GRAM_CHARS: Final = 3
_FEW: Final = 16
"""So many calls of a bitmap are found one by one in less time than by looking at all of it."""
_START, _END = "\x02", "\x03"


def hashes_of(value: str) -> list[int]:
    """A number for each gram of a whole value, each once, in the order of the text."""
    return _hashes(_START + value + _END)


def hashes_of_piece(op: TextOp, piece: str) -> list[int]:
    """Those that each value has in which the piece stands there; none when the piece is too short to tell."""
    match op:
        case TextOp.STARTS_WITH:
            return _hashes(_START + piece)
        case TextOp.ENDS_WITH:
            return _hashes(piece + _END)
        case TextOp.CONTAINS:
            return _hashes(piece)


def _hashes(text: str) -> list[int]:
    ends = range(_GRAM_CHARS, len(text) + 1)
    grams = dict.fromkeys(text[end - _GRAM_CHARS : end] for end in ends)
    return [zlib.crc32(gram.encode("utf-8", "surrogatepass")) for gram in grams]


def slices_of(value: str) -> list[int]:
    """The slices in which a whole value is found, each once, in the order of the text."""
    return list(dict.fromkeys(one % SLICES for one in hashes_of(value)))


def slices_of_piece(op: TextOp, piece: str) -> list[int]:
    """The slices that each value has in which the piece stands there; none when the piece is too short to tell."""
    return list(dict.fromkeys(one % SLICES for one in hashes_of_piece(op, piece)))


def set_bit(bitmap: bytearray, place: int) -> None:
    """Add the call at this place of the block."""
    bitmap[place >> 3] |= 1 << (place & 7)


def packed(bitmap: bytes | bytearray) -> bytes:
    """A bitmap as it is stored: compressed where that is shorter."""
    small = zlib.compress(bitmap, 1)
    return small if len(small) < len(bitmap) else bytes(bitmap)


def unpacked(stored: bytes, block_calls: int = BLOCK_CALLS) -> int:
    """A stored bitmap as a number, to be combined with others by `&` and `|`."""
    whole = stored if len(stored) == block_calls // 8 else zlib.decompress(stored)
    return int.from_bytes(whole, "little")


def places(bits: int) -> Iterator[int]:
    """The places of a bitmap's calls in their block, in order."""
    if bits.bit_count() <= _FEW:
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest
        return
    for at, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        if byte:
            yield from (at * 8 + bit for bit in range(8) if byte >> bit & 1)
