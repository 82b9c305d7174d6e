"""What must stay true when a conversation does not go as planned; on virtual time."""

import pytest

from retold.ports import Say
from support.dialogue import Dialogue, KnownWords, reply
from support.responders import BEGIN, freely, said

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = "We are open from nine to five on every weekday and from ten to two on Saturdays all year long."
HELLO = "Hello, how can I help?"


async def test_opted_out_call_with_a_barge_in_journals_nothing_that_was_said() -> None:
    call = Dialogue([reply(LONG), reply("Fine.")], begin=reply(HELLO), stores_sensitive_data=False)
    call.user_says("When do you open?", at_s=2.0)
    call.user_says("Stop zanzibar please.", at_s=5.0)
    call.user_hangs_up(at_s=9.0)
    await call.run()
    assert "agent stops" in call.decisions()
    assert b"zanzibar" not in b"".join(call.journal.entries)


async def test_no_interruption_allowed_holds_for_the_text_it_came_with() -> None:
    parts = [
        Say(
            1,
            "This part is a legal notice that must be heard in full. ",
            is_complete=False,
            no_interruption_allowed=True,
        ),
        Say(1, LONG, is_complete=True),
    ]
    call = freely({BEGIN: [said(0, HELLO)], 1: parts, 2: [said(2, "Yes?")]})
    call.user_says("When do you open?", at_s=2.0)
    call.user_says("Stop stop.", at_s=4.0)
    call.user_says("Stop now please.", at_s=7.0)
    call.user_hangs_up(at_s=12.0)
    await call.run()
    heard = call.lines()[2]
    assert "must be heard in full." in heard
    assert not heard.endswith("all year long.")


async def test_a_bug_in_turn_taking_ends_the_call_as_unknown() -> None:
    call = Dialogue([reply("Fine.")], begin=reply(HELLO))

    def broken() -> None:
        raise ZeroDivisionError("a bug")

    call.session._hearing.check_stall = broken  # pyright: ignore[reportPrivateUsage] - a bug, put in by hand
    report = await call.run()
    assert (report.reason, report.detail) == ("error_unknown", "a bug")


async def test_words_understood_so_far_are_kept_when_the_final_ones_do_not_come() -> None:
    call = Dialogue(begin=reply(HELLO), hears=lambda words: KnownWords(words, final_ms=60_000))
    call.user_says("My name is Bob and", at_s=2.0)
    call.user_hangs_up(at_s=2.8)
    await call.run()
    assert call.lines()[-1] == "user: My name is"
