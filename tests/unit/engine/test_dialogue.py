"""Whole conversations on virtual time, read from their record."""

import itertools

import anyio
import pytest

from retold.domain.transcript import ToolCallInvocation, ToolCallResult, Utterance
from retold.engine import timeline as t
from retold.engine.rules import Rules
from support.dialogue import Chunk, Dialogue, ScriptedReply, ToolCall, reply

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = "We are open from nine to five on every weekday and from ten to two on Saturdays all year long."
HELLO = "Hello, how can I help?"


async def test_agent_greets_and_answers_and_caller_hangs_up() -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=6.0)
    report = await call.run()
    assert call.lines() == [f"agent: {HELLO}", "user: When do you open?", "agent: We open at nine."]
    assert report.reason == "user_hangup"
    assert report.duration_ms == pytest.approx(6000, abs=40)


async def test_word_times_are_those_of_the_recording() -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=6.0)
    report = await call.run()
    for utterance in report.utterances:
        for word in utterance.words:
            assert call.tape.is_loud(utterance.role.replace("user", "caller"), word.start_ms + 2, word.end_ms - 2)
            assert not call.tape.is_loud(utterance.role.replace("user", "caller"), word.end_ms + 2, word.end_ms + 38)


async def test_e2e_latency_is_the_gap_on_the_tape() -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO))
    end_ms = call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=6.0)
    report = await call.run()
    assert report.latency.e2e is not None
    [e2e_ms] = report.latency.e2e.values
    start_ms = next(word.start_ms for item in report.utterances[2:] for word in item.words)
    assert e2e_ms == pytest.approx(start_ms - end_ms, abs=15)
    assert not call.tape.is_loud("agent", end_ms, end_ms + e2e_ms - 5)
    assert call.tape.is_loud("agent", end_ms + e2e_ms, end_ms + e2e_ms + 20)


async def test_interruption_cuts_the_transcript_at_the_last_word_heard() -> None:
    call = Dialogue([reply(LONG), reply("Of course.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_says("Wait what about Thursday?", at_s=5.0)
    call.user_hangs_up(at_s=9.0)
    report = await call.run()
    cut = report.utterances[2].content
    assert LONG.startswith(cut)
    assert 3 < len(cut.split()) < len(LONG.split())
    assert call.transport.cleared_at_ms[0] < 5300
    assert call.lines()[3:] == ["user: Wait what about Thursday?", "agent: Of course."]
    last = report.utterances[2].words[-1]
    assert not call.tape.is_loud("agent", call.transport.cleared_at_ms[0] + 21, 6000)
    assert last.start_ms < call.transport.cleared_at_ms[0]
    unheard = next(
        event.unheard for event in call.timeline if isinstance(event, t.ReplyEnded) and event.was_interrupted
    )
    assert f"{cut} {unheard}" == LONG


async def test_cough_pauses_the_agent_who_then_goes_on_without_losing_a_word() -> None:
    call = Dialogue([reply(LONG)], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_coughs(at_s=5.0, ms=300)
    call.user_hangs_up(at_s=15.0)
    report = await call.run()
    assert [line for line in call.lines() if line.startswith("agent")][1] == f"agent: {LONG}"
    assert "agent holds" in call.decisions()
    assert "agent resumes" in call.decisions()
    words = report.utterances[2].words
    assert [word.text for word in words] == LONG.split()
    assert all(early.start_ms < late.start_ms for early, late in itertools.pairwise(words))


async def test_back_channel_does_not_take_the_floor() -> None:
    call = Dialogue([reply(LONG)], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_says("Okay yeah.", at_s=5.0)
    call.user_hangs_up(at_s=14.0)
    await call.run()
    assert f"agent: {LONG}" in call.lines()
    assert "user: Okay yeah." in call.lines()
    assert sum(isinstance(event, t.ReplyRequested) for event in call.timeline) == 1


async def test_yes_at_the_end_of_a_question_is_an_answer() -> None:
    call = Dialogue([reply("Great.")], begin=reply("Shall I book it?"))
    call.user_says("yes", at_s=0.75)
    call.user_hangs_up(at_s=5.0)
    await call.run()
    assert call.lines()[-1] == "agent: Great."


async def test_agent_waits_for_more_after_a_trailing_word() -> None:
    call = Dialogue([reply("Noted.")], begin=reply(HELLO))
    call.user_says("Book Tuesday and", at_s=2.0)
    call.user_says("call me Bob.", at_s=3.7)
    call.user_hangs_up(at_s=7.0)
    await call.run()
    assert call.lines()[1:] == ["user: Book Tuesday and call me Bob.", "agent: Noted."]


async def test_caller_who_goes_on_before_the_reply_is_heard_gets_one_answer_to_all() -> None:
    call = Dialogue([ScriptedReply([Chunk("First.", after_ms=400)]), reply("Both.")], begin=reply(HELLO))
    call.user_says("Book Tuesday.", at_s=2.0)
    call.user_says("No make it Thursday.", at_s=3.0)
    call.user_hangs_up(at_s=7.0)
    await call.run()
    assert call.lines()[1:] == ["user: Book Tuesday. No make it Thursday.", "agent: Both."]


async def test_agent_hangs_up_after_the_farewell_was_heard() -> None:
    call = Dialogue([reply("Goodbye then.", end_call=True)], begin=reply(HELLO))
    call.user_says("That is all.", at_s=2.0)
    report = await call.run()
    assert report.reason == "agent_hangup"
    assert call.lines()[-1] == "agent: Goodbye then."
    assert call.transport.closed_with == "agent_hangup"


async def test_interrupted_farewell_does_not_end_the_call() -> None:
    call = Dialogue([reply(f"Goodbye. {LONG}", end_call=True), reply("Sure.")], begin=reply(HELLO))
    call.user_says("That is all.", at_s=2.0)
    call.user_says("Wait one more thing.", at_s=4.5)
    call.user_hangs_up(at_s=9.0)
    report = await call.run()
    assert report.reason == "user_hangup"
    assert call.lines()[-1] == "agent: Sure."


async def test_end_call_without_words_ends_at_once() -> None:
    call = Dialogue([reply(end_call=True)], begin=reply(HELLO))
    call.user_says("Bye.", at_s=2.0)
    report = await call.run()
    assert report.reason == "agent_hangup"
    assert report.duration_ms < 4000


async def test_no_interruption_allowed_speaks_to_the_end_and_then_answers() -> None:
    call = Dialogue([reply(LONG, no_interruption=True), reply("Yes?")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_says("Stop please stop.", at_s=5.0)
    call.user_hangs_up(at_s=14.0)
    await call.run()
    assert f"agent: {LONG}" in call.lines()
    assert call.lines()[-1] == "agent: Yes?"
    assert not call.transport.cleared_at_ms


async def test_interruption_sensitivity_zero_is_never_interrupted() -> None:
    call = Dialogue([reply(LONG)], begin=reply(HELLO), rules=Rules(can_interrupt=False))
    call.user_says("When do you open?", at_s=2.0)
    call.user_coughs(at_s=5.0, ms=2000)
    call.user_hangs_up(at_s=14.0)
    await call.run()
    assert f"agent: {LONG}" in call.lines()


async def test_reminder_then_inactivity() -> None:
    rules = Rules(reminder_trigger_ms=3000, reminder_max_count=2, end_call_after_silence_ms=20_000)
    call = Dialogue(begin=reply(HELLO), reminder=reply("Are you there?"), rules=rules)
    report = await call.run()
    assert report.reason == "inactivity"
    assert [line for line in call.lines() if "there" in line] == ["agent: Are you there?"] * 2
    assert report.duration_ms == pytest.approx(21_250, abs=300)


async def test_max_duration_is_reached() -> None:
    rules = Rules(reminder_max_count=0, max_call_duration_ms=60_000, end_call_after_silence_ms=10**9)
    report = await Dialogue(begin=reply(HELLO), rules=rules).run()
    assert report.reason == "max_duration_reached"
    assert report.duration_ms == pytest.approx(60_000, abs=20)


async def test_begin_message_waits_for_its_delay() -> None:
    call = Dialogue(begin=reply(HELLO), rules=Rules(begin_message_delay_ms=1500))
    call.user_hangs_up(at_s=4)
    report = await call.run()
    assert report.utterances[0].words[0].start_ms == pytest.approx(1500, abs=30)


async def test_agent_does_not_begin_while_the_caller_speaks() -> None:
    call = Dialogue([reply("Hi.")], begin=ScriptedReply([Chunk(HELLO, after_ms=500)]))
    call.user_says("Hello is anybody there please?", at_s=0.3)
    call.user_hangs_up(at_s=5)
    await call.run()
    assert call.lines() == ["user: Hello is anybody there please?", "agent: Hi."]


async def test_tool_calls_are_woven_in_at_the_word() -> None:
    tool = ToolCall("t1", "check_schedule", '{"day":"Thursday"}', '{"free":true}', takes_ms=700)
    answer = ScriptedReply([Chunk("Let me check that for you now."), tool, Chunk(" Thursday is free.")])
    call = Dialogue([answer], begin=reply(HELLO))
    call.user_says("Is Thursday free?", at_s=2.0)
    call.user_hangs_up(at_s=9)
    report = await call.run()
    kinds = [type(item).__name__ for item in report.items]
    assert kinds.count("ToolCallInvocation") == kinds.count("ToolCallResult") == 1
    before = report.items[kinds.index("ToolCallResult") - 1]
    after = report.items[kinds.index("ToolCallResult") + 1]
    assert isinstance(before, Utterance)
    assert isinstance(after, Utterance)
    started = next(event.at_ms for event in call.timeline if isinstance(event, t.ToolCallEnded))
    assert before.words[-1].start_ms < started <= after.words[0].start_ms
    assert [item for item in report.items if isinstance(item, (ToolCallInvocation, ToolCallResult))] == [
        ToolCallInvocation("t1", "check_schedule", '{"day":"Thursday"}'),
        ToolCallResult("t1", '{"free":true}', None),
    ]


async def test_nothing_but_silence_from_the_socket_ends_the_call() -> None:
    call = Dialogue(begin=reply(HELLO), rules=Rules(no_audio_timeout_ms=5000))
    call.session.transport.listen = _mute  # pyright: ignore[reportAttributeAccessIssue] - a caller that sends nothing
    report = await call.run()
    assert report.reason == "error_no_audio_received"
    assert report.duration_ms == pytest.approx(5000, abs=50)


async def _mute(_take: object) -> None:
    await anyio.sleep_forever()


async def test_speech_without_words_is_answered_as_unintelligible() -> None:
    call = Dialogue([reply("Could you say that again?")], begin=reply(HELLO))
    call.user_coughs(at_s=2.0, ms=2500)
    call.user_hangs_up(at_s=8.0)
    await call.run()
    assert call.lines()[1:] == ["user: (unintelligible audio)", "agent: Could you say that again?"]


async def test_opted_out_call_journals_nothing_that_was_said() -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO), stores_sensitive_data=False)
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=6.0)
    await call.run()
    stored = b"".join(call.journal.entries)
    assert b"call_connected" in stored
    assert all(word.encode() not in stored for word in ("nine", "Hello", "When"))
    assert call.lines()[-1] == "agent: We open at nine."


async def test_client_sees_every_change_and_whose_turn_it_is() -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=6.0)
    await call.run()
    updates = [event for _, event in call.transport.events if event["event_type"] == "update"]
    assert [update["turntaking"] for update in updates if "turntaking" in update] == [
        "agent_turn",
        "user_turn",
        "agent_turn",
    ]
    assert updates[-1]["transcript"][-1]["content"] == "We open at nine."


async def test_agent_waits_while_the_connection_is_cut() -> None:
    call = Dialogue([reply(LONG)], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=16.0)

    async def cut() -> None:
        await anyio.sleep(5)
        call.transport.is_connected = False
        await anyio.sleep(3)
        call.transport.is_connected = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut)
        await call.run()
    assert f"agent: {LONG}" in call.lines()
    assert not call.tape.is_loud("agent", 5150, 8000)
    assert not any(5150 < word.start_ms < 8000 for word in call.report().utterances[2].words)
