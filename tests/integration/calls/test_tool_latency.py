"""How long a tool took is kept with the call, so that lists can be asked for it."""

from pathlib import Path
from typing import Any

import pytest

from retold.calls.change import CallChanges, update_finished
from retold.calls.finish import finish
from retold.calls.recover import recover
from retold.domain.call import CallRecord
from retold.domain.call_filter import ListCallsV3
from retold.domain.reasons import DisconnectionReason
from retold.engine.timeline import AnyEvent, CallConnected, EndIntended, ToolCallEnded, ToolCallStarted, encode
from retold.engine.unanswered import CALL_ENDED
from retold.ids import DEFAULT_ORG_ID, CallId
from support.call_house import RATE, House, ScriptedSession, open_house
from support.stored import BORN_MS

pytestmark = pytest.mark.anyio

NAMED_LIKE_A_FIELD = "org_id"
"""The model names a tool's call as it likes."""
EVENTS: list[AnyEvent] = [
    CallConnected(at_ms=0.0, wall_ms=BORN_MS, sample_rate=RATE),
    ToolCallStarted(at_ms=100.0, tool_call_id="t1", name="look", arguments="{}"),
    ToolCallStarted(at_ms=200.0, tool_call_id=NAMED_LIKE_A_FIELD, name="book", arguments="{}"),
    ToolCallEnded(at_ms=340.0, tool_call_id="t1", content="a table", successful=True),
    ToolCallEnded(at_ms=1_400.0, tool_call_id=NAMED_LIKE_A_FIELD, content="done", successful=True),
]


async def use_tools(session: ScriptedSession) -> None:
    for event in EVENTS[1:]:
        session.timeline.append(event)
    session.end()


async def found(house: House, name: str, lo_ms: float, hi_ms: float) -> list[str]:
    latency: dict[str, Any] = {"type": "range", "op": "bt", "value": [lo_ms, hi_ms]}
    used = {"name": name, "latency_ms": latency}
    asked = ListCallsV3.model_validate({"filter_criteria": {"tool_calls": [used]}})
    return [one.call.call_id for one in await house.store.list_calls(DEFAULT_ORG_ID, asked.query())]


async def check(house: House, record: CallRecord) -> None:
    assert await found(house, "look", 239, 241) == [record.call.call_id]
    assert await found(house, "book", 1_199, 1_201) == [record.call.call_id]
    assert await found(house, "look", 1_199, 1_201) == []


async def test_a_call_is_found_by_how_long_its_tools_took(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = use_tools
        await check(house, await house.hold(await house.create()))


async def test_a_recovered_call_is_found_by_how_long_its_tools_took(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        await house.store.start_call(CallId(record.call.call_id), BORN_MS)
        journal = house.store.journal(CallId(record.call.call_id))
        for number, event in enumerate(EVENTS):
            journal.append(number, event.at_ms, encode(event))
        await journal.committed()
    async with open_house(tmp_path) as house:
        await recover(house.deps.archive, house.live)
        await check(house, record)


async def test_a_tool_that_still_runs_at_the_end_has_a_result_and_the_time_it_had(tmp_path: Path) -> None:
    async def hang_up_meanwhile(session: ScriptedSession) -> None:
        session.timeline.append(
            ToolCallStarted(at_ms=300.0, tool_call_id="t3", name="look", arguments="{}", tool_type="custom")
        )
        session.timeline.append(EndIntended(at_ms=1_500.0, reason=DisconnectionReason.USER_HANGUP))

    async with open_house(tmp_path) as house:
        house.script = hang_up_meanwhile
        record = await house.hold(await house.create())
        *_, result = record.call.transcript_with_tool_calls or []
        assert (result["role"], result["successful"], result["content"]) == ("tool_call_result", False, CALL_ENDED)
        assert record.tool_latencies_ms == {"t3": 1_200.0}
        assert await found(house, "look", 1_199, 1_201) == [record.call.call_id]


async def test_latencies_go_with_the_transcript_that_they_belong_to(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = use_tools
        record = await house.hold(await house.create())
        tighter = CallChanges(data_storage_setting="basic_attributes_only")
        changed = await update_finished(house.deps, DEFAULT_ORG_ID, CallId(record.call.call_id), tighter)
        assert changed is not None
        assert changed.tool_latencies_ms == {}
        assert await found(house, "look", 0, 9_999) == []


async def test_a_call_that_keeps_nothing_keeps_no_latencies(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        strict = record.call.tightened("basic_attributes_only")
        await house.store.start_call(CallId(record.call.call_id), BORN_MS)
        finished = await finish(
            record.model_copy(update={"call": strict}), EVENTS, house.deps.archive, is_recording_complete=True
        )
        assert finished.tool_latencies_ms == {}
