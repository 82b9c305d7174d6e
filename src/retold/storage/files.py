"""The files of finished calls: `files/<files_token>/` under the data folder, and where they are served."""

import gzip
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from retold.crash import crash_point
from retold.storage.disk import Disk
from retold.storage.recordings import MULTI_CHANNEL, RECORDING

PUBLIC_LOG = "public_log.txt"
FILE_NAMES = (RECORDING, MULTI_CHANNEL, PUBLIC_LOG)
"""What may be asked for."""


def folder_of(data_dir: Path, files_token: str) -> Path:
    """Where a call's files are."""
    return data_dir / "files" / files_token


def stored_path(data_dir: Path, files_token: str, name: str) -> Path:
    """The file behind one of `FILE_NAMES`; the log is kept compressed. Raises ValueError for another name or token."""
    if name not in FILE_NAMES or not files_token.isalnum():
        raise ValueError("no such file")
    folder = folder_of(data_dir, files_token)
    return folder / f"{name}.gz" if name == PUBLIC_LOG else folder / name


def write_log(lines: Iterable[str], data_dir: Path, files_token: str, disk: Disk) -> None:
    """Keep the public log, compressed; a repetition gives the same bytes. Blocks. Raises OSError."""
    target = stored_path(data_dir, files_token, PUBLIC_LOG)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as file:
            # Without name and time in its header the file depends on the lines alone.
            with gzip.GzipFile(filename="", mode="wb", fileobj=_Through(file.fileno(), disk), mtime=0) as packed:
                packed.writelines(f"{line}\n".encode() for line in lines)
            disk.fsync(file.fileno())
        crash_point("log_before_rename")
        disk.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def remove_files(data_dir: Path, files_token: str) -> None:
    """Delete a call's recordings and log; nothing happens when there are none. Blocks. Raises OSError."""
    folder = folder_of(data_dir, files_token)
    if folder.exists():
        shutil.rmtree(folder)


class _Through:
    """The file that gzip writes to, by way of the disk."""

    def __init__(self, fd: int, disk: Disk) -> None:
        self._fd = fd
        self._disk = disk

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._disk.write(self._fd, data, os.lseek(self._fd, 0, os.SEEK_CUR))
        os.lseek(self._fd, len(data), os.SEEK_CUR)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""
