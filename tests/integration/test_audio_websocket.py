"""The audio websocket of a real server: every rule of the wire, with scripted speech and a scripted brain."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest

from retold.audio.g711 import ulaw_to_pcm
from support.audio_client import AudioClient, audio_client, tone
from support.llm_server import Peer, llm_server
from support.patience import PATIENCE_S, undisturbed
from support.server import ServerProcess, running_server

pytestmark = pytest.mark.anyio

REJOIN_MS = 6_000
"""Longer than anybody stands still."""
LEAST_AHEAD_MS = 100 - 40
"""The server's lead, less a message of two frames that did not fit into it."""
GREETING = "hello this is a rather long greeting that goes on for quite a while so there is time to interrupt it"
FIRST_TONE_HZ = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("audio") / "data"
    with running_server(folder, env={"RETOLD_REJOIN_TIMEOUT_MS": str(REJOIN_MS)}) as process:
        yield process


async def parrot(peer: Peer) -> None:
    """Greet, then answer every request."""
    await peer.replies(0, GREETING)
    await peer.says("metadata", metadata={"page": 2})
    while True:
        wanted = await peer.listens(until="response_required")
        await peer.replies(wanted["response_id"], "all right")


class House:
    """The server under test with one agent on it."""

    def __init__(self, server: ServerProcess, http: httpx2.AsyncClient, agent_id: str) -> None:
        self.server = server
        self.http = http
        self.agent_id = agent_id

    async def web_call(self) -> str:
        return await self._post("/v2/create-web-call", {"agent_id": self.agent_id})

    async def registered_call(self, encoding: str, rate_hz: int) -> str:
        body = {
            "agent_id": self.agent_id,
            "audio_websocket_protocol": "web",
            "audio_encoding": encoding,
            "sample_rate": rate_hz,
        }
        return await self._post("/register-call", body)

    def address(self, call_id: str, query: str = "") -> str:
        return f"{self.server.ws_url}/audio-websocket/{call_id}{query}"

    async def ended_call(self, call_id: str) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_S):
            while True:
                call = (await self.http.get(f"/v2/get-call/{call_id}")).json()
                if call["call_status"] not in {"registered", "ongoing"}:
                    return call
                await anyio.sleep(0.05)

    async def _post(self, path: str, body: dict[str, Any]) -> str:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["call_id"]


@asynccontextmanager
async def house(server: ServerProcess) -> AsyncGenerator[House]:
    async with (
        llm_server(parrot) as brain,
        httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http,
    ):
        answer = await http.post(
            "/create-agent",
            json={
                "voice_id": "default",
                "response_engine": {"type": "custom-llm", "llm_websocket_url": brain.url},
            },
        )
        assert answer.status_code == 201, answer.text
        yield House(server, http, answer.json()["agent_id"])


def audio_ms(client: AudioClient, rate_hz: int = 24_000) -> float:
    return sum(len(chunk) for _, chunk in client.audio) * 1000 / (2 * rate_hz)


async def test_agent_audio_is_never_more_than_300_ms_ahead(server: ServerProcess) -> None:
    async with house(server) as place:
        ahead_ms = await undisturbed(lambda: max_ahead_ms(place), lambda seen_ms: LEAST_AHEAD_MS < seen_ms <= 300)
    assert LEAST_AHEAD_MS < ahead_ms <= 300


@pytest.mark.alone
async def test_a_client_that_asks_for_more_gets_just_that(server: ServerProcess) -> None:
    async with house(server) as place:
        ahead_ms = await undisturbed(
            lambda: max_ahead_ms(place, "?lead_ms=1500"), lambda seen_ms: 1_300 <= seen_ms <= 1_510
        )
    assert 1_300 <= ahead_ms <= 1_510


async def max_ahead_ms(place: House, query: str = "") -> float:
    """How much more audio than time there was since the first frame of a call came, at the most."""
    async with audio_client(place.address(await place.web_call(), query)) as caller:
        await caller.until(lambda: audio_ms(caller) > 3_000)
    first_s, sent_ms, ahead_ms = caller.audio[0][0], 0.0, 0.0
    for at_s, chunk in caller.audio:
        sent_ms += len(chunk) * 1000 / 48_000
        ahead_ms = max(ahead_ms, sent_ms - (at_s - first_s) * 1000)
    return ahead_ms


async def test_ping_is_answered_by_pong(server: ServerProcess) -> None:
    async with house(server) as place, audio_client(place.address(await place.web_call())) as caller:
        for count in (1, 2):
            await caller.socket.send("ping")
            await caller.until(lambda wanted=count: caller.texts.count("pong") == wanted)


async def test_interruption_clears_what_is_buffered(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: audio_ms(caller) > 500)
            caller.say(tone(2_000, 24_000))
            await caller.until(lambda: "clear" in caller.texts)
        call = await place.ended_call(call_id)
    assert call["disconnection_reason"] == "user_hangup"
    [greeting] = [item for item in call["transcript_object"] if item["content"].startswith("hello")][:1]
    assert len(greeting["content"]) < len(GREETING)


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"\x00", id="half a sample"),
        pytest.param(b"", id="empty"),
        pytest.param(bytes(24_000 * 2), id="a second at once"),
        pytest.param('{"event": "start"}', id="unknown text"),
    ],
)
async def test_malformed_frame_ends_the_call(server: ServerProcess, nonsense: str | bytes) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
            await caller.socket.send(nonsense)
            code, _ = await caller.closed()
        call = await place.ended_call(call_id)
    assert code == 1007
    assert (call["call_status"], call["disconnection_reason"]) == ("error", "error_frontend_corrupted_payload")


PART = 32 * 1024
MASK = bytes(4)
"""A mask that changes nothing."""


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(b"\x82\xff" + (3_000_000).to_bytes(8) + MASK, id="in one frame"),
        pytest.param(
            b"\x02\xfe"
            + PART.to_bytes(2)
            + MASK
            + bytes(PART)
            + (b"\x00\xfe" + PART.to_bytes(2) + MASK + bytes(PART)) * 31
            + b"\x80\xfe"
            + PART.to_bytes(2)
            + MASK,
            id="in parts",
        ),
    ],
)
async def test_a_message_over_the_limit_is_refused_by_its_header(server: ServerProcess, frames: bytes) -> None:
    # They end with a header, and nobody talks: the server reads no further and closes, and what it has not read
    # becomes a reset, in which a caller that is still sending would lose the close code.
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id), is_talking=False) as caller:
            await caller.until(lambda: bool(caller.audio))
            caller.socket.transport.write(frames)
            code, _ = await caller.closed()
        call = await place.ended_call(call_id)
    assert code == 1009
    assert (call["call_status"], call["disconnection_reason"]) == ("error", "error_frontend_corrupted_payload")


async def test_unknown_call_is_refused_with_a_reason(server: ServerProcess) -> None:
    async with house(server) as place, audio_client(place.address("call_none"), is_talking=False) as caller:
        code, reason = await caller.closed()
    assert code == 1008
    assert "no call" in reason


async def test_finished_call_is_refused_with_a_reason(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
        await place.ended_call(call_id)
        async with audio_client(place.address(call_id), is_talking=False) as late:
            code, reason = await late.closed()
    assert code == 1008
    assert "over" in reason


async def test_second_socket_is_refused_and_the_first_goes_on(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
            async with audio_client(place.address(call_id), is_talking=False) as other:
                code, reason = await other.closed()
            heard_ms = audio_ms(caller)
            await caller.until(lambda: audio_ms(caller) > heard_ms + 200)
        call = await place.ended_call(call_id)
    assert (code, reason) == (1008, "the call is connected already, or over")
    assert call["disconnection_reason"] == "user_hangup"


async def test_cut_socket_comes_back_and_the_call_goes_on(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
            caller.cut()
        await anyio.sleep(0.5)
        async with audio_client(place.address(call_id)) as back:
            await back.until(lambda: audio_ms(back) > 500)
            await back.socket.send("ping")
            await back.until(lambda: "pong" in back.texts)
        call = await place.ended_call(call_id)
    assert call["disconnection_reason"] == "user_hangup"
    assert call["duration_ms"] >= 1_000


async def test_cut_socket_that_stays_away_ends_the_call_as_a_hang_up(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
            cut_s = time.monotonic()
            caller.cut()
        call = await place.ended_call(call_id)
    assert call["disconnection_reason"] == "user_hangup"
    assert time.monotonic() - cut_s >= REJOIN_MS / 1000 - 0.1


async def test_close_without_code_hangs_up_at_once(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id)) as caller:
            await caller.until(lambda: bool(caller.audio))
            closed_s = time.monotonic()
            await caller.socket.close(code=1001)
            call = await place.ended_call(call_id)
    assert call["disconnection_reason"] == "user_hangup"
    assert time.monotonic() - closed_s < REJOIN_MS / 1000


@pytest.mark.parametrize(
    ("encoding", "rate_hz"),
    [("s16le", 8_000), ("s16le", 16_000), ("s16le", 44_100), ("s16le", 48_000), ("mulaw", 8_000)],
    ids=str,
)
async def test_agent_speaks_at_the_rate_and_encoding_of_the_call(
    server: ServerProcess, encoding: str, rate_hz: int
) -> None:
    is_mulaw = encoding == "mulaw"
    async with house(server) as place:
        call_id = await place.registered_call(encoding, rate_hz)
        async with audio_client(place.address(call_id), rate_hz=rate_hz, is_mulaw=is_mulaw) as caller:
            await caller.until(lambda: sum(len(chunk) for _, chunk in caller.audio) > rate_hz)
    sound = b"".join(chunk for _, chunk in caller.audio)
    samples = np.frombuffer(ulaw_to_pcm(sound) if is_mulaw else sound, dtype="<i2").astype(np.float64)
    first = samples[np.argmax(np.abs(samples) > 1_000) :][: rate_hz * 150 // 1000]
    loudest_hz = np.argmax(np.abs(np.fft.rfft(first))) * rate_hz / len(first)
    assert loudest_hz == pytest.approx(FIRST_TONE_HZ, abs=15)


@pytest.mark.parametrize("wants_updates", [False, True], ids=["default", "enable_update"])
async def test_update_events_are_for_those_who_ask(server: ServerProcess, wants_updates: bool) -> None:
    query = "?enable_update=true" if wants_updates else ""
    async with house(server) as place, audio_client(place.address(await place.web_call(), query)) as caller:
        await caller.until(lambda: audio_ms(caller) > 1_000)
        kinds = {event["event_type"] for event in caller.events}
        updates = [event for event in caller.events if event["event_type"] == "update"]
    assert kinds == ({"update", "metadata"} if wants_updates else {"metadata"})
    if wants_updates:
        assert updates[-1]["transcript"][-1]["role"] == "agent"
        assert GREETING.startswith(updates[-1]["transcript"][-1]["content"])


async def test_alignment_sends_words_with_their_audio(server: ServerProcess) -> None:
    async with house(server) as place:
        call_id = await place.web_call()
        async with audio_client(place.address(call_id, "?enable_audio_alignment=true")) as caller:
            await caller.until(lambda: sum("audio" in event for event in caller.events) > 40)
            spoken = " ".join(event["text"] for event in caller.events if event.get("text"))
    assert caller.audio == []
    assert GREETING.startswith(" ".join(spoken.split()))
    assert spoken.startswith("hello this")
