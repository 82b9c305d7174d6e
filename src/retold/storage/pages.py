"""Reads one page of a list."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, tuple_

from retold.domain.page import Page, PageQuery, Place

T = TypeVar("T")


def read_page(
    connection: Connection,
    wanted: Select[Any],
    order: tuple[ColumnElement[int], ColumnElement[str]],
    query: PageQuery,
    make: Callable[[Any], T],
) -> Page[T]:
    """The page of `wanted` that is asked for, sorted by a number and then by id; `make` turns a row into an item."""
    number, item_id = order
    wanted = wanted.add_columns(number.label("place_number"), item_id.label("place_id"))
    if query.after is not None:
        place = tuple_(query.after.number, query.after.item_id)
        wanted = wanted.where(tuple_(*order) < place if query.is_descending else tuple_(*order) > place)
    wanted = wanted.order_by(*(column.desc() if query.is_descending else column.asc() for column in order))
    rows = connection.execute(wanted.limit(query.limit + 1)).all()
    shown = rows[: query.limit]
    key = Place(shown[-1].place_number, shown[-1].place_id).key() if len(rows) > len(shown) else None
    return Page([make(row) for row in shown], key)
