"""update-live-call: what changes in mid-call is in the record, in the journal, and survives a crash."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from retold.calls.change import CallChanges
from retold.calls.control import LiveChanges, redacted, update_live
from retold.calls.recover import recover
from retold.calls.watch import frames
from retold.domain.call import CallRecord
from retold.engine.timeline import CallOverridden, ContextInjected, EndIntended, Heartbeat, Noted, encode
from retold.errors import InvalidRequest
from retold.ids import DEFAULT_ORG_ID, CallId, OrgId
from support.call_house import CANARY, RATE, House, ScriptedSession, open_house, said
from support.database import sqlite_only
from support.invariants import check_nothing_left, contains

pytestmark = pytest.mark.anyio

TIGHT = CallChanges(data_storage_setting="basic_attributes_only")


@asynccontextmanager
async def talking(house: House, **details: Any) -> AsyncGenerator[tuple[ScriptedSession, CallId]]:
    """A call on which the canary was said, until the block is left."""
    sessions: list[ScriptedSession] = []
    is_talking = anyio.Event()

    async def script(session: ScriptedSession) -> None:
        session.tape.write_caller(0, bytes([7]) * RATE)
        for event in said(0, 0.0):
            session.timeline.append(event)
        await session.timeline.committed()
        sessions.append(session)
        is_talking.set()
        await session.stopped.wait()

    house.script = script
    record = await house.create(**details)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.hold, record)
        await is_talking.wait()
        yield sessions[0], CallId(record.call.call_id)
        sessions[0].end()
        sessions[0].stopped.set()


async def stored(house: House, call_id: CallId) -> CallRecord:
    found = await house.store.find_call(None, call_id)
    assert found is not None
    return found


async def update(house: House, call_id: CallId, **wanted: Any) -> bool:
    return await update_live(house.deps, DEFAULT_ORG_ID, call_id, LiveChanges(**wanted))


async def test_fields_change_at_once_and_stay_changed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with talking(house, metadata={"old": 1}) as (_, call_id):
            assert await update(house, call_id, changes=CallChanges(metadata={"new": 2}))
            assert await update(house, call_id, variable_overrides={"a": "1", "b": "2"})
            assert await update(house, call_id, variable_overrides={"b": "3"})
            now = await stored(house, call_id)
            assert (now.call.metadata, now.call.call_status) == ({"new": 2}, "ongoing")
            assert now.variable_overrides_json == '{"a":"1","b":"3"}'
        ended = await stored(house, call_id)
        assert (ended.call.metadata, ended.call.call_status) == ({"new": 2}, "ended")
        assert ended.variable_overrides_json == '{"a":"1","b":"3"}'


async def test_null_drops_all_overrides(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, talking(house) as (_, call_id):
        await update(house, call_id, variable_overrides={"a": "1"})
        await update(house, call_id, drops_variable_overrides=True)
        assert (await stored(house, call_id)).variable_overrides_json is None


async def test_context_is_journaled_before_it_is_acknowledged_and_stands_in_the_record(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with talking(house) as (session, call_id):
            assert await update(house, call_id, additional_context="A member.", triggers_reply=True)
            assert (session.looks, session.triggers) == (1, 1)
            assert any(b"A member." in event for event in await house.store.read_journal(call_id))
        items = (await stored(house, call_id)).call.transcript_with_tool_calls or []
        assert [item["content"] for item in items if item["role"] == "injected"] == ["A member."]


@sqlite_only
async def test_tightening_in_mid_call_erases_what_was_said_and_stores_nothing_after(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with talking(house) as (session, call_id):
            assert contains(tmp_path, CANARY) != []
            assert await update(house, call_id, changes=TIGHT)
            assert contains(tmp_path, CANARY) == []
            check_nothing_left(tmp_path)
            session.tape.write_agent(0, bytes([7]) * RATE)
            for event in said(1, 1000.0):
                session.timeline.append(event)
            await session.timeline.committed()
            assert contains(tmp_path, CANARY) == []
        ended = (await stored(house, call_id)).call
        assert not {"transcript", "recording_url", "public_log_url"} & ended.wire().keys()
        assert (ended.data_storage_setting, ended.call_status) == ("basic_attributes_only", "ended")
        assert contains(tmp_path, CANARY) == []
        check_nothing_left(tmp_path)


async def test_a_crash_after_tightening_brings_nothing_back(tmp_path: Path) -> None:
    async with open_house(tmp_path / "alive") as house, talking(house) as (_, call_id):
        await update(house, call_id, changes=TIGHT)
        await update(house, call_id, changes=CallChanges(metadata={"new": 2}))
        journal = await house.store.read_journal(call_id)
        record = await stored(house, call_id)
    async with open_house(tmp_path / "dead") as house:
        await house.store.create_call(record)
        for number, event in enumerate(journal, start=1):
            house.store.journal(call_id).append(number, 0.0, event)
        assert await recover(house.deps.archive, house.live) == 1
        recovered = (await stored(house, call_id)).call
    assert (recovered.metadata, recovered.disconnection_reason) == ({"new": 2}, "error_retell")
    assert recovered.transcript is None
    assert contains(tmp_path / "dead", CANARY) == []


@pytest.mark.parametrize("joined", [True, False])
async def test_only_a_call_that_is_going_on_is_changed(tmp_path: Path, joined: bool) -> None:
    async with open_house(tmp_path) as house:
        if joined:
            async with talking(house) as (_, call_id):
                pass
        else:
            call_id = CallId((await house.create()).call.call_id)
        before = await stored(house, call_id)
        with pytest.raises(InvalidRequest, match="ended" if joined else "registered"):
            await update(house, call_id, changes=CallChanges(metadata={"new": 2}))
        assert await stored(house, call_id) == before
        assert not await update(house, CallId("call_none"), additional_context="x")


async def test_another_organisation_sees_no_call(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, talking(house) as (session, call_id):
        wanted = LiveChanges(additional_context="x", triggers_reply=True)
        assert not await update_live(house.deps, OrgId("org_other"), call_id, wanted)
        assert (session.looks, session.triggers) == (0, 0)


async def test_a_looser_setting_is_refused_and_nothing_else_is_done(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, talking(house) as (session, call_id):
        await update(house, call_id, changes=TIGHT)
        with pytest.raises(InvalidRequest, match="only be tightened"):
            await update(house, call_id, changes=CallChanges(data_storage_setting="everything"), additional_context="x")
        assert not any(isinstance(event, ContextInjected) for event in session.timeline)


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (encode(Noted(at_ms=1.0, text=CANARY)), None),
        (encode(EndIntended(at_ms=1.0, reason="user_hangup", detail=CANARY)), b"user_hangup"),  # pyright: ignore[reportArgumentType] - its value
        (encode(Heartbeat(at_ms=1.0)), b"heartbeat"),
        (encode(CallOverridden(at_ms=1.0, fields=("metadata",))), b"metadata"),
        (b"\xff torn", None),
    ],
    ids=["sensitive", "end", "heartbeat", "names", "damaged"],
)
def test_what_stays_of_a_journaled_event(event: bytes, left: bytes | None) -> None:
    kept = redacted(event)
    assert (kept is None) == (left is None)
    assert kept is None or (left is not None and left in kept and CANARY.encode() not in kept)


async def test_a_watcher_sees_a_snapshot_every_change_and_the_end(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    show = seen.append
    async with open_house(tmp_path) as house, anyio.create_task_group() as tasks, talking(house) as (session, call_id):
        live = house.live.find(call_id)
        assert live is not None

        async def watch() -> None:
            async for frame in frames(live):
                show(frame)

        tasks.start_soon(watch)
        while not seen:
            await anyio.lowlevel.checkpoint()
        for event in said(1, 1000.0):
            session.timeline.append(event)
        await session.timeline.committed()
    assert seen[0]["type"] == "transcript_snapshot"
    roles = ["user", "tool_call_invocation", "node_transition", "agent"]
    assert [item["role"] for item in seen[0]["transcripts"]] == roles
    assert [item["time_sec"] for item in seen[0]["transcripts"]] == [0.0, 0.23, 0.26, 0.3]
    items = {item["id"]: item for frame in seen[:-1] for item in frame["transcripts"]}
    assert [items[key]["role"] for key in sorted(items, key=int)][4:] == roles
    assert seen[-1]["type"] == "call_ended"
    assert seen[-1]["disconnection_reason"] == "user_hangup"
    assert {frame["type"] for frame in seen[1:-1]} == {"transcript_updated"}


async def test_a_slow_watcher_is_shown_the_last_words_before_the_end(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, talking(house) as (session, call_id):
        live = house.live.find(call_id)
        assert live is not None
        async with aclosing(frames(live)) as shown:
            await anext(shown)
            session.timeline.append(ContextInjected(at_ms=1000.0, text="in time"))
            first = await anext(shown)
            # The watcher still takes that frame.
            session.timeline.append(ContextInjected(at_ms=2000.0, text="last"))
            session.end()
            await live.hang_up()
            rest = [frame async for frame in shown]
    assert [frame["type"] for frame in (first, *rest)] == ["transcript_updated", "transcript_updated", "call_ended"]
    assert rest[0]["transcripts"][-1]["content"] == "last"


async def test_who_comes_when_the_conversation_is_over_is_shown_the_end_only(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, talking(house) as (session, call_id):
        live = house.live.find(call_id)
        assert live is not None
        session.end()
        await live.hang_up()
        assert [frame["type"] async for frame in frames(live)] == ["call_ended"]
