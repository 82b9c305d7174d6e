"""Who may use a data folder: one server, and one writing process at any moment.

A second server would take the first one's running calls for the remains of a crash. `retold keys` writes beside a
running server: the two take turns, because SQLite before 3.51.3 can lose pages when two connections commit and
checkpoint at once.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from retold.errors import StorageError

RESTORING = ".restoring"
"""What a data folder has in it while a backup is unpacked there."""


@contextmanager
def folder_lock(data_dir: Path) -> Generator[None]:
    """Hold the folder until the process dies or leaves.

    Raises StorageError when another server has it, or when a backup was only half restored there.
    """
    if (data_dir / RESTORING).exists():
        raise StorageError(f"a backup is not yet restored in {data_dir}; wait, or delete the folder and restore again")
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    refusal = f"another server uses the data folder {data_dir}; stop it, or choose another with --data-dir"
    with alone(data_dir / "server.lock", refusal):
        yield


@contextmanager
def alone(path: Path, refusal: str) -> Generator[None]:
    """Hold a lock file until the process dies or leaves. Raises StorageError with the refusal when another has it."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(refusal) from error
        yield
    finally:
        os.close(handle)


class WriteTurn:
    """The right to write to a folder's database, taken for one transaction at a time; among processes, not threads."""

    def __init__(self, data_dir: Path) -> None:
        self._handle = os.open(data_dir / "write.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        """Wait for the other process, which needs milliseconds; a process that dies gives its turn back."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
