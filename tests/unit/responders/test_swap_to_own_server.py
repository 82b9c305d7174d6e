"""A call is handed over to an agent that has an LLM server of its own: it answers what was asked, and all after it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from retold.domain.reasons import DisconnectionReason
from retold.engine import timeline as t
from retold.errors import CallFailed, LlmOpenFailed, LlmRuntimeFailed
from retold.ports import Act, ChangeAgent, ReplyWanted, Say, TranscriptChanged, VoiceSettings
from retold.responders.custom_llm import CustomLlm
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.own_server import OwnServer
from retold.settings import Settings
from support.fake_llm import FakeLlm, FakeSocket
from support.llm_calls import CALL, REFUSED
from support.minds import SlowHttp, Thinking, llm_of, thinking
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SWAP = {"type": "agent_swap", "post_call_analysis_setting": "both_agents"}
TO_BO = {**SWAP, "name": "to_bo", "agent_id": "agent_bo"}
TO_CY = {**SWAP, "name": "to_cy", "agent_id": "agent_cy"}
LOOK = {"type": "custom", "name": "look", "url": "https://tools.example.com"}
ADA = llm_of(begin_message="Ada here.", general_prompt="Be Ada.", general_tools=[TO_BO, TO_CY, LOOK])
PASSES_ON = {"when": {"last": "table"}, "steps": [{"say": "I pass you on. "}, {"use": "to_bo"}]}


def answers(socket: FakeSocket, message: dict[str, Any]) -> None:
    """Bo's server: it greets whoever connects, and answers each request by its number."""
    if not socket.of_type("response_required") and message["interaction_type"] == "response_required":
        socket.says("response", response_id=0, content="Hello from the start.", content_complete=True)
    if message["interaction_type"] in {"response_required", "reminder_required"}:
        content = f"Bo answers {message['response_id']}."
        socket.says("response", response_id=message["response_id"], content=content, content_complete=True)


class Bo:
    """An agent with a server of its own, which is connected after `takes_s`."""

    def __init__(self, server: FakeLlm, *, takes_s: float = 0.0) -> None:
        self.server = server
        self.takes_s = takes_s

    async def __call__(self) -> OwnServer:
        await anyio.sleep(self.takes_s)
        responder = CustomLlm("wss://bo.example/llm", CALL, self.server, Settings(), VirtualClock())
        await responder.open()
        return OwnServer(ChangeAgent("agent_bo", 0, voice=VoiceSettings("other")), responder)


def wanting_a_table(server: FakeLlm, *rules: Any, until_s: float, takes_s: float = 0.0, **more: Any) -> Thinking:
    one = thinking(ADA, *rules, others={"agent_bo": Bo(server, takes_s=takes_s), **more.pop("others", {})}, **more)
    one.call.user_says("A table please.", at_s=3)
    one.call.user_hangs_up(at_s=until_s)
    return one


async def test_the_server_answers_in_the_same_breath_and_from_then_on() -> None:
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, PASSES_ON, until_s=14)
    one.call.user_says("For how long?", at_s=9)
    report = await one.call.run()
    assert one.call.lines()[1:] == [
        "user: A table please.",
        "agent: I pass you on. Bo answers 1.",
        "user: For how long?",
        "agent: Bo answers 2.",
    ]
    assert report.reason == "user_hangup"
    (socket,) = server.sockets
    first = socket.of_type("response_required")[0]
    assert [said["content"] for said in first["transcript"]][:2] == ["Ada here.", "A table please."]
    assert socket.of_type("update_only"), "it is told what goes on"
    assert socket.closed_with == 1000
    assert "agent: agent_bo version 0 takes over" in one.call.log()


async def test_who_asks_for_tool_calls_is_told_of_those_before_it() -> None:
    def asks_for_tools(socket: FakeSocket, message: dict[str, Any]) -> None:
        if message["interaction_type"] == "call_details":
            socket.says("response", response_id=1, content="Bo it is.", content_complete=True)

    wants = {"call_details": True, "transcript_with_tool_calls": True}
    server = FakeLlm(reacts=asks_for_tools, greeting=[{"response_type": "config", "config": wants}])
    one = thinking(ADA, PASSES_ON, others={"agent_bo": Bo(server)})
    one.call.user_says("A table please.", at_s=3)
    one.call.user_hangs_up(at_s=12)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: I pass you on. Bo it is."
    sent = server.sockets[0].sent
    assert [message["interaction_type"] for message in sent][:2] == ["call_details", "response_required"]
    told = sent[1]["transcript_with_tool_calls"]
    assert [item.get("name") for item in told if item["role"] == "tool_call_invocation"] == ["to_bo"]
    assert [item["successful"] for item in told if item["role"] == "tool_call_result"] == [True]


async def test_a_silent_caller_is_reminded_by_the_server() -> None:
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, PASSES_ON, until_s=22)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Bo answers 2."
    assert len(server.sockets[0].of_type("reminder_required")) == 1


async def test_a_server_that_is_ready_late_answers_what_was_asked_last() -> None:
    patience = {"when": {"last": "hurry"}, "steps": [{"say": "One moment."}]}
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, PASSES_ON, patience, until_s=18, takes_s=4)
    one.call.user_says("Please hurry up.", at_s=5.5)
    one.call.user_says("Hello there?", at_s=12)
    await one.call.run()
    assert one.call.lines()[3:] == [
        "user: Please hurry up.",
        "agent: One moment.",
        "user: Hello there?",
        "agent: Bo answers 3.",
    ]
    (asked,) = server.sockets[0].of_type("response_required")
    assert asked["transcript"][-1]["content"] == "Hello there?"


async def test_tools_run_on_when_a_server_takes_over() -> None:
    both = {"when": {"last": "table"}, "steps": [{"use": "look"}, {"use": "to_bo"}]}
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, both, until_s=16, http=SlowHttp(takes_ms=6_000))
    one.call.user_says("Are you there?", at_s=6)
    await one.call.run()
    results = [event for event in one.call.timeline if isinstance(event, t.ToolCallEnded)]
    assert [result.successful for result in results] == [True, True]
    assert one.call.lines()[-1] == "agent: Bo answers 2."


async def test_of_two_agents_the_last_takes_over_and_the_other_is_hung_up_on() -> None:
    bo, cy = FakeLlm(reacts=answers), FakeLlm(reacts=answers)
    both = {"when": {"last": "table"}, "steps": [{"use": "to_bo"}, {"use": "to_cy"}]}
    one = wanting_a_table(bo, both, until_s=8, others={"agent_cy": Bo(cy, takes_s=1)})
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Bo answers 1."
    assert (bo.sockets[0].sent, bo.sockets[0].closed_with) == ([], 1000)
    assert cy.sockets[0].of_type("response_required")


async def test_a_server_that_hangs_up_ends_the_call() -> None:
    def leaves(socket: FakeSocket, message: dict[str, Any]) -> None:
        if message["interaction_type"] == "response_required":
            socket.closes(1000)

    one = wanting_a_table(FakeLlm(reacts=leaves), PASSES_ON, until_s=30)
    assert (await one.call.run()).reason == "agent_hangup"


async def test_a_server_that_fails_ends_the_call_with_its_reason() -> None:
    def breaks(socket: FakeSocket, message: dict[str, Any]) -> None:
        if message["interaction_type"] == "response_required":
            socket.closes(1011)

    one = wanting_a_table(FakeLlm(reacts=breaks), PASSES_ON, until_s=30)
    assert (await one.call.run()).reason is DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME


async def test_a_server_that_was_found_when_the_call_ended_is_hung_up_on() -> None:
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, PASSES_ON, until_s=7, takes_s=1.5)
    one.call.user_says("Well, you know, I am not sure about all of this, am I?", at_s=4.5)
    await one.call.run()
    (socket,) = server.sockets
    assert (socket.sent, socket.closed_with) == ([], 1000)


async def test_a_server_that_takes_over_the_opening_begins_the_call() -> None:
    def greets(socket: FakeSocket, message: dict[str, Any]) -> None:
        if message["interaction_type"] == "update_only" and len(socket.sent) == 1:
            socket.says("response", response_id=0, content="Bo begins.", content_complete=True)

    opens = {"when": {"offered": "to_bo"}, "steps": [{"say": "One moment. "}, {"use": "to_bo"}]}
    ada = llm_of(general_prompt="Be Ada.", general_tools=[TO_BO])
    one = thinking(ada, opens, others={"agent_bo": Bo(FakeLlm(reacts=greets))})
    one.call.user_hangs_up(at_s=6)
    await one.call.run()
    assert one.call.lines() == ["agent: One moment. Bo begins."]


async def test_a_server_that_takes_over_unasked_answers_when_the_caller_speaks() -> None:
    looks = {"when": {"last": "table"}, "steps": [{"say": "Let me see whether there is one. "}, {"use": "look"}]}
    waits = {"when": {"last": "hurry"}, "steps": [{"say": "Yes."}]}
    told = {"when": {"last": "Tell the caller"}, "steps": [{"say": "Bo knows. "}, {"use": "to_bo"}]}
    server = FakeLlm(reacts=answers)
    one = wanting_a_table(server, looks, waits, told, until_s=20, http=SlowHttp(takes_ms=5_000))
    one.call.user_says("Please hurry up.", at_s=5.5)
    one.call.user_says("Well then?", at_s=15)
    await one.call.run()
    assert one.call.lines()[-3:] == ["agent: Bo knows.", "user: Well then?", "agent: Bo answers 3."]
    assert server.sockets[0].sent[0]["interaction_type"] == "update_only"


async def test_a_server_that_says_more_than_is_taken_has_to_wait() -> None:
    given = list[int]()

    class Flood:
        async def acts(self) -> AsyncGenerator[Act]:
            for number in range(1_000):
                given.append(number)
                yield Say(1, "More. ", is_complete=False)

        async def work(self) -> None: ...

        async def send(self, event: ReplyWanted | TranscriptChanged) -> None: ...

        async def close(self) -> None: ...

        async def hang_up(self) -> None: ...

    outbox, server = Outbox(), OwnServer(ChangeAgent("agent_bo", 0), Flood())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, outbox)
        await server.take_over(TranscriptChanged((), ()))
        await anyio.sleep(1)
        assert len(given) == 1
        async with aclosing(outbox.acts()) as acts:
            async for _ in acts:
                if len(given) >= 100:
                    break
        await anyio.sleep(1)
        assert len(given) <= 102
        outbox.close()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("code", "failure"), [(1000, LlmOpenFailed), (1011, LlmRuntimeFailed)])
async def test_a_server_that_leaves_at_once_is_not_there(code: int, failure: type[CallFailed]) -> None:
    class Leaves(FakeLlm):
        async def connect_websocket(self, url: str, *, timeout_s: float) -> FakeSocket:
            socket = await super().connect_websocket(url, timeout_s=timeout_s)
            socket.closes(code)
            return socket

    responder = CustomLlm("wss://bo.example/llm", CALL, Leaves(), Settings(), VirtualClock())
    with pytest.raises(failure):
        await responder.open()


async def test_a_server_that_cannot_be_reached_is_tried_as_at_the_beginning_of_a_call() -> None:
    server = FakeLlm(opens=[REFUSED, REFUSED, REFUSED])
    responder = CustomLlm("wss://bo.example/llm", CALL, server, Settings(), VirtualClock())
    with pytest.raises(LlmOpenFailed):
        await responder.open()
    assert server.tried_at_s == pytest.approx([0, 3, 6], abs=0.01)


async def test_a_server_that_was_kept_waiting_has_not_been_lost() -> None:
    keeps_alive = {"response_type": "config", "config": {"auto_reconnect": True}}
    server = FakeLlm(reacts=answers, greeting=[keeps_alive])
    one = wanting_a_table(server, PASSES_ON, until_s=24, takes_s=1.5)
    one.call.user_says(" ".join(["well"] * 40), at_s=4.5)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Bo answers 2."
    assert len(server.sockets) == 1
