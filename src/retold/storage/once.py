"""Small files of the data folder that are made once and never change."""

import os
import secrets
from pathlib import Path


def kept_once(path: Path, new_text: str) -> str:
    """The text of a file, which is made with `new_text` when there is none; durable. Blocks. Raises OSError.

    Of two processes that come at once, whoever is second takes what the first has made.
    """
    if path.exists():
        return path.read_text()
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, new_text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        # A link, unlike a renaming, does not replace the file of another process.
        os.link(draft, path)
    except FileExistsError:
        return path.read_text()
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return new_text


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
