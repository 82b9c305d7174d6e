"""The analysis of a call: who makes it, where it is written, and that it is announced with it."""

import json
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from retold.domain.call import CallRecord
from retold.domain.call_filter import ListCallsV3
from retold.domain.consequences import NewJob
from retold.errors import ClaimLost, ModelFailed
from retold.ids import DEFAULT_ORG_ID, CallId, new_job_id
from retold.jobs.analyse import DEFAULT_MODEL, MODEL_ATTEMPTS, Analysis
from retold.providers.scripted_model import ScriptedModel
from retold.storage.jobs import Job
from retold.storage.store import with_call
from retold.storage.webhook_tables import webhook_event
from support.call_house import House, open_house
from support.model_server import does, script
from support.stored import BORN_MS, make_agent, make_record
from support.transcripts import items

pytestmark = pytest.mark.anyio

AGENT = make_agent(
    webhook_url="https://hooks.example/retold",
    post_call_analysis_data=[
        {"type": "number", "name": "guests", "description": "How many guests {{shop}} gets.", "required": True},
        {"type": "enum", "name": "mood", "description": "Mood.", "choices": ["good", "bad"]},
    ],
)
TALK = items("A: Hello?", "U: A table for four guests, please.", 'T: book {"guests": 4} -> true', "U: Great, thanks!")
ANSWER = {
    "call_summary": "A table was booked.",
    "call_successful": True,
    "user_sentiment": "Positive",
    "in_voicemail": False,
    "custom_analysis_data": {"guests": 4, "mood": "good"},
}
SAYS_IT = {"steps": [{"say": json.dumps(ANSWER)}]}
BY_RULE = {
    "call_summary": 'The user said: "A table for four guests, please." The agent used book (succeeded).'
    " The agent ended the call.",
    "call_successful": True,
    "user_sentiment": "Positive",
    "in_voicemail": False,
    "custom_analysis_data": {"guests": 4},
    "analyst": "built_in",
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path, agent=AGENT) as opened:
        yield opened


async def over(house: House, **fields: Any) -> CallRecord:
    """A call that has ended, as it is stored; the whole of one that may not be stored is in memory."""
    shape: dict[str, Any] = {
        "call_status": "ended",
        "disconnection_reason": "agent_hangup",
        "start_timestamp": BORN_MS,
        "end_timestamp": BORN_MS + 60_000,
        "duration_ms": 60_000,
        "transcript_with_tool_calls": TALK,
        "retell_llm_dynamic_variables": {"shop": "Luigi's"},
    }
    whole = make_record(**shape | fields)
    if not whole.call.stores_sensitive_data and whole.call.start_timestamp is not None:
        house.deps.archive.unstored.put(whole)
    await house.store.create_call(whole.permitted())
    return whole


async def taken(house: House, record: CallRecord) -> Job:
    call_id = CallId(record.call.call_id)
    await house.store.jobs.add(DEFAULT_ORG_ID, call_id, NewJob(job_id=new_job_id(), kind="analysis"))
    [job] = await house.store.jobs.claim({"analysis"}, 1)
    return job


def analysis(house: House, model: ScriptedModel | None = None) -> Analysis:
    found = model or ScriptedModel(does({"fail": 500}))
    return Analysis(house.deps.archive, found, house.clock, serves=lambda _: model is not None)


async def analysed(house: House, record: CallRecord, model: ScriptedModel | None = None) -> dict[str, Any] | None:
    """What the stored call says after one attempt; the job is over."""
    await analysis(house, model)(await taken(house, record))
    assert await house.store.jobs.wake_ms({"analysis"}) is None
    return await stored(house, record)


async def stored(house: House, record: CallRecord) -> dict[str, Any] | None:
    found = await house.store.find_call(None, CallId(record.call.call_id))
    assert found is not None
    return found.call.wire().get("call_analysis")


def announced(house: House) -> list[dict[str, Any]]:
    """The calls that events show, and whether that is the whole, read past the store."""
    url = house.deps.settings.database_url
    address = "sqlite:///" + str(house.store.data_dir / "retold.db")
    if url is not None:
        address = url.get_secret_value().replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(address)
    with engine.connect() as connection:
        rows = connection.execute(select(webhook_event).order_by(webhook_event.c.row_id)).mappings().all()
    engine.dispose()
    assert {row["event"] for row in rows} <= {"call_analyzed"}
    return [{**json.loads(zlib.decompress(row["call"])), "is_whole": row["is_whole"]} for row in rows]


async def test_the_agents_model_analyses_the_call_and_it_is_announced(house: House) -> None:
    record, model = await over(house), ScriptedModel(script(SAYS_IT))
    assert await analysed(house, record, model) == ANSWER
    [request] = model.requests
    assert (request.model, request.temperature) == (DEFAULT_MODEL, 0.0)
    assert request.schema is not None
    assert "How many guests Luigi's gets." in json.dumps(request.schema)
    [event] = announced(house)
    assert (event["call_analysis"], event["is_whole"]) == (ANSWER, True)


async def test_the_model_of_the_agent_is_asked(house: House) -> None:
    await house.store.agents.save(DEFAULT_ORG_ID, make_agent(post_call_analysis_model="gpt-4.1-mini"))
    model = ScriptedModel(script(SAYS_IT))
    await analysed(house, await over(house), model)
    assert [request.model for request in model.requests] == ["gpt-4.1-mini"]


async def test_an_answer_that_does_not_fit_is_repaired_once(house: House) -> None:
    model = ScriptedModel(script({"times": 1, "steps": [{"say": "Sure, they booked a table."}]}, SAYS_IT))
    assert await analysed(house, await over(house), model) == ANSWER
    assert "it is not a JSON object" in str(model.requests[1].messages[-1])


async def test_of_an_answer_that_stays_wrong_what_fits_is_taken(house: House) -> None:
    wrong = ANSWER | {"custom_analysis_data": {"guests": "four", "mood": "good"}}
    model = ScriptedModel(does({"say": json.dumps(wrong)}))
    found = await analysed(house, await over(house), model)
    # What is required was not found.
    assert found == ANSWER | {"custom_analysis_data": {"mood": "good"}, "call_successful": False}
    assert len(model.requests) == 2


async def test_a_model_that_writes_no_json_leaves_it_to_the_rules(house: House) -> None:
    model = ScriptedModel(does({"say": "They booked a table."}))
    assert await analysed(house, await over(house), model) == BY_RULE


async def test_without_a_model_the_rules_say_what_is_certain(house: House) -> None:
    assert await analysed(house, await over(house)) == BY_RULE
    assert [event["call_analysis"]["analyst"] for event in announced(house)] == ["built_in"]


async def test_a_model_that_is_busy_is_asked_again_before_the_rules_have_the_word(house: House) -> None:
    record, model = await over(house), ScriptedModel(does({"fail": 503}))
    job = await taken(house, record)
    for attempts in range(1, MODEL_ATTEMPTS):
        assert job.attempts == attempts
        with pytest.raises(ModelFailed):
            await analysis(house, model)(job)
        await house.store.jobs.failed(job.job_id, "busy", 0)
        [job] = await house.store.jobs.claim({"analysis"}, 1)
    assert await stored(house, record) is None
    await analysis(house, model)(job)
    assert await stored(house, record) == BY_RULE


async def test_a_model_that_refuses_for_good_is_not_asked_again(house: House) -> None:
    model = ScriptedModel(does({"fail": 401}))
    assert await analysed(house, await over(house), model) == BY_RULE


async def test_a_call_that_never_connected_needs_no_model(house: House) -> None:
    reached = {"start_timestamp": None, "transcript_with_tool_calls": None, "duration_ms": None}
    record = await over(house, **reached, call_status="not_connected", disconnection_reason="dial_busy")
    model = ScriptedModel(script(SAYS_IT))
    assert await analysed(house, record, model) == {
        "call_summary": "The call did not connect (dial_busy).",
        "call_successful": False,
        "user_sentiment": "Unknown",
        "in_voicemail": False,
        "custom_analysis_data": {},
    }
    assert not model.requests
    assert len(announced(house)) == 1


async def test_what_may_not_be_stored_is_analysed_from_memory_and_told_only(house: House) -> None:
    record = await over(house, data_storage_setting="basic_attributes_only")
    assert await analysed(house, record, ScriptedModel(script(SAYS_IT))) is None
    whole = house.deps.archive.unstored.get(record.call.call_id)
    assert whole is not None
    assert whole.call.wire()["call_analysis"] == ANSWER
    [event] = announced(house)
    assert "call_analysis" not in event
    assert event["is_whole"] is False
    assert "table" not in json.dumps(event)


async def test_what_is_in_no_memory_any_more_is_announced_without_an_analysis(house: House) -> None:
    record = await over(house, data_storage_setting="basic_attributes_only")
    house.deps.archive.unstored.forget(record.call.call_id)
    model = ScriptedModel(script(SAYS_IT))
    assert await analysed(house, record, model) is None
    assert not model.requests
    assert [event["is_whole"] for event in announced(house)] == [False]


async def test_an_analysis_may_be_made_again_and_is_announced_again(house: House) -> None:
    record = await over(house)
    assert await analysed(house, record) == BY_RULE
    assert await analysed(house, record, ScriptedModel(script(SAYS_IT))) == ANSWER
    assert [event["call_analysis"] for event in announced(house)] == [BY_RULE, ANSWER]


async def test_a_call_can_be_found_by_what_was_found_out(house: House) -> None:
    record = await over(house)
    await over(house)
    await analysed(house, record)
    body = {"user_sentiment": {"type": "enum", "op": "in", "value": ["Positive"]}}
    asked = ListCallsV3.model_validate({"filter_criteria": body})
    found = await house.store.list_calls(DEFAULT_ORG_ID, asked.query())
    assert [one.call.call_id for one in found] == [record.call.call_id]


async def test_an_agent_that_is_gone_is_no_obstacle(house: House) -> None:
    record = await over(house, agent_id="agent_gone")
    found = await analysed(house, record)
    assert found is not None
    assert (found["custom_analysis_data"], found["user_sentiment"]) == ({}, "Unknown")


async def test_what_another_process_has_done_meanwhile_is_not_written_twice(house: House) -> None:
    record = await over(house)
    job = await taken(house, record)
    await analysis(house)(job)
    with pytest.raises(ClaimLost):
        await analysis(house)(job)
    assert len(announced(house)) == 1


async def test_a_job_without_a_call_that_is_over_ends(house: House) -> None:
    record = make_record()
    await house.store.create_call(record)
    assert await analysed(house, record) is None
    gone = with_call(record, call_id="call_gone")
    await analysis(house)(await taken(house, gone))
    assert await house.store.jobs.wake_ms({"analysis"}) is None
