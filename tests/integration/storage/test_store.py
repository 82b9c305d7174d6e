import itertools
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from retold.clock import SystemClock
from retold.domain.agent_list import AgentFilter
from retold.domain.api_key import NewKey
from retold.domain.call_filter_v2 import CallFilterV2, ListCallsV2
from retold.domain.call_query import CallQuery
from retold.domain.latency import CallLatency, stats
from retold.domain.page import PageQuery
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.errors import Conflict
from retold.ids import DEFAULT_ORG_ID, CallId, KeyId, OrgId, hash_api_key
from retold.storage.store import Store, with_call
from support.patience import PATIENCE_S
from support.stored import BORN_MS, make_agent, make_record

pytestmark = pytest.mark.anyio

OTHER_ORG = OrgId("org_other")


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path / "data", database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_1", NewKey(api_key_name="one"))
    yield opened
    await opened.close()


async def test_a_call_outlives_the_process(tmp_path: Path, database_url: str | None) -> None:
    record = make_record(metadata={"order": {"id": 7}}, retell_llm_dynamic_variables={"name": "Zoë"})
    store = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    await store.keys.create(DEFAULT_ORG_ID, "key_1", NewKey(api_key_name="one"))
    await store.create_call(record)
    await store.close()
    store = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    assert await store.find_call(DEFAULT_ORG_ID, CallId(record.call.call_id)) == record
    await store.close()


async def test_another_organisation_sees_nothing(store: Store) -> None:
    record = make_record()
    await store.create_call(record)
    await store.agents.save(DEFAULT_ORG_ID, make_agent())
    assert await store.find_call(OTHER_ORG, CallId(record.call.call_id)) is None
    assert await store.find_call(None, CallId(record.call.call_id)) == record
    assert await store.list_calls(OTHER_ORG, CallQuery()) == []
    assert await store.agents.find(OTHER_ORG, "agent_test") is None
    assert await store.agents.all_versions(OTHER_ORG, limit=9, after=None, is_latest=False) == []
    assert await store.keys.list_all(OTHER_ORG) == []


async def test_a_call_goes_from_registered_over_ongoing_to_one_end(store: Store) -> None:
    record = make_record()
    call_id = CallId(record.call.call_id)
    await store.create_call(record)
    assert [one.call.call_id for one in await store.unfinished_calls()] == [call_id]
    assert await store.start_call(call_id, BORN_MS + 5)
    assert not await store.start_call(call_id, BORN_MS + 6)
    started = await store.find_call(None, call_id)
    assert started is not None
    assert (started.call.call_status, started.call.start_timestamp) == (CallStatus.ONGOING, BORN_MS + 5)
    ended = with_call(
        started, call_status=CallStatus.ENDED, disconnection_reason=DisconnectionReason.USER_HANGUP, end_timestamp=9
    )
    assert not await store.finish_call(ended, expected=CallStatus.REGISTERED)
    assert await store.finish_call(ended)
    assert not await store.finish_call(with_call(ended, end_timestamp=10))
    assert await store.find_call(None, call_id) == ended
    assert await store.unfinished_calls() == []
    assert not await store.start_call(CallId("call_unknown"), 1)


async def test_the_journal_keeps_the_order_and_goes_with_the_end(store: Store) -> None:
    record = make_record()
    call_id = CallId(record.call.call_id)
    await store.create_call(record)
    journal = store.journal(call_id)
    for seq in (1, 2, 5, 11):
        journal.append(seq, seq * 1.5, b"event %d" % seq)
    await journal.committed()
    assert await store.read_journal(call_id) == [b"event 1", b"event 2", b"event 5", b"event 11"]
    await store.finish_call(with_call(record, call_status=CallStatus.ENDED))
    assert await store.read_journal(call_id) == []
    journal.append(12, 20, b"late")
    await journal.committed()
    assert await store.forget_stray_journals() == 1
    assert await store.read_journal(call_id) == []


async def test_events_are_on_disk_without_anyone_waiting(store: Store) -> None:
    call_id = CallId("call_x")
    store.journal(call_id).append(1, 1.0, b"one")
    deadline = time.monotonic() + PATIENCE_S
    while not await store.read_journal(call_id):
        assert time.monotonic() < deadline


async def test_keys_are_found_by_hash_until_they_are_revoked(store: Store) -> None:
    made = await store.keys.create(DEFAULT_ORG_ID, "key_2", NewKey(api_key_name="two"))
    assert await store.keys.find(hash_api_key("key_2")) == made
    assert {key.api_key_name for key in await store.keys.list_all(DEFAULT_ORG_ID)} == {"one", "two"}
    with pytest.raises(Conflict):
        await store.keys.create(DEFAULT_ORG_ID, "key_2", NewKey(api_key_name="three"))
    assert not await store.keys.revoke(OTHER_ORG, made.api_key_id)
    assert await store.keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    assert not await store.keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    assert not await store.keys.revoke(DEFAULT_ORG_ID, KeyId("apikey_none"))
    assert await store.keys.find(hash_api_key("key_2")) is None
    revoked = [
        key.api_key_name for key in await store.keys.list_all(DEFAULT_ORG_ID) if key.revoked_timestamp is not None
    ]
    assert revoked == ["two"]


async def test_agents_are_kept_by_version(store: Store) -> None:
    first = make_agent(agent_name="first", pronunciation=[{"word": "x"}])
    await store.agents.save(DEFAULT_ORG_ID, first)
    await store.agents.save(DEFAULT_ORG_ID, first.model_copy(update={"agent_name": "changed"}))
    second = make_agent(version=1, agent_name="second")
    await store.agents.save(DEFAULT_ORG_ID, second)
    await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_id="agent_b", last_modification_timestamp=BORN_MS + 1))
    assert await store.agents.find(DEFAULT_ORG_ID, "agent_test") == second
    kept = await store.agents.find(DEFAULT_ORG_ID, "agent_test", 0)
    assert kept is not None
    assert (kept.agent_name, kept.wire()["pronunciation"]) == ("changed", [{"word": "x"}])
    newest = await store.agents.all_versions(DEFAULT_ORG_ID, limit=9, after=None, is_latest=True)
    assert newest is not None
    assert [(agent.agent_id, agent.version) for agent in newest] == [("agent_b", 0), ("agent_test", 1)]


async def test_the_newest_versions_are_paged_without_a_gap(store: Store) -> None:
    for number in range(3):
        for version, changed_ms in ((0, number), (1, 10 + number)):
            one = make_agent(agent_id=f"agent_{number}", version=version, last_modification_timestamp=changed_ms)
            await store.agents.save(DEFAULT_ORG_ID, one)
    seen: list[str] = []
    while True:
        after = (seen[-1], None) if seen else None
        page = await store.agents.all_versions(DEFAULT_ORG_ID, limit=1, after=after, is_latest=True)
        if not page:
            break
        seen += [one.agent_id for one in page]
    assert seen == ["agent_2", "agent_1", "agent_0"]


@pytest.mark.parametrize("query", ["Ärzte", "Ärzte AM", "AGENT_TEST"])
async def test_agents_are_found_by_name_and_id(store: Store, query: str) -> None:
    await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_name="Ärzte am Park"))
    page = await store.agents.page(DEFAULT_ORG_ID, PageQuery(), AgentFilter(query=query))
    assert [one.agent_name for one, _ in page.items] == ["Ärzte am Park"]


async def fill(store: Store) -> dict[str, Any]:
    """Six calls: two agents, three statuses, starts a second apart."""
    names: dict[str, Any] = {}
    latency = CallLatency(e2e=stats([500.0]))
    for number in range(6):
        record = make_record(
            created_ms=BORN_MS + number * 1000,
            agent_id="agent_a" if number % 2 else "agent_b",
            agent_version=number % 3,
            metadata={"number": number, "tier": "gold" if number > 3 else "tin", "is_vip": number == 5},
            retell_llm_dynamic_variables={"name": f"n{number}"},
        )
        if number:
            record = with_call(
                record,
                call_status=CallStatus.ENDED if number % 2 else CallStatus.ERROR,
                disconnection_reason=DisconnectionReason.USER_HANGUP if number % 2 else DisconnectionReason.ERROR_ASR,
                start_timestamp=BORN_MS + number * 1000,
                end_timestamp=BORN_MS + number * 2000,
                duration_ms=number * 1000,
                latency=latency if number == 3 else None,
            )
        await store.create_call(record)
        names[record.call.call_id] = number
    return names


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"agent_id": ["agent_a"]}, [5, 3, 1]),
        ({"agent_id": ["agent_a"], "version": [0]}, [3]),
        ({"version": [2**40]}, []),
        ({"call_status": ["error", "registered"]}, [4, 2, 0]),
        ({"disconnection_reason": ["error_asr"]}, [4, 2]),
        ({"call_type": ["phone_call"]}, []),
        ({"direction": ["inbound"]}, []),
        ({"from_number": ["+1"], "to_number": ["+2"]}, []),
        ({"duration_ms": {"lower_threshold": 2000, "upper_threshold": 3000}}, [3, 2]),
        ({"e2e_latency_p50": {"upper_threshold": 600}}, [3]),
        ({"start_timestamp": {"lower_threshold": BORN_MS + 4000}}, [5, 4]),
        ({"end_timestamp": {"upper_threshold": BORN_MS + 2000}}, [1]),
        ({"after_start_timestamp": BORN_MS + 4000}, [5, 4]),
        ({"before_start_timestamp": BORN_MS + 2000}, [1]),
        ({"after_end_timestamp": BORN_MS + 8000, "before_end_timestamp": BORN_MS + 10_000}, [4]),
        ({"metadata": {"number": [2, 3]}}, [3, 2]),
        ({"metadata": {"tier": ["gold"], "is_vip": [True]}}, [5]),
        ({"metadata": {'it\'s "odd"': ["x"]}}, []),
        ({"dynamic_variables": {"name": ["n1"]}}, [1]),
        ({"call_id": []}, []),
    ],
    ids=str,
)
async def test_lists_filter_as_asked(store: Store, wanted: dict[str, Any], expected: list[int]) -> None:
    names = await fill(store)
    query = CallQuery(tuple(CallFilterV2.model_validate(wanted).conditions()))
    assert [names[record.call.call_id] for record in await store.list_calls(DEFAULT_ORG_ID, query)] == expected


@pytest.mark.parametrize("order", ["ascending", "descending"])
async def test_pages_follow_each_other_without_gap_or_repetition(store: Store, order: str) -> None:
    names = await fill(store)
    for _ in range(3):  # three more with one and the same moment
        await store.create_call(make_record(created_ms=BORN_MS + 500))
    seen: list[str] = []
    key: str | None = None
    for _ in itertools.repeat(None, 10):
        query = ListCallsV2.model_validate({"limit": 2, "sort_order": order, "pagination_key": key}).query()
        page = await store.list_calls(DEFAULT_ORG_ID, query)
        seen += [record.call.call_id for record in page]
        key = seen[-1]
        if len(page) < 2:
            break
    assert len(seen) == len(set(seen)) == 9
    known = [names[call_id] for call_id in seen if call_id in names]
    assert known == sorted(names.values(), reverse=order == "descending")


async def test_unfinished_calls_are_found_without_reading_the_ended_ones(
    store: Store, tmp_path: Path, database_url: str | None
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    await store.owners.hold()
    event.listen(Engine, "before_cursor_execute", note)
    try:
        await store.forget_stray_journals()
        await store.unfinished_calls()
        await store.owners.take_over()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    plans = [
        plan_of(statement, parameters, tmp_path / "data", database_url)
        for statement, parameters in asked
        if "call_status" in statement
    ]
    # An SQLite database has no other servers to ask for.
    assert len(plans) == (2 if database_url is None else 3)
    assert [plan for plan in plans if "call_unfinished" not in plan] == []


def plan_of(statement: str, parameters: Any, data_dir: Path, database_url: str | None) -> str:
    if database_url is None:
        with closing(sqlite3.connect(data_dir / "retold.db")) as connection:
            return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))
    with psycopg.connect(database_url) as connection:
        # So few calls are best read whole: what counts is that there is another way.
        connection.execute("SET enable_seqscan = off")
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}".encode(), parameters))


async def test_a_folder_that_is_up_to_date_opens_fast(tmp_path: Path, database_url: str | None) -> None:
    took_ms: list[float] = []
    for _ in range(6):
        # What this process computes, not what else the machine does meanwhile.
        began = time.process_time()
        store = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
        took_ms.append((time.process_time() - began) * 1000)
        await store.close()
    assert min(took_ms[1:]) < 200
