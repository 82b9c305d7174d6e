"""Looks for what erased calls may have left, byte by byte: in the files of an SQLite database, and in names of files.

Every record of a call holds its files' token, 32 random characters that stand nowhere else. Where the token of an
erased call is not found any more, the record was overwritten, also in free pages and in the write-ahead log.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from retold.ids import PATH_TOKEN_CHARS

_BEFORE: Final = b'"files_token":"'
_BLOCK_BYTES: Final = 4 * 1024 * 1024


def marks_left(data_dir: Path, tokens: Collection[str]) -> int:
    """How many records and folders with one of these tokens there are. Blocks: a second for a gigabyte.

    Raises OSError.
    """
    wanted = {token.encode() for token in tokens}
    databases = [data_dir / f"retold.db{ending}" for ending in ("", "-wal")]
    in_databases = sum(_count(path, wanted) for path in databases if path.exists())
    return in_databases + sum((data_dir / "files" / token).exists() for token in tokens)


def _count(path: Path, tokens: Collection[bytes]) -> int:
    return sum(token in tokens for token in _tokens(path))


def _tokens(path: Path) -> Iterator[bytes]:
    """The token of every record in a file, in whatever state the record is."""
    with path.open("rb") as file:
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            text = rest + block
            start = text.find(_BEFORE)
            while start >= 0 and start + len(_BEFORE) + PATH_TOKEN_CHARS <= len(text):
                token_at = start + len(_BEFORE)
                yield text[token_at : token_at + PATH_TOKEN_CHARS]
                start = text.find(_BEFORE, token_at)
            # What a block ends in the middle of is looked at with the next one.
            kept = len(_BEFORE) + PATH_TOKEN_CHARS - 1
            rest = text[start:] if start >= 0 else text[-kept:]
