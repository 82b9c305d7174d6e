"""list-calls against the plainest reading of every filter, and the queries' plans: none reads the table."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, event, insert

from retold.domain.call_filter import ListCallsV3
from retold.domain.call_query import CallQuery
from retold.ids import DEFAULT_ORG_ID
from retold.storage.backend import Backend
from retold.storage.call_block_writes import Due, claim, due_blocks, forget_block_of, last_certain
from retold.storage.call_pages import Effort, find_page
from retold.storage.call_statistics import find_figures
from retold.storage.call_summaries import summarise
from retold.storage.call_tables import call_tombstone
from retold.storage.call_writes import insert_call, remove_call
from retold.storage.migrations import upgrade
from retold.storage.postgres import PostgresBackend
from retold.storage.sqlite import SqliteBackend, writer_engine
from retold.storage.tables import org
from support.database import shared_postgres
from support.stored import BORN_MS
from support.stored_calls import matches, random_call, random_items, rows_for

CALLS = 150
OTHER_ORG = "org_other"
BLOCK_CALLS = 64
"""Five blocks, of which some have a summary: see `sum_up`."""
EFFORTS = {
    "usual": Effort(block_calls=BLOCK_CALLS),
    "walks": Effort(few=0, stretch=20_000, block_calls=BLOCK_CALLS),
    "walks in stretches": Effort(few=0, stretch=7, block_calls=8),
    "gives up walking": Effort(few=0, stretch=2, walk=5, block_calls=8),
    "reads summaries": Effort(few=0, stretch=0, block_calls=BLOCK_CALLS),
}


def text(op: str, value: str) -> dict[str, Any]:
    return {"type": "string", "op": op, "value": value}


def number(op: str, value: float) -> dict[str, Any]:
    return {"type": "number", "op": op, "value": value}


def between(low: float, high: float) -> dict[str, Any]:
    return {"type": "range", "op": "bt", "value": [low, high]}


def yes_or_no(value: bool) -> dict[str, Any]:
    return {"type": "boolean", "op": "eq", "value": value}


def one_of(*values: str) -> dict[str, Any]:
    return {"type": "enum", "op": "in", "value": list(values)}


def keyed(key: str, test: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, **test}]


NUMBERS = ("eq", "ne", "gt", "ge", "lt", "le")
TEXTS = ("eq", "ne", "sw", "ew", "co")
FILTERS: list[dict[str, Any]] = [
    {"agent": [{"agent_id": "agent_a"}]},
    {"agent": [{"agent_id": "agent_a", "version": [1]}]},
    {"agent": [{"agent_id": "agent_a", "version": [0, 2]}]},
    {"agent": [{"agent_id": "agent_a", "version": [0]}, {"agent_id": "agent_b"}]},
    {"agent": [{"agent_id": "agent_none"}]},
    {"agent": [{"agent_id": "agent_a", "version": [1]}, {"agent_id": "agent_a"}, {"agent_id": "agent_b"}]},
    {"agent": [{"agent_id": "agent_a", "version": [1, 1]}, {"agent_id": "agent_a", "version": [2, 1]}]},
    {"agent": [{"agent_id": "agent_b", "version": list(range(25))}]},
    {"agent": []},
    {"agent_tag": one_of("prod")},
    {"agent_tag": one_of("prod", "staging")},
    {"agent_tag": one_of("prod", "prod")},
    {"agent_tag": one_of("prod", *(f"tag {number}" for number in range(25)))},
    *({"call_id": text(op, "call_0")} for op in TEXTS),
    {"call_id": text("co", "ab")},
    {"call_id": text("co", "abc")},
    {"call_id": text("co", "ABC")},
    {"call_id": text("co", 'a" OR b')},
    *({"from_number": text(op, "+14155550042")} for op in TEXTS),
    *({"to_number": text(op, "55")} for op in TEXTS),
    *({"to_number": text(op, "5551")} for op in TEXTS),
    *({"batch_call_id": text(op, "batch_call_1")} for op in TEXTS),
    {"to_number": text("co", "")},
    {"to_number": text("sw", "")},
    {"to_number": text("sw", "\U0010ffff")},
    {"call_status": one_of("ended")},
    {"call_status": one_of("ongoing", "error", "not_connected")},
    {"call_status": one_of()},
    {"call_type": one_of("phone_call")},
    {"direction": one_of("inbound")},
    {"disconnection_reason": one_of("user_hangup", "dial_busy")},
    {"user_sentiment": one_of("Positive")},
    {"data_storage_setting": one_of("everything")},
    {"call_successful": yes_or_no(value=True)},
    {"in_voicemail": yes_or_no(value=False)},
    *({"start_timestamp": number(op, BORN_MS + 20_000)} for op in NUMBERS),
    *({"end_timestamp": number(op, BORN_MS + 21_000)} for op in NUMBERS),
    *({"duration_ms": number(op, 2_000)} for op in NUMBERS),
    *({"combined_cost": number(op, 0.75)} for op in NUMBERS),
    *({"e2e_latency_p50": number(op, 650.5)} for op in NUMBERS),
    {"start_timestamp": between(BORN_MS + 5_000, BORN_MS + 9_000)},
    {"end_timestamp": between(BORN_MS + 5_000, BORN_MS + 9_000)},
    {"duration_ms": between(500, 1_500)},
    *({"metadata": keyed("number", number(op, 75))} for op in NUMBERS),
    *({"metadata": keyed("tier", text(op, "gold"))} for op in TEXTS),
    {"metadata": keyed("tier", one_of("gold", "none"))},
    {"metadata": keyed("number", text("eq", "12"))},
    {"metadata": keyed("is_vip", yes_or_no(value=True))},
    {"metadata": keyed("gone", {"type": "present", "op": "np"})},
    {"metadata": keyed("number", between(10, 12)) + keyed("tier", text("ne", "gold"))},
    *({"dynamic_variables": keyed("name", text(op, "nna"))} for op in TEXTS),
    {"dynamic_variables": keyed("name", text("eq", "x" * 250))},
    {"dynamic_variables": keyed("name", text("co", "%_"))},
    {"dynamic_variables": keyed("name", text("ne", ""))},
    {"dynamic_variables": keyed("name", number("eq", 42))},
    {"dynamic_variables": keyed("age", number("lt", 9))},
    {"dynamic_variables": keyed("name", {"type": "present", "op": "pr"})},
    {"dynamic_variables": keyed("name", {"type": "present", "op": "np"})},
    {"custom_analysis_data": keyed("score", number("ge", 8))},
    {"custom_analysis_data": keyed("topics", {"type": "present", "op": "pr"})},
    {"custom_analysis_data": keyed("topics", text("eq", "a"))},
    {"custom_attributes": keyed("campaign", text("sw", "spr"))},
    {"custom_attributes": keyed("size", number("eq", 2.5))},
    {"tool_calls": [{"name": "book"}]},
    {"tool_calls": [{"type": "custom"}]},
    {"tool_calls": [{"name": "book", "type": "custom"}, {"name": "look"}]},
    {"tool_calls": [{"latency_ms": number("ne", 100)}]},
    {"tool_calls": [{"latency_ms": between(150, 250), "success": yes_or_no(value=True)}]},
    {"tool_calls": [{"success": yes_or_no(value=False)}]},
    {"tool_calls": [{"name": "book", "success": yes_or_no(value=True)}]},
    {"tool_calls": [{"name": "x" * 300}]},
    {"from_number": text("ew", "42"), "duration_ms": number("gt", 1_000)},
    {"from_number": text("co", "415555"), "combined_cost": between(0.5, 2)},
    {"to_number": text("eq", "+14155550042"), "e2e_latency_p50": number("eq", 650.5)},
    {"duration_ms": number("lt", -1)},
    {"duration_ms": between(3_000, 1_000)},
    {"tool_calls": [{}]},
    {"tool_calls": []},
]


class Told(NamedTuple):
    """A call of the database, and where it stands in lists."""

    call: dict[str, Any]
    items: list[dict[str, Any]]
    sort_ms: int
    row_id: int


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Connection, list[Told]]]:
    if request.param == "sqlite":
        backend: Backend = SqliteBackend(tmp_path_factory.mktemp("search"))
    else:
        backend = PostgresBackend(shared_postgres().new_database())
    rng = random.Random(7)  # noqa: S311 - no secret
    told: list[Told] = []
    writer, reader = backend.open()
    with writer.begin() as connection:
        for org_id in (DEFAULT_ORG_ID, OTHER_ORG):
            connection.execute(insert(org).values(org_id=org_id, name=org_id, created_ms=0))
        for place in range(CALLS):
            call, items = random_call(rng, place), random_items(rng)
            rows = rows_for(call, items, DEFAULT_ORG_ID)
            told.append(Told(call, items, rows.call["sort_ms"], insert_call(connection, rows)))
            insert_call(connection, rows_for({**call, "call_id": f"other_{place}"}, items, OTHER_ORG))
        sum_up(connection)
        told.sort(key=lambda one: (one.sort_ms, one.row_id), reverse=True)
    with reader.begin() as connection:
        yield connection, told
    backend.close(writer, reader)


def sum_up(connection: Connection) -> None:
    """Two blocks are summarised, one was and has changed, one was begun, and the newest is not over."""
    # Unfinished calls are part of the data, and a block with one is never due: here nobody finishes them.
    due = [Due(block, None) for block in range(4)]
    assert due_blocks(connection, last_certain(connection), BLOCK_CALLS) == []
    assert [summarise(connection, one, BLOCK_CALLS) for one in due[:3]] == [True] * 3
    forget_block_of(connection, BLOCK_CALLS + 1, BLOCK_CALLS)
    assert claim(connection, due[3])


def query(criteria: dict[str, Any], **options: Any) -> CallQuery:
    return ListCallsV3.model_validate({"filter_criteria": criteria, **options}).query()


@pytest.mark.parametrize("effort", EFFORTS.values(), ids=EFFORTS)
@pytest.mark.parametrize("criteria", [{}, *FILTERS], ids=str)
def test_each_filter_finds_what_it_says(
    database: tuple[Connection, list[Told]], criteria: dict[str, Any], effort: Effort
) -> None:
    connection, told = database
    page = find_page(connection, DEFAULT_ORG_ID, query(criteria, limit=1_000, include_total=True), effort)
    expected = [one.row_id for one in told if matches(criteria, one.call, one.items)]
    assert (list(page.row_ids), page.total, page.has_more) == (expected, len(expected), False)


@pytest.mark.parametrize("criteria", [{}, *FILTERS], ids=str)
def test_statistics_are_of_the_calls_that_a_filter_finds(
    database: tuple[Connection, list[Told]], criteria: dict[str, Any]
) -> None:
    connection, told = database
    found = find_figures(connection, DEFAULT_ORG_ID, query(criteria).conditions, BLOCK_CALLS)
    expected = {one.row_id: one for one in told if matches(criteria, one.call, one.items)}
    assert sorted(found.row_ids) == sorted(expected)
    for row_id, sort_ms, duration_ms in zip(
        found.row_ids, found.sort_ms, found.numbers["duration_ms"].tolist(), strict=True
    ):
        assert sort_ms == expected[row_id].sort_ms
        assert expected[row_id].call.get("duration_ms", "nan") == (duration_ms if duration_ms >= 0 else "nan")


def mixed(seed: int) -> dict[str, Any]:
    """Two or three filters of different names."""
    rng = random.Random(seed)  # noqa: S311 - a choice of tests
    return {name: wanted for one in rng.sample(FILTERS, 3) for name, wanted in one.items()}


@pytest.mark.parametrize("effort", EFFORTS.values(), ids=EFFORTS)
@pytest.mark.parametrize("seed", range(20))
def test_filters_together_find_what_fulfils_all(
    database: tuple[Connection, list[Told]], seed: int, effort: Effort
) -> None:
    connection, told = database
    criteria = mixed(seed)
    expected = [one.row_id for one in told if matches(criteria, one.call, one.items)]
    for is_up in (False, True):
        order = "ascending" if is_up else "descending"
        asked = query(criteria, limit=3, skip=1, sort_order=order, include_total=True)
        page = find_page(connection, DEFAULT_ORG_ID, asked, effort)
        wanted = expected[::-1] if is_up else expected
        assert (list(page.row_ids), page.total) == (wanted[1:4], len(expected))
        assert page.has_more == (len(expected) > 4) == (page.cursor is not None)


@pytest.mark.parametrize("effort", EFFORTS.values(), ids=EFFORTS)
@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"call_type": one_of("web_call")},
        {"agent": [{"agent_id": "agent_a", "version": [0, 2]}, {"agent_id": "agent_b"}]},
        {"from_number": text("ne", "+14155550042")},
        {"end_timestamp": number("lt", BORN_MS + 30_000)},
        {"metadata": keyed("is_vip", yes_or_no(value=False))},
        mixed(3),
    ],
    ids=str,
)
def test_pages_follow_each_other_by_cursor(
    database: tuple[Connection, list[Told]], criteria: dict[str, Any], order: str, effort: Effort
) -> None:
    connection, told = database
    seen: list[int] = []
    key: str | None = None
    for _ in range(CALLS):
        page = find_page(
            connection, DEFAULT_ORG_ID, query(criteria, limit=7, sort_order=order, pagination_key=key), effort
        )
        seen += page.row_ids
        key = page.cursor
        if key is None:
            break
    expected = [one.row_id for one in told if matches(criteria, one.call, one.items)]
    assert seen == (expected if order == "descending" else expected[::-1])


@pytest.mark.parametrize("effort", EFFORTS.values(), ids=EFFORTS)
@pytest.mark.parametrize("criteria", [{"agent_tag": one_of("prod", "staging")}, mixed(5)], ids=str)
def test_what_is_skipped_is_counted_over_all_ranges(
    database: tuple[Connection, list[Told]], criteria: dict[str, Any], effort: Effort
) -> None:
    connection, told = database
    expected = [one.row_id for one in told if matches(criteria, one.call, one.items)]
    for skip in (0, 1, 9, len(expected), len(expected) + 1):
        page = find_page(connection, DEFAULT_ORG_ID, query(criteria, skip=skip, limit=5), effort)
        assert list(page.row_ids) == expected[skip : skip + 5]


@pytest.mark.parametrize("seed", range(20))
def test_statistics_are_of_the_calls_that_filters_together_find(
    database: tuple[Connection, list[Told]], seed: int
) -> None:
    connection, told = database
    criteria = mixed(seed)
    found = find_figures(connection, DEFAULT_ORG_ID, query(criteria).conditions, BLOCK_CALLS)
    assert sorted(found.row_ids) == sorted(one.row_id for one in told if matches(criteria, one.call, one.items))


@pytest.mark.parametrize(
    "effort",
    [EFFORTS["usual"], EFFORTS["gives up walking"], EFFORTS["reads summaries"]],
    ids=["looks up", "walks", "reads summaries"],
)
@pytest.mark.parametrize("criteria", [{}, *FILTERS, mixed(1), mixed(2)], ids=str)
def test_no_filter_reads_the_table(
    database: tuple[Connection, list[Told]], criteria: dict[str, Any], effort: Effort
) -> None:
    connection, _ = database
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    find_page(connection, DEFAULT_ORG_ID, query(criteria, include_total=True), effort)
    event.remove(connection, "before_cursor_execute", note)
    for statement, parameters in statements:
        if connection.dialect.name == "sqlite":
            check_plan_of_sqlite(connection, statement, parameters)
        else:
            check_plan_of_postgres(connection, statement, parameters)


def check_plan_of_sqlite(connection: Connection, statement: str, parameters: Any) -> None:
    rows = connection.connection.cursor().execute("EXPLAIN QUERY PLAN " + statement, parameters)
    plan = [row[3] for row in rows]
    scans = [step for step in plan if step.startswith("SCAN call") and "VIRTUAL TABLE INDEX" not in step]
    assert not scans, f"{scans} in {statement}"
    # Sorted is what was looked up, in a query of its own; what is read in order is in order.
    sorts = [place for place, step in enumerate(plan) if "ORDER BY" in step]
    assert all(plan[place - 1].startswith("SCAN anon_") for place in sorts), plan


def check_plan_of_postgres(connection: Connection, statement: str, parameters: Any) -> None:
    # So few calls are best read whole: what counts is that there is another way.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars().all()
    assert not [step for step in plan if "Seq Scan on call" in step], f"{plan} in {statement}"


def test_a_cursor_outlives_the_call_it_stands_at(tmp_path_factory: pytest.TempPathFactory) -> None:
    writer = writer_engine(tmp_path_factory.mktemp("deleted") / "retold.db")
    with writer.begin() as connection:
        upgrade(connection)
        connection.execute(insert(org).values(org_id=DEFAULT_ORG_ID, name="x", created_ms=0))
        rng = random.Random(1)  # noqa: S311 - no secret
        calls = [random_call(rng, place) | {"start_timestamp": BORN_MS + place} for place in range(6)]
        row_ids = [insert_call(connection, rows_for(call, [], DEFAULT_ORG_ID)) for call in calls]
        first = find_page(connection, DEFAULT_ORG_ID, query({}, limit=3))
        last_id = str(calls[row_ids.index(first.row_ids[-1])]["call_id"])
        place = remove_call(connection, last_id)
        grave = {"call_id": last_id, "org_id": DEFAULT_ORG_ID, "deleted_ms": BORN_MS}
        connection.execute(insert(call_tombstone).values(**grave, sort_ms=place.sort_ms, row_id=place.row_id))
        for key in (first.cursor, last_id):
            rest = find_page(connection, DEFAULT_ORG_ID, query({}, pagination_key=key))
            assert first.row_ids + rest.row_ids == tuple(reversed(row_ids))
        assert find_page(connection, "org_none", query({}, pagination_key=last_id)).row_ids == ()
        assert find_page(connection, DEFAULT_ORG_ID, query({}, pagination_key="pagination_key")).row_ids == ()
        pieces = {"call_id": text("co", last_id[5:12])}
        assert find_page(connection, DEFAULT_ORG_ID, query(pieces)).row_ids == ()
    writer.dispose()
    assert row_ids == sorted(set(row_ids))
