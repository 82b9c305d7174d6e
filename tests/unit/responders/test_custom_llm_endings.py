"""How the LLM websocket ends and comes back: close codes, keepalive, reconnects; on virtual time."""

from contextlib import aclosing

import anyio
import pytest

from retold.errors import (
    CallFailed,
    LlmConnectionLost,
    LlmCorruptPayload,
    LlmOpenFailed,
    LlmRuntimeFailed,
)
from retold.ports import (
    HangUp,
    Say,
    Traffic,
)
from support.fake_llm import FakeLlm, heard_from
from support.llm_calls import KEEPALIVE, REFUSED, request, responder, says, soon

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

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
