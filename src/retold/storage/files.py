"""The files of finished calls: `files/<files_token>/` under the data folder, and where they are served."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from retold.crash import crash_point
from retold.storage.disk import Disk
from retold.storage.packed import gzipped
from retold.storage.recordings import MULTI_CHANNEL, RECORDING, SCRUBBED, SCRUBBED_MULTI_CHANNEL

PUBLIC_LOG = "public_log.txt"
FILE_NAMES = (RECORDING, MULTI_CHANNEL, SCRUBBED, SCRUBBED_MULTI_CHANNEL, PUBLIC_LOG)
"""What may be asked for."""
_OWNER = "owner.txt"


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
            size = 0
            for piece in gzipped(lines):
                disk.write(file.fileno(), piece, size)
                size += len(piece)
            disk.fsync(file.fileno())
        crash_point("log_before_rename")
        disk.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def stored_sizes(data_dir: Path, files_token: str) -> list[int]:
    """The bytes of each file of a call. Blocks. Raises OSError."""
    folder = folder_of(data_dir, files_token)
    return [path.stat().st_size for path in folder.iterdir() if path.name != _OWNER] if folder.is_dir() else []


class FileOwner(NamedTuple):
    """Whose call files are of."""

    org_id: str
    call_id: str


def write_owner(data_dir: Path, files_token: str, owner: FileOwner) -> None:
    """Note beside the files whose they are: their address does not tell. Blocks. Raises OSError."""
    folder = folder_of(data_dir, files_token)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / _OWNER).write_text(f"{owner.org_id} {owner.call_id}\n")


def read_owner(data_dir: Path, files_token: str) -> FileOwner | None:
    """Whose call files are of; None when it was not noted, or a power cut took it. Blocks."""
    try:
        org_id, call_id = (folder_of(data_dir, files_token) / _OWNER).read_text().split()
    except (OSError, ValueError):
        return None
    return FileOwner(org_id, call_id)


def remove_files(data_dir: Path, files_token: str) -> None:
    """Delete a call's recordings and log; nothing happens when there are none. Blocks. Raises OSError."""
    folder = folder_of(data_dir, files_token)
    if folder.exists():
        shutil.rmtree(folder)
