"""Ids that are almost the one that was asked for: the "did you mean" of a refusal, never of another organisation."""

import difflib

from sqlalchemy import ColumnElement, Connection, select

_SHORT = 8
_MOST = 50
_LAST = "\x7f"
"""Sorts after every character of an id."""


def near_id(
    connection: Connection, ids: ColumnElement[str], is_own: ColumnElement[bool], asked: str, *, shares: int = 1
) -> str | None:
    """An id that is almost `asked`, None without one.

    It is looked for among those that share the first half of it, `shares` characters at least: that takes an index
    and a moment, however many there are.
    """
    start = asked[: len(asked) // 2]
    if len(start) < shares:
        return None
    alike = select(ids).distinct().where(is_own, ids >= start, ids < start + _LAST).order_by(ids).limit(_MOST)
    # One letter of a short name may be another, one in ten of a long id.
    cutoff = 0.75 if len(asked) < _SHORT else 0.9
    found = difflib.get_close_matches(asked, list(connection.scalars(alike)), n=1, cutoff=cutoff)
    return found[0] if found else None
