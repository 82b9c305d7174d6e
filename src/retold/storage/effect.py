"""Binds a row to what a request does: both are written in one transaction, or neither is.

Who answers a request sets the note around it; `Database.write` adds it to the first write that succeeds. So after a
crash the note is there exactly when the change is.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


@dataclass(slots=True)
class Note:
    """What is to be written beside a change."""

    write: Callable[[Connection], None]
    is_claimed: bool = False
    """Whether a change is under way that it goes with."""
    is_written: bool = False
    """Whether it is committed, with the change that it went with."""


_current: ContextVar[Note | None] = ContextVar("note", default=None)


@contextmanager
def noting(note: Note) -> Generator[None]:
    """Write this note with the first change that is made inside."""
    token = _current.set(note)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def with_note(work: Callable[[Connection], T]) -> Generator[Callable[[Connection], T]]:
    """The work, and the note that is still to be written: on leaving it is, unless the work failed.

    The work may run more than once, as its transaction is tried again as a whole.
    """
    note = _current.get()
    if note is None or note.is_claimed:
        yield work
        return

    def noted(connection: Connection) -> T:
        result = work(connection)
        note.write(connection)
        return result

    note.is_claimed = True
    try:
        yield noted
    except Exception:  # all of them, and raised on: what failed wrote nothing; what was cancelled may still be written
        note.is_claimed = False
        raise
    note.is_written = True
