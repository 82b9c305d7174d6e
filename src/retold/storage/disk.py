"""The file operations that durability hangs on, and the ballast that keeps room for the last words.

Everything that must reach the disk goes through one `Disk`, so that a test can make the n-th operation fail.
"""

import contextlib
import errno
import os
import shutil
from enum import StrEnum
from pathlib import Path

BALLAST_BYTES = 16 * 1024 * 1024


class StorageHealth(StrEnum):
    """How the data folder does."""

    OK = "ok"
    LOW = "low"
    """Less free space than the setting asks for: no new calls."""
    FULL = "full"
    """A write found no space: no new calls; running ones live on the ballast."""
    AWAY = "away"
    """The database server does not answer: no new calls; running ones go on, and what they write waits."""
    BROKEN = "broken"
    """A write may not have reached the disk: nothing is acknowledged until a restart."""


class Disk:
    """The real disk."""

    def write(self, fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of `data` at `offset`. Raises OSError."""
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view = view[written:]
            offset += written

    def fsync(self, fd: int) -> None:
        """Wait until what was written is on the disk. Raises OSError."""
        os.fdatasync(fd)

    def replace(self, source: Path, target: Path) -> None:
        """Rename atomically over `target` and make the rename itself durable. Raises OSError."""
        source.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def database(self, step: str) -> None:
        """Called before the database's `begin`, `statement` and `commit`; SQLite writes itself. Raises OSError."""

    def free_bytes(self, folder: Path) -> int:
        """Space that this process may still use on the disk of `folder`. Raises OSError."""
        return shutil.disk_usage(folder).free

    def reserve(self, fd: int, size: int) -> None:
        """Make `size` bytes of a file really occupy the disk. Raises OSError."""
        os.posix_fallocate(fd, 0, size)


class Ballast:
    """A file that only occupies space; letting go of it leaves room to write down how running calls ended."""

    def __init__(self, folder: Path, disk: Disk, size: int = BALLAST_BYTES) -> None:
        self._path = folder / "ballast"
        self._disk = disk
        self._size = size

    @property
    def is_loaded(self) -> bool:
        """Whether the whole ballast occupies the disk."""
        try:
            return self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False

    def load(self) -> bool:
        """Occupy the space; False when there is not enough of it."""
        if self.is_loaded:
            return True
        partial = self._path.with_suffix(".part")
        try:
            fd = os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                self._disk.reserve(fd, self._size)
            finally:
                os.close(fd)
            partial.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            if is_full(error):
                return False
            raise
        return True

    def release(self) -> None:
        """Give the space back."""
        self._path.unlink(missing_ok=True)


def is_full(error: BaseException) -> bool:
    """Whether an OSError means that space or quota is used up."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
