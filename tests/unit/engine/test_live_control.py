"""What the API may do to a running conversation, on virtual time: inject context, and have the agent speak."""

from collections.abc import Callable

import anyio
import pytest

from retold.domain.transcript import Injected
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import ReplyWanted
from support.dialogue import Chunk, Dialogue, ScriptedReply, reply

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HELLO = "Hello, how can I help?"
LONG = "We are open from nine to five on every weekday and from ten to two on Saturdays all year long."


async def run(call: Dialogue, *deeds: tuple[float, Callable[[], None]]) -> None:
    """Hold the call, and do each thing at its second."""

    async def do(at_s: float, deed: Callable[[], None]) -> None:
        await anyio.sleep(at_s)
        deed()

    async with anyio.create_task_group() as tasks:
        for at_s, deed in deeds:
            tasks.start_soon(do, at_s, deed)
        await call.run()


def inject(call: Dialogue, text: str) -> Callable[[], None]:
    def deed() -> None:
        call.timeline.append(t.ContextInjected(at_ms=call.call_clock.now_ms(), text=text))
        call.session.look()

    return deed


def asked(call: Dialogue) -> list[ReplyWanted]:
    return [event for event in call.responder.seen if isinstance(event, ReplyWanted)]


async def test_a_silent_agent_is_nudged() -> None:
    call = Dialogue([reply("One more thing.")], begin=reply(HELLO))
    call.user_hangs_up(at_s=8.0)
    await run(call, (4.0, call.session.trigger))
    assert call.lines() == [f"agent: {HELLO}", "agent: One more thing."]
    assert "another reply" in call.decisions()
    assert call.report().latency.e2e is None


async def test_an_agent_that_speaks_is_interrupted_and_answers_anew() -> None:
    call = Dialogue([reply(LONG), reply("Sorry: at ten.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=12.0)
    await run(call, (5.0, call.session.trigger))
    cut, again = call.lines()[2:]
    assert LONG.startswith(cut.removeprefix("agent: "))
    assert cut != f"agent: {LONG}"
    assert again == "agent: Sorry: at ten."


async def test_an_agent_that_may_not_be_interrupted_speaks_on() -> None:
    call = Dialogue([reply(LONG), reply("Never.")], begin=reply(HELLO), rules=Rules(can_interrupt=False))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=14.0)
    await run(call, (5.0, call.session.trigger))
    assert call.lines()[2:] == [f"agent: {LONG}"]
    assert "no other reply" in call.decisions()


async def test_nobody_is_talked_over() -> None:
    call = Dialogue([reply("At nine.")], begin=reply(HELLO))
    call.user_says("When do you open on all those many other days?", at_s=2.0)
    call.user_hangs_up(at_s=8.0)
    await run(call, (3.0, call.session.trigger))
    assert call.lines()[2:] == ["agent: At nine."]
    assert len(asked(call)) == 1
    assert "no other reply" in call.decisions()


async def test_a_reply_that_is_still_being_made_is_made_anew() -> None:
    slow = ScriptedReply([Chunk("Too late.", after_ms=2000)])
    call = Dialogue([slow, reply("At nine.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=2.0)
    call.user_hangs_up(at_s=8.0)
    await run(call, (4.3, call.session.trigger))
    assert call.lines()[2:] == ["agent: At nine."]
    assert [event.response_id for event in asked(call)] == [1, 2]


async def test_a_call_that_is_over_is_left_alone() -> None:
    call = Dialogue(begin=reply(HELLO, end_call=True))
    await call.run()
    call.session.trigger()
    assert call.lines() == [f"agent: {HELLO}"]


async def test_injected_context_stands_where_it_came_and_goes_to_the_next_reply() -> None:
    call = Dialogue([reply("At nine.")], begin=reply(HELLO))
    call.user_says("When do you open?", at_s=4.0)
    call.user_hangs_up(at_s=8.0)
    await run(call, (3.0, inject(call, "The caller is a member.")))
    (wanted,) = asked(call)
    assert [type(item).__name__ for item in wanted.with_tool_calls] == ["Utterance", "Injected", "Utterance"]
    assert len(wanted.transcript) == 2
    (shape,) = [item.wire() for item in call.report().items if isinstance(item, Injected)]
    assert shape == {
        "role": "injected",
        "content": "The caller is a member.",
        "time_sec": pytest.approx(3.0, abs=0.05),
    }
    assert "api: context injected: The caller is a member." in call.log()


async def test_context_comes_before_the_reply_it_is_to_change() -> None:
    call = Dialogue([reply("Welcome back.")], begin=reply(HELLO))
    call.user_hangs_up(at_s=8.0)

    def both() -> None:
        inject(call, "A member.")()
        call.session.trigger()

    await run(call, (4.0, both))
    (wanted,) = asked(call)
    assert isinstance(wanted.with_tool_calls[-1], Injected)


async def test_context_is_not_journaled_where_nothing_said_may_be_stored() -> None:
    call = Dialogue(begin=reply(HELLO), stores_sensitive_data=False)
    call.user_hangs_up(at_s=4.0)
    await run(call, (3.0, inject(call, "quetzalcoatl")))
    assert not any(b"quetzalcoatl" in entry for entry in call.journal.entries)
