"""Conditions as SQL: what must be true of a row of `call`, and where the rows for which it is true can be looked up.

```
condition --> predicate   decides, on a row at hand
         |--> source      the row_ids of all calls that may fulfil it, read from an index; None where no index has them
```
A source may give too many rows, never too few; unless it is exact, the predicate is applied to what it gives.
"""

from collections.abc import Iterator
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
    false,
    func,
    literal,
    literal_column,
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
from retold.storage.call_pieces import TEXTS
from retold.storage.call_rows import as_text
from retold.storage.tables import call, call_attribute, call_tool

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_MIN_CHARS = 3
_TEXT, _BY_TEXT = call_attribute.c.text_value, "call_attribute_by_text"
_NUMBER, _BY_NUMBER = call_attribute.c.number_value, "call_attribute_by_number"


@dataclass(frozen=True, slots=True)
class Range:
    """A range of an index of `call`, which holds the place in lists too: the calls of it for which these are true."""

    index: str
    tests: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where the calls are that may fulfil a condition."""

    arms: tuple[Select[int], ...]
    """Queries for `row_id`, each a range of an index; a call may come twice."""
    ranges: tuple[Range, ...] = ()
    """The same calls, each once and no others, where indexes of `call` have them."""
    is_sorted: bool = False
    """Whether each of the ranges is in the order of lists."""
    is_exact: bool = False
    """Whether the arms, too, find only calls that fulfil the condition."""
    is_long: bool = False
    """Whether all of an index's range is read to find even one: it has no order for what is looked for."""


BY_START = Range("call_by_start")
MAX_SORTED = 20
"""So many ranges are read side by side: each costs a page's length."""


def predicate(condition: Condition) -> ColumnElement[bool]:
    """Whether the condition is true of a row of `call`."""
    match condition:
        case FieldIs(field=field, test=test):
            return or_(false(), *_ranges(call.c[field.value], test))
        case AgentIs(choices=choices):
            return or_(false(), *(_is_agent(one) for one in choices))
        case KeyIs(keys=keys, key=key, test=Present(is_present=False)):
            return _one_of(call_attribute, *_is_key(keys, key)).is_(None)
        case KeyIs(keys=keys, key=key, test=test):
            is_value = or_(false(), *(one.test for one in _value_ranges(test)))
            return _one_of(call_attribute, *_is_key(keys, key), is_value).is_not(None)
        case ToolUsed():
            return _one_of(call_tool, *_tool_tests(condition).values()).is_not(None)
        case _:
            assert_never(condition)


def source(org_id: str, condition: Condition) -> Source | None:
    """Where the calls of an organisation that fulfil the condition are found."""
    match condition:
        case FieldIs(test=TextPart(op=TextOp.ENDS_WITH | TextOp.CONTAINS)):
            return _piece_source(org_id, condition)
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


def is_of_start(condition: Condition) -> bool:
    """Whether it is the start that a condition is on: all the calls that fulfil it stand together in lists."""
    return isinstance(condition, FieldIs) and condition.field is CallField.START_TIMESTAMP


def place_range(condition: Condition) -> ColumnElement[bool] | None:
    """What a condition says of the place in lists; None for nothing."""
    match condition:
        case FieldIs(field=CallField.START_TIMESTAMP, test=test):
            return or_(false(), *_ranges(call.c.sort_ms, test))
        case FieldIs(field=CallField.END_TIMESTAMP, test=Between(upper=float() | int() as last)):
            return _ends_by(last)
        case FieldIs(field=CallField.END_TIMESTAMP, test=OneOf(values=(float() | int() as last,))):
            return _ends_by(last)
        case _:
            return None


def _ends_by(last: float) -> ColumnElement[bool]:
    # No call ends before it starts, or before it is made if it never starts (calls/finish.py): its place is no later.
    return call.c.sort_ms <= _bound(last)


def _field_source(org_id: str, condition: FieldIs) -> Source | None:
    test = condition.test
    match condition.field:
        case CallField.CALL_ID:
            # All calls but one are no help.
            ranges = [] if isinstance(test, Unlike) else _ranges(call.c.call_id, test)
            return Source(_arms(call, "call_by_id", org_id, ranges), is_exact=True) if ranges else None
        case CallField.START_TIMESTAMP:
            # A call that has started is sorted by its start.
            return Source(_arms(call, "call_by_start", org_id, _ranges(call.c.sort_ms, test)))
        case field:
            return _range_source(org_id, f"call_by_{field.value}", call.c[field.value], test)


def _range_source(org_id: str, index: str, column: ColumnElement[Any], test: Test) -> Source:
    tests = _ranges(column, test)
    arms = _arms(call, index, org_id, tests)
    if isinstance(test, OneOf) and 1 <= len(set(test.values)) <= MAX_SORTED:
        values = dict.fromkeys(test.values)
        one_each = (one for value in values for one in _ranges(column, OneOf((value,))))
        return Source(arms, tuple(Range(index, (one,)) for one in one_each), is_sorted=True)
    return Source(arms, tuple(Range(index, (one,)) for one in tests))


def _piece_source(org_id: str, condition: FieldIs) -> Source | None:
    """All values are read; nothing for a short piece, as so many calls have it that the newest are soon found."""
    field, test = condition.field.value, condition.test
    if not isinstance(test, TextPart) or len(test.value) < _MIN_CHARS or field not in TEXTS:
        return None
    column = call.c[field]
    # Twice the same to us; to a database the first says that the index has all that is looked for.
    having = and_(column >= "", _holds_text(column, test))
    if condition.field is not CallField.CALL_ID:
        return Source(_arms(call, f"call_by_{field}", org_id, [having]), is_long=True)
    # This index has the ids of all organisations, and whoever looks these calls up asks whose they are.
    found = select(call.c.row_id).with_hint(call, "INDEXED BY call_by_id", "sqlite").where(having)
    return Source((found,), is_long=True)


def _arms(table: Table, index: str, org_id: str, ranges: list[ColumnElement[bool]]) -> tuple[Select[int], ...]:
    found = select(table.c.row_id).with_hint(table, f"INDEXED BY {index}", "sqlite").where(table.c.org_id == org_id)
    return tuple(found.where(one) for one in ranges)


def _ranges(column: ColumnElement[Any], test: Test) -> list[ColumnElement[bool]]:
    """The ranges of a column in which a test holds; for a text in the middle of values it is all of them."""
    match test:
        case OneOf(values=(bool(),) as values):
            return [_is_flag(column, values[0])]
        case OneOf(values=values):
            several = [_bound(value) for value in values]
            return [column == several[0] if len(several) == 1 else column.in_(several)]
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


def _is_flag(column: ColumnElement[Any], value: Scalar) -> ColumnElement[bool]:
    # PostgreSQL does not see that what is false is not NULL, and the index has only what is not NULL.
    return and_(column == value, column.is_not(None))


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
    arms = _arms(call, "call_by_agent_id", org_id, [call.c.agent_id.in_([one.agent_id for one in choices])])
    ranges = tuple(_agent_ranges(choices))
    return Source(arms, ranges, is_sorted=True) if 1 <= len(ranges) <= MAX_SORTED else Source(arms)


def _agent_ranges(choices: tuple[AgentVersions, ...]) -> Iterator[Range]:
    """Ranges of which none has a call of another."""
    whole = dict.fromkeys(one.agent_id for one in choices if not one.versions)
    for agent_id in whole:
        yield Range("call_by_agent_id", (call.c.agent_id == agent_id,))
    versions = ((one.agent_id, version) for one in choices if one.agent_id not in whole for version in one.versions)
    for agent_id, version in dict.fromkeys(versions):
        yield Range("call_by_version", (call.c.agent_id == agent_id, call.c.agent_version == version))


# --- keyed values ---


def _is_key(keys: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return call_attribute.c.kind == keys, call_attribute.c.key == key


def _one_of(table: Table, *tests: ColumnElement[bool]) -> ColumnElement[Any]:
    """The row_id of a call that has such a row in another table; NULL of one that has none.

    A value and no EXISTS: PostgreSQL would turn that round, and read all such rows there are before the first call.
    """
    having = select(table.c.row_id).where(table.c.row_id == call.c.row_id, *tests)
    return having.limit(literal_column("1")).correlate(call).scalar_subquery()


def _key_source(org_id: str, condition: KeyIs) -> Source:
    is_key = and_(*_is_key(condition.keys, condition.key))
    arms: list[Select[int]] = []
    for one in _value_ranges(condition.test):
        arms += _arms(call_attribute, one.index, org_id, [and_(is_key, one.test)])
    is_long = isinstance(condition.test, TextPart) and condition.test.op is not TextOp.STARTS_WITH
    none = select(call_attribute.c.row_id).where(false())
    return Source(tuple(arms) or (none,), is_exact=True, is_long=is_long)


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
    return Source(_arms(call_tool, f"call_tool_by_{column}", org_id, ranges), is_exact=len(tests) <= 1)
