"""Finds words that must not be on a disk, however they may lie there: plain, or in any compressed piece of any file."""

import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

_LONGEST = 1024 * 1024
"""Of a compressed piece; calls of tests are smaller."""


def hits(folder: Path, words: Collection[str]) -> list[str]:
    """Each word that is somewhere under the folder, with the file it is in."""
    wanted = [word.encode() for word in words]
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "ballast":
            content = path.read_bytes()
            texts = [content, *_inflated(content)]
            found += [f"{path.name}: {word.decode()}" for word in wanted if any(word in text for text in texts)]
    return found


def _inflated(content: bytes) -> Iterator[bytes]:
    """Whatever unfolds at any place of a file: also what was deleted, and the first pages of what is scattered."""
    for start in range(len(content) - 2):
        first, second = content[start], content[start + 1]
        is_zlib = first & 0x0F == 8 and first >> 4 <= 7 and (first << 8 | second) % 31 == 0
        is_gzip = first == 0x1F and second == 0x8B
        if is_zlib or is_gzip:
            yield _unfolded(content[start : start + _LONGEST], 31 if is_gzip else 15)


def _unfolded(piece: bytes, window_bits: int) -> bytes:
    """As much of a compressed piece as can be read; none where it is no such piece."""
    reading = zlib.decompressobj(window_bits)
    text = bytearray()
    for start in range(0, len(piece), 512):
        try:
            text += reading.decompress(piece[start : start + 512])
        except zlib.error:
            break
        if reading.eof:
            break
    return bytes(text)
