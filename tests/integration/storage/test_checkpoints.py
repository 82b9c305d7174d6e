"""The write-ahead log is emptied beside the commits, and at every moment the files hold all that was committed."""

import errno
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from retold.errors import StorageBroken
from retold.storage.checkpoints import EMPTY_EVERY_ROWS, Checkpoints

ROWS = 50
"""Of each commit."""
MAX_COMMITS = 5_000
"""Until then a thread has had something written, however busy the machine is."""
_SEQUENCE = slice(12, 16)
"""Where the header of a log counts how often the log began anew."""


class House(NamedTuple):
    """A database of one table."""

    path: Path
    writer: sqlite3.Connection
    checkpoints: Checkpoints

    @property
    def log(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def sequence(self) -> bytes:
        return self.log.read_bytes()[:32][_SEQUENCE]

    def commit(self, number: int) -> None:
        self.writer.execute("BEGIN IMMEDIATE")
        self.writer.executemany("INSERT INTO kept VALUES (?, ?)", [(number, "x" * 100)] * ROWS)
        self.writer.execute("COMMIT")

    def go_on(self) -> None:
        self.checkpoints.go_on(self.writer, nullcontext())


def connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    path = tmp_path / "kept.db"
    writer = connected(path)
    writer.execute("CREATE TABLE kept (number INTEGER, text TEXT)")
    with closing(writer):
        checkpoints = Checkpoints(path, connected(path))
        yield House(path, writer, checkpoints)
        checkpoints.stop()
    checkpoints.close()


def numbers(path: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return numbers_by(connection)


def numbers_by(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """How many rows each commit has."""
    return connection.execute("SELECT number, count(*) FROM kept GROUP BY number ORDER BY number").fetchall()


def go_on_for_ever(house: House) -> None:
    for number in range(MAX_COMMITS):
        house.commit(number)
        house.go_on()


def after_power_loss(folder: Path, file: bytes, log: Path) -> list[tuple[int, int]]:
    """What is found when of the file only this was written, and the log is whole."""
    folder.mkdir()
    path = folder / "kept.db"
    path.write_bytes(file)
    shutil.copyfile(log, path.with_name("kept.db-wal"))
    found = numbers(path)
    shutil.rmtree(folder)
    return found


def test_the_log_begins_anew_while_commits_go_on(house: House) -> None:
    first = house.sequence()
    committed = 0
    while house.sequence() == first and committed < MAX_COMMITS:
        house.commit(committed)
        house.go_on()
        committed += 1
    assert house.sequence() != first
    assert committed * ROWS >= EMPTY_EVERY_ROWS


def test_the_log_alone_has_all_that_was_committed_since_it_began(house: House, tmp_path: Path) -> None:
    file, sequence = house.path.read_bytes(), house.sequence()
    begun_anew = 0
    for number in range(MAX_COMMITS):
        before = house.path.read_bytes()
        house.commit(number)
        if house.sequence() != sequence:
            # Only now is anything relied on that was copied.
            file, sequence = before, house.sequence()
            begun_anew += 1
        if number % 10 == 0:
            expected = [(one, ROWS) for one in range(number + 1)]
            assert after_power_loss(tmp_path / "lost", file, house.log) == expected
        if begun_anew == 2:
            break
        house.go_on()
    assert begun_anew == 2


def test_what_is_looked_at_elsewhere_keeps_the_log_and_loses_nothing(house: House) -> None:
    with closing(connected(house.path)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        for number in range(4 * EMPTY_EVERY_ROWS // ROWS):
            house.commit(number)
            house.go_on()
        assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert numbers(house.path) == [(number, ROWS) for number in range(4 * EMPTY_EVERY_ROWS // ROWS)]


def test_after_a_write_that_failed_nothing_is_copied_any_more(tmp_path: Path) -> None:
    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "made to fail")

    path = tmp_path / "kept.db"
    writer = connected(path)
    writer.execute("CREATE TABLE kept (number INTEGER, text TEXT)")
    checkpoints = Checkpoints(path, connected(path), fail)
    house = House(path, writer, checkpoints)
    file, sequence = path.read_bytes(), house.sequence()
    with pytest.raises(StorageBroken, match="made to fail"):
        go_on_for_ever(house)
    assert checkpoints.has_failed
    copied = path.read_bytes()
    committed = len(numbers_by(house.writer))
    for number in range(committed, committed + EMPTY_EVERY_ROWS // ROWS):
        house.commit(number)
        house.go_on()
    checkpoints.stop()
    writer.close()
    assert (path.read_bytes(), house.sequence()) == (copied, sequence)
    assert after_power_loss(tmp_path / "lost", file, house.log) == [
        (one, ROWS) for one in range(committed + EMPTY_EVERY_ROWS // ROWS)
    ]
    checkpoints.close()
