"""The LLM websocket over time: addresses, opening, talking, stale replies; on virtual time."""

import anyio
import pytest

from retold.errors import (
    AddressRefused,
    LlmOpenFailed,
)
from retold.ports import (
    ChangeRules,
    ForwardMetadata,
    ReplyKind,
    ReplyWanted,
    RoundTrip,
    Say,
    ToolInvoked,
    Traffic,
    TranscriptChanged,
    Turn,
)
from retold.responders.custom_llm import address_for
from support.fake_llm import FakeLlm, heard_from
from support.llm_calls import CALL, HELLO, KEEPALIVE, QUESTION, REFUSED, TOOL, request, responder, says, soon

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

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
