"""What an agent's mind told of itself is in the call object: after its end, after a crash, and while it goes on."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from retold.calls.recover import recover
from retold.calls.watch import frames
from retold.domain.call import CallRecord
from retold.domain.transcript import Word
from retold.engine.timeline import (
    AgentChanged,
    AnyEvent,
    CallConnected,
    ModelUsed,
    NodeEntered,
    StateEntered,
    ToolCallStarted,
    VariablesCollected,
    WordsPlayed,
    encode,
)
from retold.engine.unanswered import CALL_ENDED
from retold.ids import CallId
from support.call_house import CANARY, RATE, House, ScriptedSession, open_house
from support.invariants import check_call, contains
from support.stored import BORN_MS, make_agent

pytestmark = pytest.mark.anyio

TOLD: list[AnyEvent] = [
    ModelUsed(at_ms=50.0, input_tokens=100, output_tokens=20),
    WordsPlayed(at_ms=600.0, response_id=0, words=(Word("Hello.", 100.0, 500.0),)),
    ToolCallStarted(at_ms=700.0, tool_call_id="t1", name="look", arguments="{}", tool_type="custom"),
    VariablesCollected(at_ms=800.0, values={"name": "Ada", "word": CANARY}),
    NodeEntered(
        at_ms=900.0,
        former_node_id="a",
        former_node_name="A",
        new_node_id="b",
        new_node_name="B",
        transition_type="global",
    ),
    StateEntered(at_ms=950.0, former_state_name="greet", new_state_name=CANARY),
    AgentChanged(at_ms=960.0, agent_id="agent_2", agent_version=1),
    ModelUsed(at_ms=1000.0, input_tokens=200, output_tokens=1),
]


async def tell(session: ScriptedSession) -> None:
    for event in TOLD:
        session.timeline.append(event)
    await session.timeline.committed()
    session.end()


def check(call: dict[str, Any]) -> None:
    check_call(call)
    assert call["llm_token_usage"] == {"values": [120, 201], "average": 160.5, "num_requests": 2}
    assert call["collected_dynamic_variables"] == {"name": "Ada", "word": CANARY}
    roles = [item["role"] for item in call["transcript_with_tool_calls"]]
    assert roles == ["agent", "tool_call_invocation", "node_transition", "tool_call_result"]
    assert call["transcript_with_tool_calls"][1]["type"] == "custom"
    assert call["transcript_with_tool_calls"][2] == {
        "role": "node_transition",
        "former_node_id": "a",
        "former_node_name": "A",
        "new_node_id": "b",
        "new_node_name": "B",
        "transition_type": "global",
    }
    result = call["transcript_with_tool_calls"][3]
    assert (result["content"], result["successful"]) == (CALL_ENDED, False), "the call ended before it came"


async def stored(house: House, record: CallRecord) -> dict[str, Any]:
    found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    return found.call.wire()


async def test_the_call_object_has_tokens_variables_and_transitions(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.script = tell
        record = await house.hold(await house.create())
        check(record.call.wire())
        check(await stored(house, record))


async def test_a_call_without_any_of_it_has_no_such_fields(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:

        async def script(session: ScriptedSession) -> None:
            session.end()

        house.script = script
        call = (await house.hold(await house.create())).call.wire()
    assert not {"llm_token_usage", "collected_dynamic_variables"} & call.keys()


async def test_a_crash_loses_none_of_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        record = await house.create()
        call_id = CallId(record.call.call_id)
        await house.store.start_call(call_id, BORN_MS)
        journal = house.store.journal(call_id)
        for number, event in enumerate([CallConnected(at_ms=0.0, wall_ms=BORN_MS, sample_rate=RATE), *TOLD]):
            journal.append(number, event.at_ms, encode(event))
        await journal.committed()
    async with open_house(tmp_path) as house:
        await recover(house.deps.archive, house.live)
        check(await stored(house, record))


async def test_where_nothing_said_may_be_stored_only_the_tokens_are(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=make_agent(data_storage_setting="basic_attributes_only")) as house:
        house.script = tell
        call = (await house.hold(await house.create())).call.wire()
    assert call["llm_token_usage"]["num_requests"] == 2
    assert "collected_dynamic_variables" not in call
    assert contains(tmp_path, CANARY) == []


async def test_a_watcher_is_shown_transitions_at_their_time(tmp_path: Path) -> None:
    shown: list[dict[str, Any]] = []
    async with open_house(tmp_path) as house:

        async def script(session: ScriptedSession) -> None:
            for event in TOLD:
                session.timeline.append(event)
            live = house.live.find(record.call.call_id)
            assert live is not None
            async with aclosing(frames(live)) as watched:
                shown.extend((await anext(watched))["transcripts"])
            session.end()

        house.script = script
        record = await house.create()
        await house.hold(record)
    assert [(item["role"], item["time_sec"]) for item in shown] == [
        ("agent", 0.1),
        ("tool_call_invocation", 0.7),
        ("node_transition", 0.9),
    ]
