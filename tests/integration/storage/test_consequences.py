"""What follows from a moment of a call is written with it, or not at all."""

import secrets
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, create_engine, select

from retold.clock import SystemClock
from retold.domain.call import CallRecord
from retold.domain.consequences import Consequences, NewEvent
from retold.domain.reasons import CallStatus
from retold.errors import InvalidRequest
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.store import Store, with_call
from retold.storage.webhook_tables import webhook_event
from support.stored import BORN_MS, delete_call, make_record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_1")
    yield opened
    await opened.close()


@pytest.fixture
def url(tmp_path: Path, database_url: str | None) -> str:
    if database_url is None:
        return f"sqlite:///{tmp_path / 'retold.db'}"
    return database_url.replace("postgresql:", "postgresql+psycopg:")


async def test_events_are_written_with_the_moment_they_tell_of(store: Store, url: str) -> None:
    record = make_record()
    call_id = CallId(record.call.call_id)
    await store.create_call(record)
    assert await store.start_call(call_id, BORN_MS + 5, following("call_started"))
    assert await store.finish_call(ended(record), consequences=following("transcript_updated", "call_ended"))
    rows = events(url)
    assert [row["event"] for row in rows] == ["call_started", "transcript_updated", "call_ended"]
    assert {row["call_id"] for row in rows} == {call_id}
    assert {(row["state"], row["attempts"], row["org_id"]) for row in rows} == {("pending", 0, DEFAULT_ORG_ID)}
    assert [zlib.decompress(row["call"]) for row in rows] == [b'{"call_id":"one"}'] * 3
    assert all(row["due_ms"] == row["queued_ms"] for row in rows)


async def test_nothing_follows_from_what_did_not_happen(store: Store, url: str) -> None:
    record = make_record()
    call_id = CallId(record.call.call_id)
    await store.create_call(record)
    over = ended(record)
    assert not await store.finish_call(over, expected=CallStatus.ONGOING, consequences=following("call_ended"))
    assert await store.finish_call(over)
    assert not await store.finish_call(over, consequences=following("call_ended"))
    assert not await store.start_call(call_id, BORN_MS, following("call_started"))
    assert await store.change_call(DEFAULT_ORG_ID, CallId("call_unknown"), same, follows=analyzed) is None
    with pytest.raises(InvalidRequest):
        await store.change_call(DEFAULT_ORG_ID, call_id, refused, follows=analyzed)
    assert events(url) == []


async def test_what_follows_from_a_change_is_made_of_the_changed_call(store: Store, url: str) -> None:
    record = make_record()
    await store.create_call(record)
    await store.change_call(DEFAULT_ORG_ID, CallId(record.call.call_id), same, follows=analyzed)
    [row] = events(url)
    assert row["event"] == "call_analyzed"
    assert zlib.decompress(row["call"]) == record.call.model_dump_json(exclude_none=True).encode()


async def test_tightening_a_call_takes_what_it_forbids_out_of_its_events(store: Store, url: str) -> None:
    record = make_record(start_timestamp=BORN_MS, transcript="User: quetzal")
    call_id = CallId(record.call.call_id)
    await store.create_call(record)
    whole = record.call.model_dump_json(exclude_none=True).encode()
    events_made = (new_event("call_started"), new_event("call_ended", whole))
    await store.finish_call(ended(record), consequences=Consequences(events=events_made))
    await store.change_call(DEFAULT_ORG_ID, call_id, same)
    assert [row["is_whole"] for row in events(url)] == [True, True]
    await store.change_call(DEFAULT_ORG_ID, call_id, tightened, is_erasing=True)
    rows = events(url)
    assert [row["is_whole"] for row in rows] == [True, False]
    assert zlib.decompress(rows[0]["call"]) == b'{"call_id":"one"}'
    left = orjson.loads(zlib.decompress(rows[1]["call"]))
    assert left == {name: value for name, value in orjson.loads(whole).items() if name != "transcript"}


async def test_deleting_a_call_takes_its_events_along(store: Store, url: str) -> None:
    record, other = make_record(), make_record()
    for one in (record, other):
        await store.create_call(one)
        await store.finish_call(ended(one), consequences=following("call_ended"))
    await delete_call(store, record.call.call_id)
    assert [row["call_id"] for row in events(url)] == [other.call.call_id]


def following(*events: str) -> Consequences:
    return Consequences(events=tuple(new_event(event) for event in events))


def new_event(event: str, call: bytes = b'{"call_id":"one"}') -> NewEvent:
    return NewEvent(
        event_id=f"evt_{secrets.token_hex(4)}",
        event=event,
        endpoint="endpoint",
        url="https://hooks.example/retold",
        timeout_ms=10_000,
        at_ms=BORN_MS,
        call=call,
        files_token="token",
    )


def analyzed(record: CallRecord) -> Consequences:
    return Consequences(events=(new_event("call_analyzed", record.call.model_dump_json(exclude_none=True).encode()),))


def ended(record: CallRecord) -> CallRecord:
    return with_call(record, call_status=CallStatus.ENDED)


def same(record: CallRecord) -> CallRecord:
    return record


def tightened(record: CallRecord) -> CallRecord:
    return record.model_copy(update={"call": record.call.tightened("basic_attributes_only")})


def refused(_record: CallRecord) -> CallRecord:
    raise InvalidRequest("no", field="call_id", fix="none")


def events(url: str) -> list[dict[str, Any]]:
    """All rows in order, read past the store."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = _all(connection)
    engine.dispose()
    return found


def _all(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(select(webhook_event).order_by(webhook_event.c.row_id)).mappings()
    return [dict(row) for row in rows]
