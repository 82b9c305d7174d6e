"""Where a piece of a call id or a number occurs, by the three letters that stand together in it.

On SQLite a table of its own (FTS5), kept beside the others: contentless, without positions, some two bytes for each
three letters of a call. On PostgreSQL an index like others (pg_trgm, which comes with the server); where its extension
cannot be made, such a filter reads the calls.
"""

import contextlib
from typing import Any, Final

from sqlalchemy import (
    DDL,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    bindparam,
    event,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError

from retold.storage.driver import run

GRAM_FIELDS: Final = ("call_id", "batch_call_id", "from_number", "to_number")
"""In the order of the index's columns."""
MIN_CHARS: Final = 3
"""A shorter piece occurs in so many calls that the newest are soon found."""
_MAX_GRAMS: Final = 20

CREATE_GRAMS: Final = (
    f"CREATE VIRTUAL TABLE call_gram USING fts5({', '.join(GRAM_FIELDS)}, "
    "tokenize='trigram', content='', columnsize=0, detail=column)"
)
CREATE_EXTENSION: Final = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
CREATE_INDEX: Final = (
    f"CREATE INDEX call_gram ON call USING gin ({', '.join(f'{name} gin_trgm_ops' for name in GRAM_FIELDS)}) "
    # Else a write now and then would wait until those before it are sorted in.
    "WITH (fastupdate = off)"
)
_NAMES: Final = ", ".join(GRAM_FIELDS)
_VALUES: Final = ", ".join(f":{name}" for name in GRAM_FIELDS)
# The names are ours, and the values are parameters.
_INSERT: Final = text(f"INSERT INTO call_gram (rowid, {_NAMES}) VALUES (:row_id, {_VALUES})")  # noqa: S608 - as said
_IS_SET: Final = text("SELECT 1 FROM call_gram_config WHERE k = 'automerge'")
_SET: Final = text("INSERT INTO call_gram (call_gram, rank) VALUES ('automerge', 0)")
_MERGE: Final = text("INSERT INTO call_gram (call_gram, rank) VALUES ('merge', :pages)")
_MERGE_EVERY: Final = 4
_MERGED_PAGES: Final = 16
"""Four for each call: about as many as SQLite merges by itself, and then some two hundred at a time."""
_DELETE: Final = text(
    f"INSERT INTO call_gram (call_gram, rowid, {_NAMES}) VALUES ('delete', :row_id, {_VALUES})"  # noqa: S608 - as said
)


def create_with(metadata: MetaData) -> None:
    """Have the index made together with these tables."""
    event.listen(metadata, "after_create", DDL(CREATE_GRAMS).execute_if(dialect="sqlite"))
    event.listen(metadata, "after_create", _create_index)


def _create_index(_: object, connection: Connection, **_further: object) -> None:
    """Make PostgreSQL's index, where the server lets us."""
    if connection.dialect.name == "sqlite":
        return
    with contextlib.suppress(DBAPIError), connection.begin_nested():
        connection.execute(text(CREATE_EXTENSION))
        connection.execute(text(CREATE_INDEX))


def has_grams(connection: Connection) -> bool:
    """Whether this database keeps them in a table."""
    return connection.dialect.name == "sqlite"


def merge_evenly(connection: Connection) -> None:
    """Have the pieces of the index put together by `merge_grams` alone.

    By itself SQLite does it for many calls at once, and one in a hundred waits for a tenth of a second.
    """
    if has_grams(connection) and connection.scalar(_IS_SET) is None:
        connection.execute(_SET)


def merge_grams(connection: Connection, row_id: int) -> None:
    """Put some pieces of the index together, after a call that was inserted."""
    if has_grams(connection) and row_id % _MERGE_EVERY == 0:
        run(connection, _MERGE, [{"pages": _MERGED_PAGES}])


def insert_grams(connection: Connection, row_id: int, columns: dict[str, Any]) -> None:
    """Index a call that was inserted with these columns."""
    if has_grams(connection):
        run(connection, _INSERT, [_parameters(row_id, columns)])


def delete_grams(connection: Connection, row_id: int, columns: dict[str, Any]) -> None:
    """Forget a call; these must be the columns with which it was indexed."""
    if has_grams(connection):
        connection.execute(_DELETE, _parameters(row_id, columns))


def grams_query(field: str, piece: str) -> Select[int]:
    """The row_ids of calls whose field may hold this piece of at least three characters, small or capital."""
    grams = dict.fromkeys(piece[start : start + 3] for start in range(len(piece) - 2))
    quoted = ('"' + gram.replace('"', '""') + '"' for gram in list(grams)[:_MAX_GRAMS])
    asked = bindparam(None, f"{field} : ({' AND '.join(quoted)})")
    row_id: Any = literal_column("rowid").label("row_id")
    return select(row_id).select_from(table("call_gram")).where(literal_column("call_gram").op("MATCH")(asked))


def holds_piece(column: ColumnElement[str], piece: str) -> ColumnElement[bool]:
    """Whether a value holds this piece, as PostgreSQL's index is asked."""
    escaped = piece.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return column.like(f"%{escaped}%", escape="/")


def _parameters(row_id: int, columns: dict[str, Any]) -> dict[str, Any]:
    return {"row_id": row_id, **{name: columns[name] for name in GRAM_FIELDS}}
