"""Makes a backup of a data folder, whether or not its server runs.

```
spools opened -> one moment of the rows settled -> rows copied beside the target -> archive: rows, spools, files
```
A call that had ended by that moment is in the backup whole, for its files were on the disk before its row said so. One
that was going on is there with its journal and its spool, and is recovered as after a crash. What came later is not.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from retold import __version__
from retold.clock import Clock
from retold.errors import BackupRefused
from retold.storage.backup.archive import DATABASE, MANIFEST, MASTER_KEY, Archive
from retold.storage.backup.manifest import Manifest
from retold.storage.backup.rows import Tell, check_sqlite, copy_sqlite, count_calls, finished_tokens, revision_of
from retold.storage.backup.spools import HeldSpools

_SUFFIX: Final = ".tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is backed up."""

    data_dir: Path
    database_url: str | None = None
    """A PostgreSQL database; None when the rows are in the folder."""
    master_key: str | None = None
    """To be put into the backup, in hex; None leaves it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was made."""

    path: Path
    size: int
    made_ms: int
    calls: int
    running_calls: int
    files: int
    lost_files: int
    """Of calls that were deleted meanwhile."""


def back_up(source: Source, target: Path, *, clock: Clock, tell: Tell) -> Made:
    """Write a backup to a file that is not there yet, or under a name of its own into a folder.

    It needs room for the backup and for a copy of the rows, beside the target. Blocks, for as long as it takes; cut
    off, it leaves nothing that could be taken for a backup. Raises BackupRefused, StorageError and OSError.
    """
    _check(source)
    path = _path(target, clock.wall_ms())
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
        rows = Path(work) / DATABASE
        with HeldSpools(source.data_dir) as spools:
            moments: list[int] = []

            def at_moment() -> None:
                spools.fix()
                moments.append(clock.wall_ms())

            _copy_rows(source, rows, at_moment, tell)
            check_sqlite(rows)
            manifest = Manifest(
                made_by=__version__,
                made_ms=moments[0],
                revision=revision_of(rows),
                database="sqlite" if source.database_url is None else "postgresql",
                has_master_key=source.master_key is not None,
            )
            return _archived(source, path, manifest, rows, spools, tell)


def _archived(source: Source, path: Path, manifest: Manifest, rows: Path, spools: HeldSpools, tell: Tell) -> Made:
    calls, running_calls = count_calls(rows)
    with Archive(path, manifest.made_ms // 1000) as archive:
        archive.add_bytes(MANIFEST, manifest.text())
        with rows.open("rb") as copied:
            archive.add(DATABASE, copied, rows.stat().st_size)
        spools.add_to(archive)
        files = _Files(source.data_dir, archive, tell)
        for token in finished_tokens(rows):
            files.add_folder(token)
        if source.master_key is not None:
            archive.add_bytes(MASTER_KEY, source.master_key.encode())
        size = archive.finish()
    return Made(
        path=path,
        size=size,
        made_ms=manifest.made_ms,
        calls=calls,
        running_calls=running_calls,
        files=files.added,
        lost_files=files.lost,
    )


class _Files:
    """Puts recordings and logs into a backup."""

    def __init__(self, data_dir: Path, archive: Archive, tell: Tell) -> None:
        self._folder = data_dir / "files"
        self._archive = archive
        self._tell = tell
        self._bytes = 0
        self.added = 0
        self.lost = 0

    def add_folder(self, token: str) -> None:
        """All files of a finished call: they are whole, and never change. Raises OSError."""
        try:
            paths = sorted((self._folder / token).iterdir())
        except FileNotFoundError:
            # It has none, or they are on another server.
            return
        for path in paths:
            # What begins with a dot is being written.
            if not path.name.startswith("."):
                self._add(path, f"files/{token}/{path.name}")

    def _add(self, path: Path, name: str) -> None:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            self.lost += 1
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            self._archive.add(name, file, size)
        self.added += 1
        self._bytes += size
        self._tell("files", self._bytes, None)


def _copy_rows(source: Source, rows: Path, at_moment: Callable[[], None], tell: Tell) -> None:
    if source.database_url is None:
        copy_sqlite(source.data_dir, rows, at_moment, tell)
        return
    from retold.storage.backup.postgres_rows import copy_postgres  # noqa: PLC0415 - its driver is an extra
    from retold.storage.postgres import copying_engine  # noqa: PLC0415 - its driver is an extra

    engine = copying_engine(source.database_url, is_read_only=True)
    try:
        copy_postgres(engine, rows, at_moment, tell)
    finally:
        engine.dispose()


def _check(source: Source) -> None:
    if not source.data_dir.is_dir():
        raise BackupRefused(f"there is no data folder {source.data_dir}; name it with --data-dir")
    if source.database_url is None and not (source.data_dir / DATABASE).is_file():
        raise BackupRefused(
            f"{source.data_dir} holds no {DATABASE}; name the data folder with --data-dir, or the database of its"
            " server with RETOLD_DATABASE_URL"
        )


def _path(target: Path, now_ms: int) -> Path:
    if target.is_dir():
        when = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%d-%H%M%S")
        target /= f"retold-{when}{_SUFFIX}"
    if target.exists():
        raise BackupRefused(f"{target} is there already; name another file, or a folder")
    if not target.parent.is_dir():
        raise BackupRefused(f"there is no folder {target.parent}; make it")
    return target
