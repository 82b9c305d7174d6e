"""Conditions as SQL: what must be true of a row of `call`, and where the rows for which it is true can be looked up.

```
condition --> predicate   decides, on a row at hand
         |--> source      the row_ids of all calls that may fulfil it, read from an index; None where no index has them
```
A source may give too many rows, never too few; so the predicate is always applied to what it gives.
"""

from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    Table,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from retold.domain.call_query import (
    MAX_INTEGER,
    AgentIs,
    AgentVersions,
    Between,
    CallField,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Present,
    Scalar,
    Test,
    TextOp,
    TextPart,
    ToolUsed,
    Unlike,
)
from retold.storage.call_grams import GRAM_FIELDS, MIN_CHARS, grams_query, holds_piece
from retold.storage.call_rows import as_text
from retold.storage.tables import call, call_attribute, call_tool

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_TEXT, _BY_TEXT = call_attribute.c.text_value, "call_attribute_by_text"
_NUMBER, _BY_NUMBER = call_attribute.c.number_value, "call_attribute_by_number"


@dataclass(frozen=True, slots=True)
class Order:
    """An index that gives an organisation's calls in the order of lists, where these things are true of a call."""

    index: str
    fixed: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where the calls are that may fulfil a condition."""

    arms: tuple[Select[int], ...]
    """Queries for `row_id`, each a range of an index; a call may come twice."""
    order: Order | None = None
    """The same calls in the order of lists."""
    is_long: bool = False
    """Whether all of an index's range is read to find even one: it has no order for what is looked for."""


BY_START = Order("call_by_start")


def predicate(condition: Condition) -> ColumnElement[bool]:
    """Whether the condition is true of a row of `call`."""
    match condition:
        case FieldIs(field=field, test=test):
            return or_(false(), *_ranges(call.c[field.value], test))
        case AgentIs(choices=choices):
            return or_(false(), *(_is_agent(one) for one in choices))
        case KeyIs(keys=keys, key=key, test=Present(is_present=False)):
            return ~_has_key(keys, key)
        case KeyIs(keys=keys, key=key, test=test):
            return _has_key(keys, key, or_(false(), *(one.test for one in _value_ranges(test))))
        case ToolUsed():
            return exists().where(call_tool.c.row_id == call.c.row_id, *_tool_tests(condition).values())
        case _:
            assert_never(condition)


def source(org_id: str, condition: Condition, *, has_grams: bool) -> Source | None:
    """Where the calls of an organisation that fulfil the condition are found; `has_grams`: see call_grams.has_grams."""
    match condition:
        case FieldIs(test=TextPart(op=TextOp.ENDS_WITH | TextOp.CONTAINS)):
            return _piece_source(org_id, condition, has_grams=has_grams)
        case FieldIs():
            return _field_source(org_id, condition)
        case AgentIs(choices=choices):
            return _agent_source(org_id, choices)
        case KeyIs(test=Present(is_present=False)):
            return None
        case KeyIs():
            return _key_source(org_id, condition)
        case ToolUsed():
            return _tool_source(org_id, condition)
        case _:
            assert_never(condition)


def start_range(condition: Condition) -> ColumnElement[bool] | None:
    """What a condition on the start says of the place in lists; None for other conditions."""
    if isinstance(condition, FieldIs) and condition.field is CallField.START_TIMESTAMP:
        return or_(false(), *_ranges(call.c.sort_ms, condition.test))
    return None


def _field_source(org_id: str, condition: FieldIs) -> Source | None:
    test = condition.test
    match condition.field:
        case CallField.CALL_ID:
            # All calls but one are no help.
            ranges = [] if isinstance(test, Unlike) else _ranges(call.c.call_id, test)
            return Source(_arms(call, "call_by_id", org_id, ranges)) if ranges else None
        case CallField.START_TIMESTAMP:
            # A call that has started is sorted by its start.
            return Source(_arms(call, "call_by_start", org_id, _ranges(call.c.sort_ms, test)))
        case field:
            index, ranges = f"call_by_{field.value}", _ranges(call.c[field.value], test)
            is_one = isinstance(test, OneOf) and len(test.values) == 1
            return Source(_arms(call, index, org_id, ranges), Order(index, (ranges[0],)) if is_one else None)


def _piece_source(org_id: str, condition: FieldIs, *, has_grams: bool) -> Source | None:
    field, test = condition.field.value, condition.test
    if not isinstance(test, TextPart) or len(test.value) < MIN_CHARS or field not in GRAM_FIELDS:
        return None
    if has_grams:
        return Source((grams_query(field, test.value),))
    return Source((select(call.c.row_id).where(call.c.org_id == org_id, holds_piece(call.c[field], test.value)),))


def _arms(table: Table, index: str, org_id: str, ranges: list[ColumnElement[bool]]) -> tuple[Select[int], ...]:
    found = select(table.c.row_id).with_hint(table, f"INDEXED BY {index}", "sqlite").where(table.c.org_id == org_id)
    return tuple(found.where(one) for one in ranges)


def _ranges(column: ColumnElement[Any], test: Test) -> list[ColumnElement[bool]]:
    """The ranges of a column in which a test holds; for a text in the middle of values it is all of them."""
    match test:
        case OneOf(values=values):
            return [column.in_([_bound(value) for value in values])]
        case Unlike(value=value):
            return [column < _bound(value), column > _bound(value)]
        case Between():
            return [_between(column, test)]
        case TextPart():
            return [_holds_text(column, test)]
        case Present(is_present=is_present):
            return [column.is_not(None) if is_present else column.is_(None)]
        case _:
            assert_never(test)


def _holds_text(column: ColumnElement[Any], test: TextPart) -> ColumnElement[bool]:
    text = test.value
    match test.op:
        case TextOp.STARTS_WITH:
            end = _successor(text)
            return and_(column >= text, true() if end is None else column < end)
        case TextOp.ENDS_WITH:
            size = func.length(column)
            # PostgreSQL takes no longer number for a place.
            start = cast(size - len(text) + 1, Integer)
            return and_(size >= len(text), func.substr(column, start) == text)
        case TextOp.CONTAINS:
            return _PlaceOf(column, text) > 0
        case _:
            assert_never(test.op)


class _PlaceOf(FunctionElement[int]):
    """Where a text stands in a value, from 1; 0 for nowhere. Unlike LIKE it minds capital letters in every database."""

    type = Integer()
    inherit_cache = True


@compiles(_PlaceOf)
def _as_sql(element: _PlaceOf, compiler: SQLCompiler, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction] - called by SQLAlchemy
    name = "strpos" if compiler.dialect.name == "postgresql" else "instr"
    return name + compiler.process(element.clause_expr, **options)


def _between(column: ColumnElement[Any], test: Between) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = []
    if test.lower is not None:
        lower = _bound(test.lower)
        bounds.append(column > lower if test.is_lower_outside else column >= lower)
    if test.upper is not None:
        upper = _bound(test.upper)
        bounds.append(column < upper if test.is_upper_outside else column <= upper)
    return and_(*bounds) if bounds else column.is_not(None)


def _bound(value: Scalar) -> Any:
    """A value to compare with; PostgreSQL would round a fraction to compare it with whole numbers."""
    if not isinstance(value, float):
        return value
    is_whole = value.is_integer() and abs(value) <= MAX_INTEGER
    return int(value) if is_whole else literal(value, Float())


def _successor(text: str) -> str | None:
    """The first text after all that start with this one; None when there is none."""
    kept = text.rstrip(chr(_LAST_CHARACTER))
    if not kept:
        return None
    last = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if last in _SURROGATES else last)


# --- agents ---


def _is_agent(one: AgentVersions) -> ColumnElement[bool]:
    is_it = call.c.agent_id == one.agent_id
    return and_(is_it, call.c.agent_version.in_(one.versions)) if one.versions else is_it


def _agent_source(org_id: str, choices: tuple[AgentVersions, ...]) -> Source:
    if len(choices) != 1:
        ids = call.c.agent_id.in_([one.agent_id for one in choices])
        return Source(_arms(call, "call_by_agent_id", org_id, [ids]))
    [one] = choices
    index = "call_by_version" if one.versions else "call_by_agent_id"
    order = Order(index, (_is_agent(one),)) if len(one.versions) <= 1 else None
    return Source(_arms(call, index, org_id, [_is_agent(one)]), order)


# --- keyed values ---


def _is_key(keys: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return call_attribute.c.kind == keys, call_attribute.c.key == key


def _has_key(keys: str, key: str, *tests: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(call_attribute.c.row_id == call.c.row_id, *_is_key(keys, key), *tests)


def _key_source(org_id: str, condition: KeyIs) -> Source:
    is_key = and_(*_is_key(condition.keys, condition.key))
    arms: list[Select[int]] = []
    for one in _value_ranges(condition.test):
        arms += _arms(call_attribute, one.index, org_id, [and_(is_key, one.test)])
    is_long = isinstance(condition.test, TextPart) and condition.test.op is not TextOp.STARTS_WITH
    return Source(tuple(arms) or (select(call_attribute.c.row_id).where(false()),), is_long=is_long)


def count_with_key(org_id: str, condition: KeyIs) -> Select[int]:
    """How many calls of an organisation have a value under the key."""
    [having] = _arms(call_attribute, _BY_TEXT, org_id, [and_(*_is_key(condition.keys, condition.key))])
    return select(func.count()).select_from(having.subquery())


@dataclass(frozen=True, slots=True)
class _ValueRange:
    index: str
    test: ColumnElement[bool]


def _value_ranges(test: Test) -> list[_ValueRange]:
    """Where the values under a key lie for which a test holds."""
    match test:
        case OneOf(values=values):
            numbers = [value for value in values if _is_number(value)]
            texts = [as_text(value) for value in values if not _is_number(value)]
            return [*_of_numbers(OneOf(tuple(numbers)) if numbers else None), *_of_texts(texts)]
        case Unlike(value=value) if _is_number(value):
            return _of_numbers(test)
        case Unlike(value=value):
            return [_ValueRange(_BY_TEXT, one) for one in _ranges(_TEXT, Unlike(as_text(value) or ""))]
        case Between():
            return _of_numbers(test)
        case TextPart():
            return [_ValueRange(_BY_TEXT, one) for one in _ranges(_TEXT, test)]
        case Present():
            return [_ValueRange(_BY_TEXT, true())]
        case _:
            assert_never(test)


def _of_numbers(test: Test | None) -> list[_ValueRange]:
    return [_ValueRange(_BY_NUMBER, one) for one in _ranges(_NUMBER, test)] if test else []


def _of_texts(texts: list[str | None]) -> list[_ValueRange]:
    return [_ValueRange(_BY_TEXT, _TEXT.in_(texts))] if texts else []


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- tools ---


def _tool_tests(wanted: ToolUsed) -> dict[str, ColumnElement[bool]]:
    """What must be true of a use of a tool, by column; the first finds the fewest calls."""
    tests: dict[str, ColumnElement[bool]] = {}
    if wanted.name is not None:
        tests["name"] = call_tool.c.name == wanted.name
    if wanted.type is not None:
        tests["type"] = call_tool.c.type == wanted.type
    if wanted.latency_ms is not None:
        tests["latency_ms"] = or_(*_ranges(call_tool.c.latency_ms, wanted.latency_ms))
    if wanted.is_successful is not None:
        tests["is_successful"] = call_tool.c.is_successful == wanted.is_successful
    return tests


def _tool_source(org_id: str, wanted: ToolUsed) -> Source:
    tests = _tool_tests(wanted)
    column = next(iter(tests), "name")
    ranges = [tests.get(column, true())]
    if column == "latency_ms" and wanted.latency_ms is not None:
        ranges = _ranges(call_tool.c.latency_ms, wanted.latency_ms)
    return Source(_arms(call_tool, f"call_tool_by_{column}", org_id, ranges))
