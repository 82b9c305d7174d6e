"""Texts that are kept compressed.

A compressor as zlib makes it takes 270 kB, which one for a short text does not need: a window is as large as what it
packs, and nothing is packed line by line. Of such large pieces, taken and given back for every call, memory gets holes.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

_BLOCK_BYTES: Final = 32 * 1024
"""The largest window there is."""
_LOOKAHEAD_BYTES: Final = 262
"""What zlib keeps free of its window."""
_LEAST_BITS, _MOST_BITS = 10, 15
_GZIP: Final = 16
"""Added to the bits of the window, this asks for gzip's form (zlib.compressobj)."""
_BEST: Final = 9


def packed(text: bytes, level: int) -> bytes:
    """A text in zlib's form; `level` is from 1, fast, to 9, small."""
    bits, memory_level = _room(len(text))
    packing = zlib.compressobj(level, zlib.DEFLATED, bits, memory_level)
    return packing.compress(text) + packing.flush()


def gzipped(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines as a gzip file, piece by piece; the same lines give the same bytes."""
    blocks = _blocks(lines)
    first = next(blocks, b"")
    bits, memory_level = _room(len(first))
    packing = zlib.compressobj(_BEST, zlib.DEFLATED, _GZIP + bits, memory_level)
    for block in itertools.chain([first], blocks):
        yield packing.compress(block)
    yield packing.flush()


def _room(size: int) -> tuple[int, int]:
    """The window's bits and the memory level for so many bytes: more would not make them smaller."""
    bits = min(_MOST_BITS, max(_LEAST_BITS, (size + _LOOKAHEAD_BYTES).bit_length()))
    return bits, bits - 7


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """The lines, each with its end, in blocks of at least 32 kB but for the last."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(f"{line}\n".encode())
        size += len(waiting[-1])
        if size >= _BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
