"""The custom LLM responder against a real websocket server that misbehaves: every row of the table of endings.

The table is Retell's "Custom LLM troubleshooting" page. Deadlines are shortened by settings.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from retold.clock import SystemClock
from retold.domain.call import Call
from retold.domain.reasons import DisconnectionReason, reason_for
from retold.outbound import Outbound
from retold.ports import HangUp, ReplyKind, ReplyWanted, RoundTrip, Say, Traffic
from retold.responders.custom_llm import CustomLlm
from retold.settings import Settings
from support.fake_llm import Heard, heard_from
from support.llm_server import Behaviour, Peer, llm_server

pytestmark = pytest.mark.anyio

CALL = Call(call_id="call_1", agent_id="agent_1")
SETTINGS = Settings(
    llm_open_timeout_ms=30_000, llm_retry_gap_ms=20, llm_keepalive_timeout_ms=30_000, llm_ping_interval_ms=100
)
"""Deadlines that no halt of the machine exceeds; the tests of a deadline shorten theirs."""


def responder(url: str, *allowed: str, **shortened: int) -> CustomLlm:
    settings = SETTINGS.model_copy(update=shortened)
    return CustomLlm(url, CALL, Outbound(allowed or ["127.0.0.1"], lambda: None), settings, SystemClock())


def request(response_id: int) -> ReplyWanted:
    return ReplyWanted(response_id, ReplyKind.RESPONSE, [], [])


@asynccontextmanager
async def ended(llm: CustomLlm) -> AsyncGenerator[Heard]:
    """Run the responder until it ends by itself, then look at what it did."""
    async with heard_from(llm) as heard:
        await heard.until(lambda: heard.is_over)
        yield heard


def reason(heard: Heard) -> DisconnectionReason:
    assert heard.failure is not None
    return reason_for(heard.failure)


async def greets(peer: Peer) -> None:
    await peer.replies(0, "Hello.")


async def test_a_server_that_refuses_every_handshake_is_tried_three_times() -> None:
    async with llm_server(refuses=9) as server, ended(responder(server.url)) as heard:
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN
        assert server.handshakes == 3
        assert server.paths[0] == "/llm-websocket/call_1"
        assert heard.notes()[-1] == "Ws max retry attempt reached"


async def test_a_port_where_nobody_listens_is_an_open_error() -> None:
    async with llm_server() as server:
        url = server.url
    async with ended(responder(url)) as heard:
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN


async def test_a_server_that_opens_too_slowly_is_an_open_error() -> None:
    async with (
        llm_server(opens_after_s=5) as server,
        ended(responder(server.url, llm_open_timeout_ms=300)) as heard,
    ):
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN
        assert "LLM Ws init timeout on attempt 0" in heard.notes()


async def test_a_server_that_comes_up_late_is_reached() -> None:
    async with llm_server(greets, refuses=2) as server, heard_from(responder(server.url)) as heard:
        await heard.until(lambda: bool(heard.of(Say)))
        assert heard.of(Say) == [Say(0, "Hello.", is_complete=True)]


async def test_a_private_address_is_refused_unless_listed() -> None:
    async with llm_server(greets) as server, ended(responder(server.url, "crm.lan")) as heard:
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN
        assert "RETOLD_ALLOW_PRIVATE_HOSTS" in str(heard.failure)
        assert server.handshakes == 0


def closes(code: int) -> Behaviour:
    async def close(peer: Peer) -> None:
        await greets(peer)
        await peer.socket.close(code)

    return close


async def closes_without_a_code(peer: Peer) -> None:
    # A close frame with an empty body; the library itself always adds a code.
    peer.socket.transport.write(b"\x88\x00")
    await anyio.sleep(0.5)


@pytest.mark.parametrize(
    ("behaviour", "ending"),
    [
        (closes_without_a_code, DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN),
        (closes(1001), DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME),
        (closes(1008), DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME),
        (closes(1011), DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME),
        (closes(4001), DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME),
    ],
    ids=["1005", "1001", "1008", "1011", "4001"],
)
async def test_a_close_code_has_its_reason(behaviour: Behaviour, ending: DisconnectionReason) -> None:
    async with llm_server(behaviour) as server, ended(responder(server.url)) as heard:
        assert reason(heard) is ending
        assert server.handshakes == 1


async def test_a_close_with_1000_hangs_up() -> None:
    async with llm_server(closes(1000)) as server, ended(responder(server.url)) as heard:
        assert heard.failure is None
        assert isinstance(heard.acts[-1], HangUp)
        assert "LLM ws closed: 1000" in heard.notes()


async def cuts(peer: Peer) -> None:
    peer.cuts()


async def test_a_connection_cut_three_times_is_a_runtime_error() -> None:
    async with llm_server(cuts) as server, ended(responder(server.url)) as heard:
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME
        assert server.handshakes == 3
        assert heard.notes().count("Got 1006 and reconnecting") == 2


async def test_a_cut_connection_is_taken_up_again_with_the_pending_request() -> None:
    async def cuts_when_asked(peer: Peer) -> None:
        await greets(peer)
        await peer.listens(until="response_required")
        peer.cuts()

    async def answers(peer: Peer) -> None:
        await greets(peer)
        asked = await peer.listens(until="response_required")
        await peer.replies(asked["response_id"], "Here I am.")

    async with llm_server(cuts_when_asked, answers) as server:
        llm = responder(server.url)
        async with heard_from(llm) as heard:
            await heard.until(lambda: len(heard.of(Say)) == 1)
            await llm.send(request(1))
            await heard.until(lambda: len(heard.of(Say)) == 2)
        assert [say.text for say in heard.of(Say)] == ["Hello.", "Here I am."]


@pytest.mark.parametrize("payload", [b"\x00\x01", b""], ids=["bytes", "empty"])
async def test_a_binary_frame_is_closed_with_1007(payload: bytes) -> None:
    async def sends_binary(peer: Peer) -> None:
        await peer.socket.send(payload)

    async with llm_server(sends_binary) as server:
        async with ended(responder(server.url)) as heard:
            assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD
        await server.until(lambda: bool(server.close_codes))
        assert server.close_codes == [1007]


@pytest.mark.parametrize(
    ("frame", "code"),
    [("x" * (2 << 20), 1009), (b"\xff\xfe\xfd", 1007)],
    ids=["2 MB", "bad UTF-8"],
)
async def test_a_frame_the_websocket_refuses_is_a_corrupt_payload(frame: str | bytes, code: int) -> None:
    async def sends_it(peer: Peer) -> None:
        await peer.socket.send(frame, text=True)

    async with llm_server(sends_it) as server:
        async with ended(responder(server.url)) as heard:
            assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD
        await server.until(lambda: bool(server.close_codes))
        assert server.close_codes == [code]


async def test_bytes_that_are_no_websocket_frame_are_a_corrupt_payload() -> None:
    async def sends_rubbish(peer: Peer) -> None:
        peer.socket.transport.write(b"\xff" * 64)
        await anyio.sleep(0.5)

    async with llm_server(sends_rubbish) as server, ended(responder(server.url)) as heard:
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD


async def test_garbage_and_wrong_types_and_stale_ids_do_not_end_the_call() -> None:
    async def stammers(peer: Peer) -> None:
        await peer.socket.send("{not json")
        await peer.socket.send("")
        await peer.says("unheard_of")
        await peer.says("response", response_id="0", content="no", content_complete=True)
        await peer.says("response", response_id=0, content=5, content_complete=True)
        await peer.replies(7, "not asked yet")
        await peer.replies(0, "Hello.")
        await peer.replies(0, "Hello again.")

    async with llm_server(stammers) as server, heard_from(responder(server.url)) as heard:
        await heard.until(lambda: sum(note.startswith("dropped") for note in heard.notes()) == 2)
        assert heard.of(Say) == [Say(0, "Hello.", is_complete=True)]
        assert sum(note.startswith("Error in parsing LLM websocket message") for note in heard.notes()) == 5


async def asks_for_keepalive(peer: Peer) -> None:
    await peer.says("config", config={"auto_reconnect": True})


async def test_a_server_that_never_answers_pings_loses_the_connection() -> None:
    async with (
        llm_server(asks_for_keepalive) as server,
        ended(responder(server.url, llm_keepalive_timeout_ms=600)) as heard,
    ):
        assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_LOST_CONNECTION
        assert server.handshakes == 3


async def test_late_pongs_keep_the_connection_and_are_measured() -> None:
    async def answers_late(peer: Peer) -> None:
        await asks_for_keepalive(peer)
        while True:
            ping = await peer.listens(until="ping_pong")
            await anyio.sleep(0.06)
            await peer.says("ping_pong", timestamp=ping["timestamp"])

    async with llm_server(answers_late) as server, heard_from(responder(server.url)) as heard:
        await heard.until(lambda: len(heard.of(RoundTrip)) >= 4)
        assert not heard.is_over
        assert server.handshakes == 1
        assert all(60 <= trip.rtt_ms < 30_000 for trip in heard.of(RoundTrip))


async def test_a_server_that_never_says_anything_is_left_with_1000_when_the_call_ends() -> None:
    async with llm_server() as server:
        llm = responder(server.url)
        async with heard_from(llm) as heard:
            await llm.send(request(1))
            await server.until(lambda: bool(server.peers and server.peers[0].heard))
        assert heard.failure is None
        await server.until(lambda: bool(server.close_codes))
        assert server.close_codes == [1000]
        assert [message["response_id"] for message in server.peers[0].heard] == [1]


async def test_a_redirect_is_not_followed() -> None:
    async with llm_server(greets) as goal, llm_server(redirects_to=goal.url) as server:
        async with ended(responder(server.url)) as heard:
            assert reason(heard) is DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN
        assert (server.handshakes, goal.handshakes) == (3, 0)


async def test_the_traffic_both_ways_is_there_for_the_log() -> None:
    async def converses(peer: Peer) -> None:
        await peer.says("config", config={"call_details": True})
        await peer.listens(until="call_details")
        await greets(peer)

    async with llm_server(converses) as server, heard_from(responder(server.url)) as heard:
        await heard.until(lambda: bool(heard.of(Say)))
        lines = [(act.direction, act.text) for act in heard.of(Traffic)]
    assert [direction for direction, _ in lines] == ["note", "note", "received", "sent", "received"]
    assert json.loads(lines[3][1])["call"]["call_id"] == "call_1"
