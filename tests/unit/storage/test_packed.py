import gzip
import zlib

import pytest

from retold.storage.packed import gzipped, packed

WORDS = ("I", "would", "like", "a", "table", "for", "two", "at", "seven", "thank", "you", "and", "good", "bye")


def words(size: int) -> bytes:
    return " ".join(WORDS[(number * number // 7) % len(WORDS)] for number in range(size)).encode()[:size]


@pytest.mark.parametrize("size", [0, 1, 300, 2_000, 30_000, 32_768, 200_000], ids=str)
@pytest.mark.parametrize("level", [1, 9], ids=str)
def test_text_comes_back_and_is_hardly_larger_than_with_the_largest_window(size: int, level: int) -> None:
    text = words(size)
    short = packed(text, level)
    assert zlib.decompress(short) == text
    assert len(short) <= 1.05 * len(zlib.compress(text, level)) + 16


@pytest.mark.parametrize(
    ("size", "window"), [(0, 1_024), (700, 1_024), (5_000, 8_192), (20_000, 32_768), (10**6, 32_768)]
)
def test_window_is_as_large_as_the_text_needs(size: int, window: int) -> None:
    # RFC 1950: the first four bits, plus 8, are the logarithm of the window's size.
    assert 1 << ((packed(words(size), 1)[0] >> 4) + 8) == window


@pytest.mark.parametrize("count", [0, 1, 50, 3_000], ids=str)
def test_lines_come_back_and_pack_alike_each_time(count: int) -> None:
    lines = [f"[00:{number:02}] {words(number % 90).decode()} é" for number in range(count)]
    whole = "".join(f"{line}\n" for line in lines).encode()
    made = b"".join(gzipped(iter(lines)))
    assert gzip.decompress(made) == whole
    assert made == b"".join(gzipped(iter(lines)))
    assert len(made) <= 1.05 * len(gzip.compress(whole)) + 16
