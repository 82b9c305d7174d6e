"""Turns a backup into a data folder, all of it or nothing.

```
.restoring/ in the folder: files unpacked and compared -> schema brought up to date -> moved into place
```
While `.restoring` is there, no server starts on the folder: a restoration that was cut off is no data folder.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, update

from retold.errors import BackupRefused
from retold.storage.backup.archive import DATABASE, MANIFEST, MASTER_KEY, Member, read_archive
from retold.storage.backup.manifest import MAX_BYTES, Manifest, read_manifest
from retold.storage.backup.rows import Tell, check_sqlite, count_calls, revision_of
from retold.storage.lock import RESTORING
from retold.storage.migrations import HEAD, upgrade
from retold.storage.owners import FILE_NAME as SERVER_NAME
from retold.storage.sqlite import writer_engine
from retold.storage.tables import IS_UNFINISHED, call


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a backup held."""

    manifest: Manifest
    calls: int
    running_calls: int
    files: int
    has_master_key: bool


def check_backup(path: Path, tell: Tell) -> Manifest:
    """Read a backup to its end and compare all of it. Blocks. Raises BackupRefused and OSError."""
    members = _told(read_archive(path), tell)
    manifest = _manifest(members, path)
    for member in members:
        member.line()
    return manifest


def restore(path: Path, folder: Path, database_url: str | None, tell: Tell) -> Restored:
    """Make a data folder of a backup, in a folder that is empty or not there; its rows in an empty database, if named.

    Blocks, for as long as it takes. What fails leaves nothing behind. Raises BackupRefused, StorageError and OSError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupRefused(f"{folder} is not empty; name a folder that is not there yet with --data-dir")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = folder / RESTORING
    work.mkdir(mode=0o700)
    try:
        restored = _unpacked(path, work, tell)
        _up_to_date(work / DATABASE)
        if database_url is not None:
            _load(work, database_url, tell)
        # One wait for all files, in place of one for each.
        os.sync()
        for made in sorted(work.iterdir()):
            made.rename(folder / made.name)
        work.rmdir()
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
    return restored


def _unpacked(path: Path, work: Path, tell: Tell) -> Restored:
    members = _told(read_archive(path), tell)
    manifest = _manifest(members, path)
    files = 0
    for member in members:
        _write(work / member.name, member)
        files += member.name.startswith("files/")
    if not (work / DATABASE).exists():
        raise BackupRefused(f"{path} holds no {DATABASE}; Retold has not made it")
    revision = revision_of(work / DATABASE)
    if revision > HEAD:
        raise BackupRefused(
            f"the backup is of schema {revision} and this program of {HEAD}; restore it with Retold"
            f" {manifest.made_by} or later"
        )
    check_sqlite(work / DATABASE)
    calls, running_calls = count_calls(work / DATABASE)
    return Restored(
        manifest=manifest,
        calls=calls,
        running_calls=running_calls,
        files=files,
        has_master_key=(work / MASTER_KEY).exists(),
    )


def _manifest(members: Iterator[Member], path: Path) -> Manifest:
    first = next(members, None)
    if first is None or first.name != MANIFEST or first.size > MAX_BYTES:
        raise BackupRefused(f"{path} is no backup of Retold")
    return read_manifest(first.read(MAX_BYTES))


def _told(members: Iterator[Member], tell: Tell) -> Iterator[Member]:
    done = 0
    for member in members:
        yield member
        done += member.size
        tell("unpacked", done, None)


def _write(path: Path, member: Member) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        while piece := member.read():
            file.write(piece)


def _up_to_date(database: Path) -> None:
    engine = writer_engine(database)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()


def _load(work: Path, database_url: str, tell: Tell) -> None:
    """Move the rows to a database server; the calls that were going on are to be this folder's server's."""
    from retold.storage.backup.postgres_rows import load_postgres  # noqa: PLC0415 - its driver is an extra
    from retold.storage.postgres import copying_engine  # noqa: PLC0415 - its driver is an extra

    name = secrets.token_hex(8)

    def take_over(connection: Connection) -> None:
        connection.execute(update(call).where(IS_UNFINISHED).values(server=name))

    engine = copying_engine(database_url, is_read_only=False)
    try:
        load_postgres(work / DATABASE, engine, tell, take_over)
    finally:
        engine.dispose()
    (work / SERVER_NAME).write_text(name)
    (work / DATABASE).unlink()
