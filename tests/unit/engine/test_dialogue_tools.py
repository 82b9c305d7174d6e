"""Tools that run while the call goes on: the agent is at work, and what a tool found out is never lost."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import pytest

from retold.domain.transcript import ToolCallInvocation, ToolCallResult, TranscriptItem, Utterance
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import Act, ReplyWanted, ToolInvoked, ToolReturned, TranscriptChanged
from support.dialogue import Dialogue
from support.responders import BEGIN, Wait, freely, said

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HELLO = "Hello, how can I help?"
IMPATIENT = Rules(reminder_trigger_ms=3000, reminder_max_count=2, end_call_after_silence_ms=8000)
LOOK_UP = ToolInvoked("t1", "look_up", "{}", "custom")
FOUND = ToolReturned("t1", "a table", successful=True)


def shown(items: tuple[TranscriptItem, ...]) -> list[str]:
    """Each item in a word or two."""
    return [_shown(item) for item in items]


def _shown(item: TranscriptItem) -> str:
    match item:
        case Utterance(content=content):
            return content
        case ToolCallInvocation(tool_call_id=tool_call_id):
            return f"{tool_call_id} begins"
        case ToolCallResult(tool_call_id=tool_call_id):
            return f"{tool_call_id} ends"
        case _:
            return type(item).__name__


def asked(call: Dialogue) -> list[str]:
    return [event.kind for event in call.timeline if isinstance(event, t.ReplyRequested)]


async def test_a_slow_tool_is_waited_for_in_peace() -> None:
    call = freely({BEGIN: [said(0, HELLO)], 1: [LOOK_UP, Wait(12_000), FOUND, said(1, "Found it.")]}, IMPATIENT)
    call.user_says("Look it up.", at_s=2)
    call.user_hangs_up(at_s=17)
    report = await call.run()
    assert shown(report.items)[2:] == ["t1 begins", "t1 ends", "Found it."]
    assert asked(call) == ["response_required"]
    assert "listen again" not in call.decisions()
    assert report.tool_latencies_ms["t1"] == pytest.approx(12_000, abs=5)


async def test_text_before_and_after_a_slow_tool_is_one_reply() -> None:
    before = said(1, "One moment.", is_complete=False)
    call = freely({BEGIN: [said(0, HELLO)], 1: [before, LOOK_UP, Wait(12_000), FOUND, said(1, "Found it.")]}, IMPATIENT)
    call.user_says("Look it up.", at_s=2)
    call.user_hangs_up(at_s=17)
    report = await call.run()
    assert call.lines()[2:] == ["agent: One moment. Found it."]
    assert shown(report.items)[2:] in (
        ["One moment.", "t1 begins", "t1 ends", "Found it."],
        ["t1 begins", "One moment.", "t1 ends", "Found it."],
    )
    assert asked(call) == ["response_required"]


async def test_a_reply_of_tools_alone_ends_the_turn() -> None:
    call = freely({BEGIN: [said(0, HELLO)], 1: [LOOK_UP, Wait(1000), FOUND, said(1, "")]}, IMPATIENT)
    call.user_says("Look it up.", at_s=2)
    call.user_hangs_up(at_s=9)
    await call.run()
    assert "agent stays silent" in call.decisions()
    ended_ms = next(event.at_ms for event in call.timeline if isinstance(event, t.ToolCallEnded))
    reminded_ms = next(
        event.at_ms for event in call.timeline if isinstance(event, t.ReplyRequested) and "reminder" in event.kind
    )
    assert reminded_ms - ended_ms == pytest.approx(3000, abs=20)


async def test_the_time_of_the_work_is_no_silence_of_the_caller() -> None:
    rules = replace(IMPATIENT, reminder_max_count=0)
    call = freely({BEGIN: [said(0, HELLO)], 1: [LOOK_UP, Wait(12_000), FOUND, said(1, "")]}, rules)
    spoken_ms = call.user_says("Look it up.", at_s=2)
    report = await call.run()
    assert report.reason == "inactivity"
    assert report.duration_ms == pytest.approx(spoken_ms + 12_000 + 8000, abs=400)


async def test_tools_of_an_llm_server_are_book_keeping() -> None:
    told = ToolInvoked("t1", "look_up", "{}")
    call = freely({BEGIN: [said(0, HELLO)], 1: [told, Wait(12_000), FOUND, said(1, "Found it.")]}, IMPATIENT)
    call.user_says("Look it up.", at_s=2)
    call.user_hangs_up(at_s=30)
    report = await call.run()
    assert report.reason == "inactivity"


class Workshop:
    """ports.Responder whose tool gives its result ten seconds into the call, whatever is said meanwhile."""

    def __init__(self) -> None:
        self._acts, self._acts_out = anyio.create_memory_object_stream[Act](100)
        self._acts.send_nowait(said(0, HELLO))
        self.wanted: list[ReplyWanted] = []

    async def acts(self) -> AsyncGenerator[Act]:
        with self._acts_out:
            async for act in self._acts_out:
                yield act

    async def work(self) -> None:
        await anyio.sleep(10)
        self._acts.send_nowait(FOUND)

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        if not isinstance(event, ReplyWanted):
            return
        self.wanted.append(event)
        number = event.response_id
        if number == 1:
            self._acts.send_nowait(said(1, "One moment, I will look it up for you now.", is_complete=False))
            self._acts.send_nowait(LOOK_UP)
        else:
            self._acts.send_nowait(said(number, "Yes, still looking." if number == 2 else "Here it is."))

    async def close(self) -> None:
        self._acts.close()


async def test_a_result_that_comes_after_the_reply_was_cut_stands_at_its_time() -> None:
    mind = Workshop()
    call = Dialogue(mind=mind)
    call.user_says("Look it up.", at_s=2)
    call.user_says("Are you really there still?", at_s=6)
    call.user_says("And now?", at_s=11)
    call.user_hangs_up(at_s=15)
    report = await call.run()
    second, third = mind.wanted[1:]
    assert "t1 ends" not in shown(tuple(second.with_tool_calls))
    assert shown(tuple(third.with_tool_calls))[-3:] == ["Yes, still looking.", "t1 ends", "And now?"]
    assert shown(report.items)[-4:] == ["Yes, still looking.", "t1 ends", "And now?", "Here it is."]
    assert "t1" in report.tool_latencies_ms
