"""Calls as rows: what goes into the typed columns, and list-calls as SQL."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Select, String, and_, cast, func, or_, select, type_coerce

from retold.domain.call import CallRecord
from retold.domain.call_query import CallFilter, CallQuery, Span
from retold.storage.call_json import stored_json
from retold.storage.tables import call


def columns(record: CallRecord) -> dict[str, Any]:
    """The row of a call."""
    one = record.call
    latency = one.latency.e2e if one.latency else None
    return {
        "call_id": one.call_id,
        "org_id": record.org_id,
        "agent_id": one.agent_id,
        "agent_version": one.agent_version,
        "call_type": one.call_type,
        "call_status": one.call_status.value,
        "disconnection_reason": one.disconnection_reason.value if one.disconnection_reason else None,
        "direction": one.direction,
        "from_number": one.from_number,
        "to_number": one.to_number,
        "sort_ms": record.created_wall_ms if one.start_timestamp is None else one.start_timestamp,
        "start_timestamp": one.start_timestamp,
        "end_timestamp": one.end_timestamp,
        "duration_ms": one.duration_ms,
        "e2e_latency_p50": latency.p50 if latency else None,
        "body": stored_json(record),
    }


def page(org_id: str, query: CallQuery) -> Select[str]:
    """The bodies of one page of list-calls."""
    order = call.c.sort_ms, call.c.call_id
    wanted = select(call.c.body).where(call.c.org_id == org_id, *conditions(query.filter_criteria))
    is_up = query.sort_order == "ascending"
    if query.pagination_key is not None:
        last = select(call.c.sort_ms).where(call.c.call_id == query.pagination_key, call.c.org_id == org_id)
        moment, same = last.scalar_subquery(), call.c.call_id
        key = query.pagination_key
        wanted = wanted.where(
            or_(call.c.sort_ms > moment, and_(call.c.sort_ms == moment, same > key))
            if is_up
            else or_(call.c.sort_ms < moment, and_(call.c.sort_ms == moment, same < key))
        )
    return wanted.order_by(*(column.asc() if is_up else column.desc() for column in order)).limit(query.limit)


def conditions(wanted: CallFilter) -> Iterator[ColumnElement[bool]]:
    """Every filter that is present, as SQL."""
    lists: tuple[tuple[Column[Any], Sequence[Any] | None], ...] = (
        (call.c.agent_id, wanted.agent_id),
        (call.c.agent_version, wanted.version),
        (call.c.call_id, wanted.call_id),
        (call.c.call_status, wanted.call_status),
        (call.c.call_type, wanted.call_type),
        (call.c.direction, wanted.direction),
        (call.c.disconnection_reason, wanted.disconnection_reason),
        (call.c.from_number, wanted.from_number),
        (call.c.to_number, wanted.to_number),
    )
    yield from (column.in_(values) for column, values in lists if values is not None)
    spans: tuple[tuple[Column[Any], Span | None], ...] = (
        (call.c.start_timestamp, wanted.start_timestamp),
        (call.c.end_timestamp, wanted.end_timestamp),
        (call.c.duration_ms, wanted.duration_ms),
        (call.c.e2e_latency_p50, wanted.e2e_latency_p50),
    )
    for column, span in spans:
        if span is not None and span.lower_threshold is not None:
            yield column >= span.lower_threshold
        if span is not None and span.upper_threshold is not None:
            yield column <= span.upper_threshold
    yield from _thresholds(wanted)
    yield from _keyed("metadata", wanted.metadata)
    yield from _keyed("retell_llm_dynamic_variables", wanted.dynamic_variables)


def _thresholds(wanted: CallFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.after_start_timestamp is not None:
        yield call.c.start_timestamp >= wanted.after_start_timestamp
    if wanted.before_start_timestamp is not None:
        yield call.c.start_timestamp < wanted.before_start_timestamp
    if wanted.after_end_timestamp is not None:
        yield call.c.end_timestamp >= wanted.after_end_timestamp
    if wanted.before_end_timestamp is not None:
        yield call.c.end_timestamp < wanted.before_end_timestamp


def _keyed(field: str, wanted: dict[str, tuple[Any, ...]] | None) -> Iterator[ColumnElement[bool]]:
    for key, values in (wanted or {}).items():
        # Both databases have json(text); PostgreSQL reads keys out of JSON only.
        stored = cast(type_coerce(func.json(call.c.body), JSON)["call"][field][key].as_string(), String)
        yield stored.in_([text for value in values for text in _as_sql_text(value)])


def _as_sql_text(value: object) -> tuple[str, ...]:
    # SQLite's json_extract gives 1 and 0 for true and false, PostgreSQL the words.
    return (str(int(value)), str(value).lower()) if isinstance(value, bool) else (str(value),)
