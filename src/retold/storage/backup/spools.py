"""The audio of running calls, as it was at the moment of a backup.

A call that ends while the backup is made has its spool removed; an open file stays readable. So all are opened before
the moment, and those that were begun meanwhile right after it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from retold.storage.backup.archive import Archive


@dataclass(slots=True)
class _Spool:
    fd: int
    size: int = 0


class HeldSpools:
    """Spool files that stay readable until the block is left."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "spool"
        self._held: dict[str, _Spool] = {}

    def __enter__(self) -> Self:
        """Open what is there. Raises OSError."""
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        for spool in self._held.values():
            os.close(spool.fd)

    def fix(self) -> None:
        """Take them as they are at this moment. Raises OSError."""
        self._look()
        for spool in self._held.values():
            spool.size = os.fstat(spool.fd).st_size

    def add_to(self, archive: Archive) -> None:
        """Write down what was there at the moment. Raises OSError."""
        for name, spool in sorted(self._held.items()):
            with os.fdopen(os.dup(spool.fd), "rb") as file:
                archive.add(f"spool/{name}", file, spool.size)

    def _look(self) -> None:
        for path in self._folder.glob("*.pcm"):
            if path.name in self._held:
                continue
            try:
                self._held[path.name] = _Spool(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:
                # Its call has ended since it was listed.
                continue
