"""A Retell LLM holds a conversation: it begins, answers, reminds, and moves through its states."""

from typing import Any

import pytest

from retold.domain.apologies import ENGLISH
from retold.domain.dialogue import AgentText, SystemText, UserText
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.responders.mind.turn import Cause
from retold.responders.retell_llm.brain import NOTICES
from support.minds import RECORD, llm_of, thinking

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HELLO = {"when": {"last": "hello"}, "steps": [{"say": "Hello to you."}]}
GREETS = {"when": {"role": "system"}, "steps": [{"say": "Welcome."}]}


async def test_it_says_its_begin_message_and_answers() -> None:
    one = thinking(llm_of(begin_message="Good day, {{name}}.", general_prompt="You serve {{name}}."), HELLO)
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_hangs_up(at_s=7)
    await one.call.run()
    assert one.call.lines() == ["agent: Good day, Ann.", "user: Hello there.", "agent: Hello to you."]
    (request,) = one.model.requests
    assert request.messages == (SystemText("You serve Ann."), AgentText("Good day, Ann."), UserText("Hello there."))
    assert (request.model, request.temperature) == ("gpt-4.1", 0)


async def test_without_a_begin_message_the_model_makes_one() -> None:
    one = thinking(llm_of(general_prompt="Be kind."), GREETS)
    one.call.user_hangs_up(at_s=3)
    await one.call.run()
    assert one.call.lines() == ["agent: Welcome."]
    assert one.model.requests[0].messages[-1] == SystemText(NOTICES[Cause.OPENING])


@pytest.mark.parametrize("fields", [{"begin_message": ""}, {"start_speaker": "user", "begin_message": "Good day."}])
async def test_the_caller_may_begin(fields: dict[str, Any]) -> None:
    one = thinking(llm_of(**fields), HELLO, turn_rules=Rules(reminder_max_count=0))
    one.call.user_says("Hello there.", at_s=4)
    one.call.user_hangs_up(at_s=8)
    await one.call.run()
    assert one.call.lines() == ["user: Hello there.", "agent: Hello to you."]


async def test_a_caller_who_stays_silent_is_spoken_to() -> None:
    fields = {"start_speaker": "user", "begin_message": "Is anybody there?", "begin_after_user_silence_ms": 2_000}
    one = thinking(llm_of(**fields))
    one.call.user_hangs_up(at_s=5)
    await one.call.run()
    assert one.call.lines() == ["agent: Is anybody there?"]
    started = next(event.at_ms for event in one.call.timeline if isinstance(event, t.ReplyStarted))
    assert 2_000 <= started < 3_000


async def test_a_caller_who_begins_in_time_is_answered_instead() -> None:
    fields = {"start_speaker": "user", "begin_message": "Is anybody there?", "begin_after_user_silence_ms": 2_000}
    one = thinking(llm_of(**fields), HELLO)
    one.call.user_says("Hello there.", at_s=1)
    one.call.user_hangs_up(at_s=7)
    await one.call.run()
    assert one.call.lines() == ["user: Hello there.", "agent: Hello to you."]


async def test_a_reply_that_is_wanted_before_the_opening_takes_its_place() -> None:
    one = thinking(llm_of(begin_message="Good day."), GREETS)
    one.call.session.trigger()
    one.call.user_hangs_up(at_s=3)
    await one.call.run()
    assert one.call.lines() == ["agent: Welcome."]


async def test_a_silent_caller_is_reminded() -> None:
    one = thinking(llm_of(begin_message="Good day."), GREETS, turn_rules=Rules(reminder_trigger_ms=2_000))
    one.call.user_hangs_up(at_s=6)
    await one.call.run()
    assert one.call.lines() == ["agent: Good day.", "agent: Welcome."]
    assert one.model.requests[0].messages == (
        AgentText("Good day."),
        SystemText(NOTICES[Cause.REMINDER]),
    )


BOOKING = {
    "begin_message": "Good day.",
    "general_prompt": "You are Ada.",
    "starting_state": "greeting",
    "states": [
        {
            "name": "greeting",
            "state_prompt": "Ask what they want.",
            "edges": [
                {
                    "destination_state_name": "table booking",
                    "description": "They want a table.",
                    "parameters": {"type": "object", "properties": {"guests": {"type": "integer"}}},
                }
            ],
        },
        {
            "name": "table booking",
            "state_prompt": "Book for {{guests}}, coming from {{previous_agent_state}}.",
            "tools": [{"type": "end_call", "name": "hang_up"}],
        },
    ],
}


async def test_a_state_holds_from_the_next_round_of_the_same_turn() -> None:
    one = thinking(
        llm_of(**BOOKING),
        {"when": {"last": "a table"}, "steps": [{"use": "transition_to_table_booking", "arguments": {"guests": 4}}]},
        {"when": {"after_tool": "transition_to_table_booking"}, "steps": [{"say": "For when?"}]},
    )
    one.call.user_says("A table for four.", at_s=3)
    one.call.user_hangs_up(at_s=7)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: For when?"
    before, after = one.model.requests
    assert before.messages[0] == SystemText("You are Ada.\n\nAsk what they want.")
    assert [tool.name for tool in before.tools] == ["transition_to_table_booking"]
    assert after.messages[0] == SystemText("You are Ada.\n\nBook for 4, coming from greeting.")
    assert [tool.name for tool in after.tools] == ["hang_up"]
    assert one.call.report().variables == {"guests": "4"}
    assert [type(event) for event in one.call.timeline].count(t.StateEntered) == 1


async def test_a_call_may_begin_in_another_state() -> None:
    record = RECORD.model_copy(update={"current_state": "table booking"})
    one = thinking(llm_of(**BOOKING), HELLO, record=lambda: record)
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_hangs_up(at_s=6)
    await one.call.run()
    assert [tool.name for tool in one.model.requests[0].tools] == ["hang_up"]


async def test_variables_that_the_api_sets_in_mid_call_hold_at_once() -> None:
    records = [RECORD]
    one = thinking(llm_of(begin_message="Hi.", general_prompt="For {{name}}."), HELLO, record=lambda: records[-1])
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_hangs_up(at_s=6)
    records.append(RECORD.model_copy(update={"variable_overrides_json": '{"name":"Bob"}'}))
    await one.call.run()
    assert one.model.requests[0].messages[0] == SystemText("For Bob.")


async def test_a_model_that_fails_is_apologised_for_and_asked_again() -> None:
    one = thinking(llm_of(begin_message="Good day."), {"times": 1, "steps": [{"fail": 500}]}, HELLO)
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_says("Well, hello?", at_s=12)
    one.call.user_hangs_up(at_s=17)
    report = await one.call.run()
    assert one.call.lines()[1:] == [
        "user: Hello there.",
        f"agent: {ENGLISH.trouble}",
        "user: Well, hello?",
        "agent: Hello to you.",
    ]
    assert report.reason == "user_hangup"
    assert "the model failed, 1 in a row" in one.call.log()


async def test_a_model_that_keeps_failing_ends_the_call() -> None:
    one = thinking(llm_of(begin_message="Good day."), {"steps": [{"fail": 500}]})
    for number in range(3):
        one.call.user_says("Hello there.", at_s=3 + 10 * number)
    report = await one.call.run()
    assert one.call.lines()[-1] == f"agent: {ENGLISH.goodbye}"
    assert (report.reason, "3 times in a row" in report.detail) == ("error_retell", True)


async def test_an_answer_that_breaks_off_is_heard_as_far_as_it_came() -> None:
    broken = [{"say": "I can tell you that, "}, {"broken": "cut"}]
    one = thinking(llm_of(begin_message="Good day."), {"steps": broken})
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_hangs_up(at_s=12)
    await one.call.run()
    assert one.call.lines()[-1] == f"agent: I can tell you that, {ENGLISH.trouble}"


async def test_what_was_not_heard_was_not_said() -> None:
    story = "Once upon a time there was a king who had three daughters and lived in a castle by the sea."
    one = thinking(llm_of(begin_message="Hi."), {"when": {"last": "story"}, "steps": [{"say": story}]}, HELLO)
    one.call.user_says("Tell me a story.", at_s=2)
    one.call.user_says("Stop, hello again please.", at_s=5)
    one.call.user_hangs_up(at_s=10)
    await one.call.run()
    heard = one.model.requests[-1].messages[-2]
    assert isinstance(heard, AgentText)
    assert story.startswith(heard.text)
    assert 0 < len(heard.text) < len(story)
    assert one.call.lines()[-1] == "agent: Hello to you."


async def test_tokens_are_counted_for_every_request() -> None:
    counted = [{"say": "Hello."}, {"input_tokens": 100, "output_tokens": 7}]
    one = thinking(llm_of(begin_message="Hi."), {"steps": counted})
    one.call.user_says("Hello there.", at_s=2)
    one.call.user_hangs_up(at_s=5)
    report = await one.call.run()
    assert list(report.request_tokens) == [107]
