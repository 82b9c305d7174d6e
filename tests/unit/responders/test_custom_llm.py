"""The LLM websocket over time: opening, keepalive, reconnects, close codes, stale replies; on virtual time."""

from contextlib import aclosing
from typing import Any

import anyio
import pytest

from retold.domain.call import Call
from retold.domain.reasons import CallStatus
from retold.domain.transcript import ToolCallInvocation, Utterance
from retold.errors import (
    AddressRefused,
    CallFailed,
    ConnectFailed,
    LlmConnectionLost,
    LlmCorruptPayload,
    LlmOpenFailed,
    LlmRuntimeFailed,
)
from retold.ports import (
    ChangeRules,
    ForwardMetadata,
    HangUp,
    ReplyKind,
    ReplyWanted,
    RoundTrip,
    Say,
    ToolInvoked,
    Traffic,
    TranscriptChanged,
    Turn,
)
from retold.responders.custom_llm import CustomLlm, address_for
from retold.settings import Settings
from support.fake_llm import FakeLlm, FakeSocket, heard_from
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

CALL = Call(call_id="call_1", agent_id="agent_1", access_token="secret", call_status=CallStatus.ONGOING)
HELLO = Utterance(role="agent", content="Hello.", words=(), response_id=0)
QUESTION = Utterance(role="user", content="When?", words=())
TOOL = ToolCallInvocation(tool_call_id="t1", name="look", arguments="{}")
REFUSED = ConnectFailed("connection refused")
KEEPALIVE = {"auto_reconnect": True}


def responder(server: FakeLlm) -> CustomLlm:
    return CustomLlm("wss://brain.example/llm", CALL, server, Settings(), VirtualClock())


def request(response_id: int, kind: ReplyKind = ReplyKind.RESPONSE) -> ReplyWanted:
    return ReplyWanted(response_id, kind, [HELLO, QUESTION], [HELLO, TOOL, QUESTION])


def says(socket: FakeSocket, response_id: int, content: str, *, complete: bool = False, **more: Any) -> None:
    socket.says("response", response_id=response_id, content=content, content_complete=complete, **more)


async def soon() -> None:
    await anyio.sleep(0.01)


# --- address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("wss://b.example/llm", "wss://b.example/llm/call_1"),
        ("wss://b.example/llm/", "wss://b.example/llm/call_1"),
        ("wss://b.example", "wss://b.example/call_1"),
        ("wss://b.example/?key=1&x=2", "wss://b.example/call_1?key=1&x=2"),
        ("wss://b.example/llm?", "wss://b.example/llm/call_1?"),
        ("wss://b.example/llm#part", "wss://b.example/llm/call_1"),
        ("wss://b.example/{{ tenant }}?n={{name}}", "wss://b.example/a/b/call_1?n=J%C3%BCrgen%20%26%20Co%3F%23%40"),
        ("wss://b.example/{{missing}}/llm", "wss://b.example/{{missing}}/llm/call_1"),
        ("wss://{{host}}/llm", "wss://b.example:9000/llm/call_1"),
        ("retold://demo-brain", "retold://demo-brain/call_1"),
    ],
)
def test_the_call_id_and_variables_go_into_the_address(url: str, address: str) -> None:
    variables = {"tenant": "a/b", "name": "Jürgen & Co?#@", "host": "b.example:9000"}
    assert address_for(url, CALL.model_copy(update={"retell_llm_dynamic_variables": variables})) == address


# --- opening ----------------------------------------------------------------------------------


async def test_three_attempts_three_seconds_apart_then_open_fails() -> None:
    server = FakeLlm(opens=[60.0, REFUSED, 60.0, 0.0])
    async with heard_from(responder(server)) as heard:
        await anyio.sleep(60)
    assert isinstance(heard.failure, LlmOpenFailed)
    assert server.tried_at_s == pytest.approx([0, 10, 13], abs=0.01)
    assert heard.notes() == [
        "LLM Ws init attempt 0",
        "LLM Ws init timeout on attempt 0",
        "LLM Ws init attempt 1",
        "LLM Ws init failed on attempt 1: connection refused",
        "LLM Ws init attempt 2",
        "LLM Ws init timeout on attempt 2",
        "Ws max retry attempt reached",
    ]


async def test_a_late_attempt_may_succeed() -> None:
    server = FakeLlm(opens=[REFUSED, REFUSED, 6.9])
    async with heard_from(responder(server)) as heard:
        await anyio.sleep(20)
        assert heard.failure is None
        assert heard.notes()[-1] == "LLM ws open"
    assert server.sockets[0].closed_with == 1000


async def test_a_refused_address_is_tried_once() -> None:
    server = FakeLlm(opens=[AddressRefused("crm.lan resolves to 10.0.0.1")])
    async with heard_from(responder(server)) as heard:
        await anyio.sleep(20)
    assert isinstance(heard.failure, LlmOpenFailed)
    assert "crm.lan resolves to 10.0.0.1" in str(heard.failure)
    assert len(server.urls) == 1


@pytest.mark.parametrize("at_s", [1.0, 8.0], ids=["in an attempt", "between attempts"])
async def test_a_call_that_ends_while_opening_stops_at_once(at_s: float) -> None:
    server = FakeLlm(opens=[60.0, 60.0])
    llm = responder(server)
    async with heard_from(llm) as heard:
        await anyio.sleep(at_s)
        await llm.close()
        await soon()
        assert heard.is_over
        assert heard.failure is None


# --- talking ----------------------------------------------------------------------------------


async def test_without_config_only_the_plain_transcript_is_sent() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm):
        await llm.send(TranscriptChanged([HELLO], [HELLO], Turn.USER))
        await llm.send(request(1))
        await anyio.sleep(30)
    assert server.sockets[0].sent == [
        {"interaction_type": "update_only", "turntaking": "user_turn", "transcript": [HELLO.wire()]},
        {
            "interaction_type": "response_required",
            "response_id": 1,
            "transcript": [HELLO.wire(), QUESTION.wire()],
        },
    ]


async def test_config_brings_call_details_once_and_tool_calls_and_pings() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        config = {"auto_reconnect": True, "call_details": True, "transcript_with_tool_calls": True}
        server.sockets[0].says("config", config=config)
        await soon()
        await llm.send(request(1, ReplyKind.REMINDER))
        await anyio.sleep(5)
    socket = server.sockets[0]
    (details,) = socket.of_type("call_details")
    assert details["call"]["call_status"] == "registered"
    assert details["call"]["call_id"] == "call_1"
    assert socket.of_type("reminder_required")[0]["transcript_with_tool_calls"][1] == TOOL.wire()
    assert [ping["timestamp"] for ping in socket.of_type("ping_pong")] == pytest.approx(
        [socket.of_type("ping_pong")[0]["timestamp"] + offset_ms for offset_ms in (0, 2000, 4000)], abs=2
    )
    assert len(heard.of(RoundTrip)) == 3
    assert "secret" not in str(heard.of(Traffic))


async def test_the_round_trip_is_measured_from_echoed_timestamps_only() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        socket = server.sockets[0]
        socket.answers_pings = False
        socket.says("config", config=KEEPALIVE)
        await anyio.sleep(0.15)
        socket.says("ping_pong", timestamp=socket.of_type("ping_pong")[0]["timestamp"])
        socket.says("ping_pong", timestamp=12345)
        await soon()
    (trip,) = heard.of(RoundTrip)
    assert trip.rtt_ms == pytest.approx(150, abs=1)


async def test_every_kind_of_act_arrives_in_order_with_its_traffic() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        socket = server.sockets[0]
        says(socket, 0, "Hi", complete=True)
        socket.says("tool_call_invocation", tool_call_id="t", name="n", arguments="{}")
        socket.says("metadata", metadata=[1])
        socket.says("update_agent", agent_config={"responsiveness": 0.5})
        socket.says("agent_interrupt", interrupt_id=4, content="Wait", content_complete=True)
        await soon()
    assert [act for act in heard.acts if not isinstance(act, Traffic)] == [
        Say(0, "Hi", is_complete=True),
        ToolInvoked("t", "n", "{}"),
        ForwardMetadata([1]),
        ChangeRules(responsiveness=0.5),
        Say(0, "Wait", is_complete=True, interrupt_id=4),
    ]
    assert sum(act.direction == "received" for act in heard.of(Traffic)) == 5


@pytest.mark.parametrize("frame", ["nonsense", '{"response_type":"response","response_id":"1"}', "{}", "[" * 9999])
async def test_a_wrong_message_is_noted_and_the_call_goes_on(frame: str) -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        server.sockets[0].says_raw(frame)
        says(server.sockets[0], 0, "Hi", complete=True)
        await soon()
        assert not heard.is_over
    assert heard.of(Say) == [Say(0, "Hi", is_complete=True)]
    assert heard.notes()[-1].startswith("Error in parsing LLM websocket message: ")


async def test_answers_to_older_requests_and_after_completion_are_dropped() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        socket = server.sockets[0]
        await llm.send(request(1))
        await llm.send(request(2))
        await soon()
        for response_id in (0, 1, 3, -1):
            says(socket, response_id, "stale")
        says(socket, 2, "good ")
        says(socket, 2, "answer", complete=True)
        says(socket, 2, "too late")
        await soon()
    assert [say.text for say in heard.of(Say)] == ["good ", "answer"]
    assert sum(note.startswith("dropped: ") for note in heard.notes()) == 5


async def test_an_update_does_not_void_the_pending_request() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        await llm.send(request(1))
        await llm.send(TranscriptChanged([HELLO], [HELLO]))
        await soon()
        says(server.sockets[0], 1, "answer", complete=True)
        await soon()
    assert len(heard.of(Say)) == 1


async def test_an_interrupt_is_over_when_complete_and_another_id_begins_one() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        for interrupt_id, content, is_complete in [(1, "a", False), (1, "b", True), (1, "c", True), (2, "d", True)]:
            server.sockets[0].says(
                "agent_interrupt", interrupt_id=interrupt_id, content=content, content_complete=is_complete
            )
        await soon()
    assert [say.text for say in heard.of(Say)] == ["a", "b", "d"]


async def test_changes_that_cannot_be_sent_yet_shrink_to_the_newest() -> None:
    server = FakeLlm(opens=[2.0])
    llm = responder(server)
    async with heard_from(llm):
        for count in range(100):
            await llm.send(TranscriptChanged([HELLO] * count, [], Turn.USER if count == 50 else None))
            await llm.send(request(count + 1))
        await anyio.sleep(3)
    update, wanted = server.sockets[0].sent
    assert (len(update["transcript"]), update["turntaking"]) == (99, "user_turn")
    assert wanted["response_id"] == 100


async def test_what_is_sent_is_logged_when_it_is_sent_and_not_when_an_answer_comes() -> None:
    server = FakeLlm()
    async with heard_from(agent := responder(server)) as heard:
        await agent.send(request(1))
        await soon()
        assert [act.text for act in heard.of(Traffic) if "response_required" in act.text]


async def test_the_log_holds_only_the_last_two_utterances_of_what_is_sent() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        await llm.send(ReplyWanted(1, ReplyKind.RESPONSE, [HELLO] * 5 + [QUESTION], []))
        await soon()
    (sent,) = [act.text for act in heard.of(Traffic) if act.direction == "sent"]
    assert sent.count('"role"') == 2
    assert len(server.sockets[0].sent[0]["transcript"]) == 6


# --- the end of a connection ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (1005, LlmOpenFailed),
        (1001, LlmRuntimeFailed),
        (1002, LlmRuntimeFailed),
        (1007, LlmRuntimeFailed),
        (1009, LlmRuntimeFailed),
        (1011, LlmRuntimeFailed),
        (1012, LlmRuntimeFailed),
        (3000, LlmRuntimeFailed),
        (4000, LlmRuntimeFailed),
    ],
)
async def test_the_servers_close_code_decides(code: int, failure: type[CallFailed]) -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        server.sockets[0].closes(code)
        await anyio.sleep(30)
    assert type(heard.failure) is failure
    assert f"LLM ws closed: {code}" in heard.notes()
    assert len(server.urls) == 1


async def test_a_normal_close_hangs_up() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        says(server.sockets[0], 0, "Bye.", complete=True)
        server.sockets[0].closes(1000)
        await soon()
        assert heard.is_over
    assert heard.failure is None
    assert [act for act in heard.acts if not isinstance(act, Traffic)] == [Say(0, "Bye.", is_complete=True), HangUp()]


async def test_a_binary_frame_is_answered_with_1007() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        server.sockets[0].says_raw(b"{}")
        await soon()
    assert isinstance(heard.failure, LlmCorruptPayload)
    assert server.sockets[0].closed_with == 1007


@pytest.mark.parametrize("code", [1002, 1007, 1009])
async def test_what_the_websocket_itself_refuses_is_a_corrupt_payload(code: int) -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        server.sockets[0].closes(code, is_our_refusal=True)
        await soon()
    assert isinstance(heard.failure, LlmCorruptPayload)


async def test_the_end_of_the_call_closes_with_1000() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        await llm.close()
        await soon()
        assert heard.is_over
    assert server.sockets[0].closed_with == 1000
    assert heard.failure is None


async def test_a_consumer_that_is_cancelled_leaves_with_1000_too() -> None:
    server = FakeLlm()
    async with anyio.create_task_group() as tasks:

        async def consume() -> None:
            async with aclosing(responder(server).acts()) as acts:
                async for _ in acts:
                    pass

        tasks.start_soon(consume)
        await soon()
        tasks.cancel_scope.cancel()
    assert server.sockets[0].closed_with == 1000


async def test_a_consumer_that_leaves_after_an_act_leaves_with_1000_too() -> None:
    server = FakeLlm()
    async with aclosing(responder(server).acts()) as acts:
        async for act in acts:
            if act == Traffic("note", "LLM ws open"):
                break
    assert server.sockets[0].closed_with == 1000


# --- reconnecting -----------------------------------------------------------------------------


async def test_a_cut_connection_is_reopened_twice_then_runtime_fails() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        for _ in range(3):
            server.sockets[-1].closes(1006)
            await soon()
    assert isinstance(heard.failure, LlmRuntimeFailed)
    assert len(server.urls) == 3
    assert heard.notes().count("Got 1006 and reconnecting") == 2
    assert heard.notes()[-1] == "Ws max retry attempt reached"


async def test_failed_reconnects_use_up_the_budget_too() -> None:
    server = FakeLlm(opens=[0.0, REFUSED, REFUSED, 0.0])
    async with heard_from(responder(server)) as heard:
        server.sockets[0].closes(1006)
        await anyio.sleep(60)
    assert isinstance(heard.failure, LlmRuntimeFailed)
    assert server.tried_at_s[1:] == pytest.approx([0.001, 3.001], abs=0.01)


async def test_silence_of_five_seconds_reconnects_twice_then_the_connection_is_lost() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        for number in range(3):
            server.sockets[number].answers_pings = False
            if number == 0:
                server.sockets[0].says("config", config=KEEPALIVE)
            await anyio.sleep(4.9)
            assert len(server.urls) == number + 1
            await anyio.sleep(0.12)
    assert isinstance(heard.failure, LlmConnectionLost)
    assert [socket.closed_with for socket in server.sockets] == [1000, 1000, 1000]
    assert "no ping_pong from the LLM server in time, reconnecting" in heard.notes()


async def test_a_late_pong_within_five_seconds_keeps_the_connection() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        socket = server.sockets[0]
        socket.answers_pings = False
        socket.says("config", config=KEEPALIVE)
        for _ in range(5):
            await anyio.sleep(4.5)
            socket.says("ping_pong", timestamp=1)
        assert not heard.is_over
    assert len(server.urls) == 1


async def test_without_auto_reconnect_silence_is_fine() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)) as heard:
        await anyio.sleep(600)
        assert not heard.is_over
    assert server.sockets[0].sent == []


async def test_a_server_that_does_not_read_is_lost() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        server.sockets[0].is_stuck = True
        await llm.send(request(1))
        await anyio.sleep(5.1)
        assert "the LLM server does not read what it is sent, reconnecting" in heard.notes()
        assert [message["response_id"] for message in server.sockets[1].sent] == [1]


async def test_after_a_reconnect_the_pending_request_is_sent_again_and_config_honoured_again() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        first = server.sockets[0]
        first.says("config", config={"call_details": True})
        says(first, 0, "Hello.", complete=True)
        await soon()
        await llm.send(request(1))
        await soon()
        first.closes(1006)
        await soon()
        second = server.sockets[1]
        second.says("config", config={"call_details": True, "transcript_with_tool_calls": True})
        says(second, 0, "Hello.", complete=True)
        says(second, 1, "Answer.", complete=True)
        await soon()
        await llm.send(request(2))
        await soon()
    assert [message["interaction_type"] for message in second.sent] == [
        "response_required",
        "call_details",
        "response_required",
    ]
    assert [message["response_id"] for message in second.of_type("response_required")] == [1, 2]
    assert "transcript_with_tool_calls" in second.sent[2]
    assert [say.text for say in heard.of(Say)] == ["Hello.", "Answer."]


async def test_an_answered_request_is_not_sent_again() -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm):
        await llm.send(request(1))
        await soon()
        says(server.sockets[0], 1, "Answer.", complete=True)
        server.sockets[0].closes(1006)
        await soon()
        assert server.sockets[1].sent == []


@pytest.mark.parametrize(
    ("again", "heard_in_all"),
    [
        (["On Tuesday ", "at ten."], ["On Tuesday ", "", "at ten."]),
        (["On Tues", "day at ten."], ["On Tuesday ", "", "at ten."]),
        (["On Tuesday"], ["On Tuesday ", ""]),
        (["Let me see. "], ["On Tuesday ", "Let me see. "]),
        (["On ", "Friday."], ["On Tuesday ", "", "On Friday."]),
    ],
    ids=["same chunks", "other chunks", "shorter", "other words", "other words later"],
)
async def test_what_was_said_before_a_reconnect_is_not_said_twice(again: list[str], heard_in_all: list[str]) -> None:
    server = FakeLlm()
    llm = responder(server)
    async with heard_from(llm) as heard:
        await llm.send(request(1))
        await soon()
        says(server.sockets[0], 1, "On Tuesday ")
        server.sockets[0].closes(1006)
        await soon()
        for chunk in again:
            says(server.sockets[1], 1, chunk)
        says(server.sockets[1], 1, "", complete=True)
        await soon()
    assert [say.text for say in heard.of(Say)] == [*heard_in_all, ""]
    assert heard.of(Say)[-1].is_complete


async def test_a_request_made_while_the_connection_is_down_is_sent_when_it_is_back() -> None:
    server = FakeLlm(opens=[0.0, REFUSED])
    llm = responder(server)
    async with heard_from(llm) as heard:
        await llm.send(request(1))
        await soon()
        server.sockets[0].closes(1006)
        await soon()
        await llm.send(request(2))
        await anyio.sleep(5)
        says(server.sockets[1], 1, "old")
        says(server.sockets[1], 2, "right", complete=True)
        await soon()
    assert [message["response_id"] for message in server.sockets[1].sent] == [2]
    assert [say.text for say in heard.of(Say)] == ["right"]


async def test_reconnecting_does_not_wait_for_a_gap() -> None:
    server = FakeLlm()
    async with heard_from(responder(server)):
        await anyio.sleep(1)
        server.sockets[0].closes(1006)
        await soon()
    assert server.tried_at_s == pytest.approx([0, 1.001], abs=0.005)
