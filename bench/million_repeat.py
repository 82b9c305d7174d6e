"""Calls that repeat others, made inside the database: other ids, later times, all else the same."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, cast, func, insert, literal, select
from sqlalchemy.types import String

from million_calls import DISTINCT, EVERY_MS
from retold.storage.tables import call, call_attribute, call_body, call_tool

_PREFIX = len("call_")
_LATER = ("sort_ms", "start_timestamp", "end_timestamp")


def repeat(connection: Connection, first: int, last: int) -> None:
    """Make the calls of these numbers, which must be of one repetition, from those a repetition before."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET session_replication_role = replica")
    of_before = call.c.row_id.between(first - DISTINCT, last - DISTINCT)
    new_id = _turned(call.c.call_id)
    changed: dict[str, ColumnElement[Any]] = {name: call.c[name] + DISTINCT * EVERY_MS for name in _LATER}
    _insert(connection, call, {"row_id": call.c.row_id + DISTINCT, "call_id": new_id, **changed}, of_before)
    body: ColumnElement[str] = func.replace(call_body.c.body, call.c.call_id, new_id)
    for name in ("start_timestamp", "end_timestamp"):
        old, new = (cast(one, String) for one in (call.c[name], changed[name]))
        body = func.replace(body, literal(f'"{name}":').concat(old), literal(f'"{name}":').concat(new))
    for table in (call_body, call_attribute, call_tool):
        its: dict[str, ColumnElement[Any]] = {"row_id": table.c.row_id + DISTINCT}
        if table is call_body:
            its["body"] = body
        _insert(connection, table, its, of_before & (table.c.row_id == call.c.row_id))


def _turned(call_id: ColumnElement[str]) -> ColumnElement[str]:
    """The id turned round by a digit."""
    digit = func.substr(call_id, _PREFIX + 1, 1)
    return func.substr(call_id, 1, _PREFIX).concat(func.substr(call_id, _PREFIX + 2)).concat(digit)


def _insert(
    connection: Connection, table: Table, changed: dict[str, ColumnElement[Any]], wanted: ColumnElement[bool]
) -> None:
    columns = [changed.get(column.name, column).label(column.name) for column in table.c]
    connection.execute(insert(table).from_select([column.name for column in table.c], select(*columns).where(wanted)))
