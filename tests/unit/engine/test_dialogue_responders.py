"""Conversations with a responder that interrupts, comes late or does something odd; on virtual time."""

import pytest

from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import ChangeRules, ForwardMetadata, HangUp, RoundTrip, Say, Traffic
from support.responders import BEGIN, Wait, freely, notes, said

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = "We are open from nine to five on every weekday and from ten to two on Saturdays all year long."
HELLO = "Hello, how can I help?"

# --- the responder interrupts ---------------------------------------------------------------------


async def test_agent_interrupt_takes_the_place_of_the_reply() -> None:
    call = freely({BEGIN: [said(0, LONG), Wait(2000), said(0, "Wait, we close early today.", interrupt_id=1)]})
    call.user_hangs_up(at_s=6)
    report = await call.run()
    first, second = report.utterances
    assert LONG.startswith(first.content)
    assert (second.content, second.interrupt_id) == ("Wait, we close early today.", 1)
    assert first.words[-1].start_ms < second.words[0].start_ms == pytest.approx(2050, abs=30)


async def test_chunks_of_one_interrupt_are_one_passage_however_they_come() -> None:
    chunks = [said(0, "Sorry. ", interrupt_id=1, is_complete=False), said(0, "One moment.", interrupt_id=1)]
    call = freely({BEGIN: [said(0, HELLO), Wait(300), *chunks]})
    call.user_hangs_up(at_s=5)
    await call.run()
    assert call.lines()[-1] == "agent: Sorry. One moment."


async def test_agent_interrupt_is_heard_over_a_caller_who_goes_on() -> None:
    call = freely({BEGIN: [Wait(2500), said(0, "Sorry to stop you there.", interrupt_id=1)], 1: [said(1, "Sure.")]})
    call.user_says("I would like to book a table and then some more things for Tuesday", at_s=1)
    call.user_hangs_up(at_s=9)
    await call.run()
    assert "agent: Sorry to stop you there." in call.lines()
    assert call.lines()[-1] == "agent: Sure."


async def test_rest_of_an_interrupt_that_the_caller_cut_off_is_dropped() -> None:
    late = said(0, "And more.", interrupt_id=1)
    steps = [said(0, LONG, interrupt_id=1, is_complete=False), Wait(2500), late]
    call = freely({BEGIN: steps, 1: [said(1, "Sure.")]})
    call.user_says("Wait please.", at_s=1)
    call.user_hangs_up(at_s=6)
    await call.run()
    assert call.lines()[1:] == ["user: Wait please.", "agent: Sure."]
    assert "stale interrupt 1 dropped" in notes(call)


async def test_text_of_the_reply_that_an_interrupt_replaced_is_dropped() -> None:
    burst = [said(0, "One moment.", interrupt_id=1), said(0, "at nine.")]
    call = freely({BEGIN: [said(0, "We open", is_complete=False), *burst]})
    call.user_hangs_up(at_s=4)
    await call.run()
    assert call.lines() == ["agent: One moment."]
    assert "stale response 0 dropped" in notes(call)


# --- what else responders do ----------------------------------------------------------------------


async def test_text_for_an_old_response_is_dropped() -> None:
    call = freely({BEGIN: [said(0, HELLO)], 1: [Wait(100), said(0, "Old."), said(7, "Odd."), said(1, "Right.")]})
    call.user_says("When?", at_s=2)
    call.user_hangs_up(at_s=5)
    await call.run()
    assert call.lines() == [f"agent: {HELLO}", "user: When?", "agent: Right."]
    assert [note for note in notes(call) if "stale" in note] == ["stale response 0 dropped", "stale response 7 dropped"]


async def test_responder_that_never_answers_gets_a_reminder_request() -> None:
    rules = Rules(reply_timeout_ms=4000, reminder_trigger_ms=2000)
    call = freely({BEGIN: [said(0, HELLO)], 2: [said(2, "Are you there?")]}, rules)
    call.user_says("When?", at_s=2)
    call.user_hangs_up(at_s=12)
    await call.run()
    assert "listen again" in call.decisions()
    assert call.lines()[-1] == "agent: Are you there?"


async def test_text_after_the_end_of_a_reply_is_not_spoken() -> None:
    call = freely({BEGIN: [said(0, "Hello."), said(0, "Again.")]})
    call.user_hangs_up(at_s=3)
    await call.run()
    assert call.lines() == ["agent: Hello."]


async def test_what_this_kind_of_call_cannot_do_is_noted() -> None:
    call = freely({BEGIN: [Say(0, "Bye.", is_complete=True, transfer_number="+1", digit_to_press="5")]})
    call.user_hangs_up(at_s=3)
    await call.run()
    traffic = [event.text for event in call.timeline if isinstance(event, t.ResponderTraffic)]
    assert traffic == [
        "transfer to +1: not possible on this call",
        "digits to press 5: not possible on this call",
    ]


async def test_metadata_round_trips_and_traffic_go_where_they_belong() -> None:
    call = freely({BEGIN: [ForwardMetadata({"a": 1}), RoundTrip(5.5), Traffic("sent", "{}")]})
    call.user_hangs_up(at_s=1)
    report = await call.run()
    assert {"event_type": "metadata", "metadata": {"a": 1}} in [event for _, event in call.transport.events]
    assert report.latency.llm_websocket_network_rtt is not None
    assert "llm sent: {}" in call.log()


async def test_responder_that_closes_its_socket_hangs_up() -> None:
    call = freely({BEGIN: [Wait(700), HangUp()]})
    report = await call.run()
    assert report.reason == "agent_hangup"
    assert report.duration_ms == pytest.approx(700, abs=30)


async def test_rules_change_in_mid_call() -> None:
    change = ChangeRules(interruption_sensitivity=0, reminder_max_count=0)
    call = freely({BEGIN: [said(0, LONG), Wait(1000), change], 1: [said(1, "Yes?")]})
    call.user_says("Stop please stop now.", at_s=2)
    call.user_hangs_up(at_s=8)
    await call.run()
    assert call.lines()[0] == f"agent: {LONG}"
    assert not call.transport.cleared_at_ms


async def test_agent_held_by_the_caller_goes_on_when_interrupting_is_forbidden() -> None:
    call = freely({BEGIN: [said(0, LONG), Wait(1500), ChangeRules(interruption_sensitivity=0)]})
    call.user_coughs(at_s=1, ms=2000)
    call.user_hangs_up(at_s=9)
    await call.run()
    assert {"agent holds", "agent goes on"} <= set(call.decisions())
    assert [line for line in call.lines() if line.startswith("agent")] == [f"agent: {LONG}"]
