"""The scripted responder keeps to its script and to the rules of replies."""

from contextlib import aclosing

import anyio
import pytest

from retold.ports import Act, HangUp, ReplyKind, ReplyWanted, Responder, Say, ToolInvoked, ToolReturned
from retold.responders.scripted import Chunk, Scripted, ScriptedReply, ToolCall

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


def wanted(response_id: int, kind: ReplyKind = ReplyKind.RESPONSE) -> ReplyWanted:
    return ReplyWanted(response_id=response_id, kind=kind, transcript=[], with_tool_calls=[])


async def perform(
    responder: Scripted, asks: list[tuple[float, ReplyWanted]], until_s: float = 10
) -> list[tuple[float, Act]]:
    """Ask at the given times; give each act with the time at which it came."""
    as_port: Responder = responder
    acts: list[tuple[float, Act]] = []
    started_s = anyio.current_time()

    async def collect() -> None:
        async with aclosing(responder.acts()) as stream:
            acts.extend([(round(anyio.current_time() - started_s, 3), act) async for act in stream])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collect)
        for at_s, ask in asks:
            await anyio.sleep(started_s + at_s - anyio.current_time())
            await as_port.send(ask)
        await anyio.sleep(started_s + until_s - anyio.current_time())
        await as_port.close()
    return acts


def said(acts: list[tuple[float, Act]]) -> list[tuple[float, int, str, bool]]:
    return [(at_s, act.response_id, act.text, act.is_complete) for at_s, act in acts if isinstance(act, Say)]


async def test_chunks_come_at_their_times_and_the_last_reply_repeats() -> None:
    script = Scripted([ScriptedReply([Chunk("one", 100), Chunk("two", 50)])], begin=ScriptedReply([Chunk("hello")]))
    acts = await perform(script, [(1, wanted(1)), (2, wanted(2))])
    assert said(acts) == [
        (0, 0, "hello", False),
        (0, 0, "", True),
        (1.1, 1, "one", False),
        (1.15, 1, "two", False),
        (1.15, 1, "", True),
        (2.1, 2, "one", False),
        (2.15, 2, "two", False),
        (2.15, 2, "", True),
    ]
    assert [getattr(event, "response_id", None) for event in script.seen] == [1, 2]


async def test_a_newer_request_cuts_off_the_reply_in_progress() -> None:
    script = Scripted([ScriptedReply([Chunk("slow", 1000)]), ScriptedReply([Chunk("quick")])])
    acts = await perform(script, [(1, wanted(1)), (1.5, wanted(2))])
    assert said(acts)[1:] == [(1.5, 2, "quick", False), (1.5, 2, "", True)]


async def test_a_tool_call_takes_its_time_between_invocation_and_result() -> None:
    script = Scripted([ScriptedReply([ToolCall("t1", "look", takes_ms=300, content="found"), Chunk("There.")])])
    acts = await perform(script, [(1, wanted(1))])
    assert acts[1:] == [
        (1, ToolInvoked("t1", "look", "{}")),
        (1.3, ToolReturned("t1", "found")),
        (1.3, Say(1, "There.", is_complete=False)),
        (1.3, Say(1, "", is_complete=True)),
    ]


async def test_signals_travel_with_the_last_message() -> None:
    acts = await perform(Scripted([ScriptedReply([Chunk("Bye.")], end_call=True)]), [(1, wanted(1))])
    assert [act.end_call for _, act in acts if isinstance(act, Say)] == [False, False, True]


async def test_a_reminder_has_its_own_reply() -> None:
    script = Scripted([ScriptedReply([Chunk("answer")])], reminder=ScriptedReply([Chunk("still there?")]))
    acts = await perform(script, [(1, wanted(1, ReplyKind.REMINDER)), (2, wanted(2))])
    assert [text for _, _, text, _ in said(acts) if text] == ["still there?", "answer"]


async def test_a_reply_may_never_be_completed_or_hang_up() -> None:
    script = Scripted([ScriptedReply([Chunk("er")], is_completed=False), ScriptedReply([], hangs_up=True)])
    acts = await perform(script, [(1, wanted(1)), (2, wanted(2))])
    assert acts[1:] == [(1, Say(1, "er", is_complete=False)), (2, Say(2, "", is_complete=True)), (2, HangUp())]


async def test_closing_ends_a_reply_in_mid_sentence() -> None:
    acts = await perform(Scripted([ScriptedReply([Chunk("late", 5000)])]), [(1, wanted(1))], until_s=2)
    assert [text for _, _, text, _ in said(acts) if text] == []
