"""One server per data folder: a second one would take the first one's running calls for the remains of a crash."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from retold.errors import StorageError


@contextmanager
def folder_lock(data_dir: Path) -> Generator[None]:
    """Hold the folder until the process dies or leaves. Raises StorageError when another server has it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / "server.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"another server uses the data folder {data_dir}; stop it, or choose another with --data-dir"
            ) from error
        yield
    finally:
        os.close(handle)
