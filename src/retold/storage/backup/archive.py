"""The file that a backup is: a tar, gzipped unless its name ends in `.tar`, whose last member sums up all others.

```
retold-backup.json   what the backup is (manifest.py)
retold.db            all rows, as an SQLite database
spool/, files/       audio of running calls; recordings and logs of finished ones
master.key           only when it was asked for
SHA256SUMS           a line for each of them, in order, as `sha256sum --check` reads it
```
It is written and read from its beginning to its end, so that memory does not grow with it. The sums are against damage:
whoever may write the file can also write other sums.
"""

import gzip
import hashlib
import io
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Self, cast

from retold.errors import BackupRefused

SUMS: Final = "SHA256SUMS"
MANIFEST: Final = "retold-backup.json"
DATABASE: Final = "retold.db"
MASTER_KEY: Final = "master.key"
_LEVEL: Final = 1
"""Of compression: audio gets little smaller by more."""
_BLOCK_BYTES: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_NAME: Final = re.compile(
    r"retold-backup\.json|retold\.db|master\.key|SHA256SUMS|spool/[A-Za-z0-9_]{1,64}\.(caller|agent)\.pcm"
    r"|files/[0-9a-z]{32}/[A-Za-z0-9_][A-Za-z0-9_.]{0,99}"
)
"""All that may stand in a backup: a file that somebody else has made names nothing outside the folder."""


class Archive:
    """A backup that is being written; it takes its name when it is whole, and leaves nothing behind otherwise."""

    def __init__(self, path: Path, now_s: int) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.part")
        self._now_s = now_s
        self._open = ExitStack()
        self.members = 0

    def __enter__(self) -> Self:
        """Begin. Raises OSError."""
        with ExitStack() as stack:
            self._raw = stack.enter_context(open(self._partial, "wb", opener=_private))
            stack.callback(self._partial.unlink, missing_ok=True)
            is_plain = self._path.suffix == ".tar"
            packed = self._raw if is_plain else gzip.GzipFile("", "wb", _LEVEL, self._raw, self._now_s)
            self._packed = stack.enter_context(packed)
            self._sums = stack.enter_context(tempfile.TemporaryFile(dir=self._path.parent))
            self._tar = tarfile.open(fileobj=self._packed, mode="w|", bufsize=_BLOCK_BYTES)
            stack.callback(self._tar.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close; what was not finished is deleted."""
        self._open.close()

    def add(self, name: str, content: BinaryIO, size: int) -> None:
        """Add a file of so many bytes. Raises OSError, also when there are fewer."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, self._now_s
        hashed = _Hashed(content)
        self._tar.addfile(member, cast("IO[bytes]", hashed))
        _forget_members(self._tar)
        self._sums.write(hashed.line(name))
        self.members += 1

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small file."""
        self.add(name, io.BytesIO(content), len(content))

    def finish(self) -> int:
        """Add the sums, wait for the disk and give the file its name; gives its size. Raises OSError."""
        size = self._sums.tell()
        self._sums.seek(0)
        self.add(SUMS, cast("BinaryIO", self._sums), size)
        self._tar.close()
        if self._packed is not self._raw:
            self._packed.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._partial.rename(self._path)
        return self._path.stat().st_size


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a backup that is being read; its content can be read once, before the next one is asked for."""

    name: str
    size: int
    _content: "_Hashed"
    _path: Path

    def read(self, size: int = _BLOCK_BYTES) -> bytes:
        """Some bytes; none at the end. Raises BackupRefused."""
        with _refusals(self._path):
            return self._content.read(size)

    def line(self) -> bytes:
        """Its line in the sums; reads what is left. Raises BackupRefused."""
        while self.read():
            pass
        return self._content.line(self.name)


def read_archive(path: Path) -> Generator[Member]:
    """The files of a backup in order, without its sums. Raises BackupRefused, also at the end.

    Only when the end is reached is it known that all that was read is what was written.
    """
    with _refusals(path), path.open("rb") as raw:
        is_packed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw, mode="rb") if is_packed else raw
        with closing(tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK_BYTES)) as tar:
            yield from _members(tar, path)
        # What follows the end is nothing; to read it is what has gzip compare its own sum.
        while stream.read(_BLOCK_BYTES):
            pass


def _members(tar: tarfile.TarFile, path: Path) -> Generator[Member]:
    # The sum of the sums: they themselves may be many.
    expected = hashlib.sha256()
    while (found := tar.next()) is not None:
        _forget_members(tar)
        content = tar.extractfile(found) if found.isreg() and _NAME.fullmatch(found.name) else None
        if content is None:
            raise BackupRefused(f"{path} is no backup of Retold: it holds {found.name[:100]!r}")
        member = Member(found.name, found.size, _Hashed(cast("BinaryIO", content)), path)
        if found.name == SUMS:
            if member.line().split()[0].decode() != expected.hexdigest():
                raise BackupRefused(f"{path} is damaged: it does not hold what was backed up; take another copy of it")
            return
        yield member
        expected.update(member.line())
    raise BackupRefused(f"{path} is cut off; take another copy of it")


@contextmanager
def _refusals(path: Path) -> Generator[None]:
    """Say in words of ours what the reader of a format says."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupRefused(f"{path} is no whole backup ({error}); take another copy of it") from error


class _Hashed:
    """A file to read from, of which the sum is known once it was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Some bytes; none at the end."""
        piece = self._file.read(size)
        self._sum.update(piece)
        return piece

    def line(self, name: str) -> bytes:
        """The line of the sums for what was read."""
        return f"{self._sum.hexdigest()}  {name}\n".encode()


def _forget_members(tar: tarfile.TarFile) -> None:
    """Have it not keep a record of every member, for a table of contents that nobody asks for."""
    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - the type stubs do not know it


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
