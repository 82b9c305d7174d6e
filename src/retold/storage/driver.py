"""The shortest way to the driver, for what is written most often: SQLAlchemy's takes longer than SQLite does."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, TextClause


class _Compiled(NamedTuple):
    text: str
    names: tuple[str, ...] | None
    """Of the parameters in order; None where the driver knows them by name."""

    def parameters(self, values: Mapping[str, Any]) -> Any:
        return values if self.names is None else [values[name] for name in self.names]


def run(connection: Connection, statement: Insert[Any] | TextClause, several: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement with each of these parameters, all of one shape, at least one.

    The statement must be one object for the life of the program. Raises what the driver raises.
    """
    compiled = _compiled(statement, tuple(several[0]), connection.dialect)
    cursor: Any = connection.connection.cursor()
    if len(several) > 1:
        cursor.executemany(compiled.text, [compiled.parameters(values) for values in several])
    else:
        cursor.execute(compiled.text, compiled.parameters(several[0]))


def inserted(connection: Connection, statement: Insert[Any], values: Mapping[str, Any]) -> Sequence[Any]:
    """The row that such a statement returns."""
    compiled = _compiled(statement, tuple(values), connection.dialect)
    cursor: Any = connection.connection.cursor()
    cursor.execute(compiled.text, compiled.parameters(values))
    return cursor.fetchone()


def at_once(connection: Connection) -> AbstractContextManager[Any]:
    """What is run inside is sent without waiting for each answer, where the driver can do so.

    An error is raised at the next row that is asked for, or at the end.
    """
    pipeline = getattr(connection.connection.driver_connection, "pipeline", None)
    return nullcontext() if pipeline is None else pipeline()


@lru_cache(maxsize=64)
def _compiled(statement: Insert[Any] | TextClause, names: tuple[str, ...], dialect: Dialect) -> _Compiled:
    made = statement.compile(dialect=dialect, column_keys=list(names))
    return _Compiled(str(made), None if made.positiontup is None else tuple(made.positiontup))
