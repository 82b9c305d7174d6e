"""The search for forbidden words finds them in every form in which they are kept."""

import gzip
from pathlib import Path

import pytest

from retold.storage.packed import gzipped, packed
from support.canaries import hits

WORD = "quetzalcoatl"
TEXT = (f"some words before, {WORD}, and some behind " * 3).encode()


@pytest.mark.parametrize(
    "content",
    [TEXT, packed(TEXT, 1), packed(TEXT, 9), b"".join(gzipped([TEXT.decode()])), gzip.compress(TEXT)],
    ids=["plain", "quick", "small", "log", "gzip"],
)
@pytest.mark.parametrize("before", [0, 1, 4_095])
def test_a_word_is_found(tmp_path: Path, content: bytes, before: int) -> None:
    (tmp_path / "file").write_bytes(bytes(before) + content + b"x" * 100)
    assert hits(tmp_path, [WORD, "other"]) == [f"file: {WORD}"]


def test_the_beginning_of_a_compressed_text_that_is_cut_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(packed(TEXT + bytes(range(256)) * 20, 1)[:-300])
    assert hits(tmp_path, [WORD]) == [f"file: {WORD}"]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 100)
    assert hits(tmp_path, [WORD]) == []
