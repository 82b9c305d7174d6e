"""The record of one finished call, field by field as the "Get Call" page names them, and what is never recorded."""

import io
import itertools
import re
import time
import wave
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from support.audio_client import AudioClient, tone
from support.customer import Customer, customer_of
from support.invariants import check_call, check_files, contains
from support.llm_server import LlmServer, Peer, llm_server
from support.server import running_server

pytestmark = pytest.mark.anyio

GREETING = "Good morning and welcome."
FIRST_HALF = (
    "Let me look that up for you right away. One moment please, because the book of the whole practice is rather long,"
    " and I turn its pages one by one."
)
"""So long that a tool call which belongs into it does so also when somebody stands still for seconds."""
SECOND_HALF = "Friday is free."
USER_TEXT = "I would like to come on Friday."
ARGUMENTS = '{"day": "Friday"}'
RESULT = '{"free": true}'
METADATA = {"customer": "cust_77", "nested": {"list": [1, 2, None]}}
VARIABLES = {"first_name": "Zoë"}
CANARY = "quetzalcoatl"
CONFIG = {"auto_reconnect": True, "call_details": True, "transcript_with_tool_calls": True}
TOLERANCE_MS = 20
LOG_LINE = re.compile(r"^\[(\d\d):(\d\d)\.(\d{3})\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S.*$")


@dataclass
class Receptionist:
    """A brain that answers with a tool call in the middle of what is spoken: when the test says where that is."""

    may_invoke: anyio.Event = field(default_factory=anyio.Event)
    may_succeed: anyio.Event = field(default_factory=anyio.Event)

    async def attend(self, peer: Peer) -> None:
        """Greet, and look up what is asked."""
        await peer.says("config", config=CONFIG)
        await peer.replies(0, GREETING)
        async with anyio.create_task_group() as tasks:
            async for frame in peer.socket:
                message = peer.hear(frame)
                if message["interaction_type"] == "ping_pong":
                    await peer.says("ping_pong", timestamp=message["timestamp"])
                elif message["interaction_type"] == "response_required":
                    tasks.start_soon(self._answer, peer, message["response_id"])

    async def _answer(self, peer: Peer, response_id: int) -> None:
        await peer.replies(response_id, FIRST_HALF, complete=False)
        await self.may_invoke.wait()
        await peer.says("tool_call_invocation", tool_call_id="t1", name="look_up", arguments=ARGUMENTS)
        await self.may_succeed.wait()
        await peer.says("tool_call_result", tool_call_id="t1", content=RESULT, successful=True)
        await peer.replies(response_id, SECOND_HALF)


async def indiscreet(peer: Peer) -> None:
    """Says the canary in every way it can."""
    await peer.replies(0, f"{CANARY} one two three")
    wanted = await peer.listens(until="response_required")
    await peer.says("tool_call_invocation", tool_call_id=CANARY, name="look_up", arguments=CANARY)
    await peer.says("tool_call_result", tool_call_id=CANARY, content=CANARY, successful=True)
    await peer.says("metadata", metadata={"secret": CANARY})
    await peer.says("nonsense " + CANARY)
    await peer.replies(wanted["response_id"], f"{CANARY} four five six")


@dataclass
class Held:
    """A call that is over, and what the brain saw of it."""

    customer: Customer
    call: dict[str, Any]
    log: list[str]
    began_ms: float
    llm: LlmServer


@pytest.fixture(scope="module")
async def customer(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Customer]:
    texts = {"RETOLD_SCRIPTED__STT_TEXTS": USER_TEXT, "RETOLD_LLM_PING_INTERVAL_MS": "500"}
    with running_server(tmp_path_factory.mktemp("record") / "data", env=texts) as server:
        async with customer_of(server) as customer:
            yield customer


@pytest.fixture(scope="module")
async def held(customer: Customer) -> Held:
    began_ms = time.time() * 1000
    brain = Receptionist()
    async with llm_server(brain.attend) as llm:
        agent_id = await customer.make_agent(llm.url)
        details = {"metadata": METADATA, "retell_llm_dynamic_variables": VARIABLES}
        call_id = await customer.make_web_call(agent_id, **details)
        async with customer.joined(call_id, "?enable_update=true") as caller:
            await caller.until(lambda: last_said(caller) == GREETING)
            caller.say(tone(1_400, 24_000))
            await caller.until(lambda: words_heard(caller, of=FIRST_HALF) >= 3)
            brain.may_invoke.set()
            await caller.until(lambda: words_heard(caller, of=FIRST_HALF) >= 6)
            brain.may_succeed.set()
            await caller.until(lambda: last_said(caller) == f"{FIRST_HALF} {SECOND_HALF}")
            # The reply ends a moment after its last word; a pong comes from a server that does not stand still.
            await anyio.sleep(1)
            await caller.socket.send("ping")
            await caller.until(lambda: "pong" in caller.texts)
        call = await customer.until(call_id)
    return Held(customer, call, await customer.log(call), began_ms, llm)


def last_said(caller: AudioClient) -> str:
    """What the agent said last, as far as it has been heard."""
    said = [event["transcript"][-1] for event in caller.events if event.get("transcript")][-1:]
    return said[0]["content"] if said and said[0]["role"] == "agent" else ""


def words_heard(caller: AudioClient, *, of: str) -> int:
    """How many words of this text have been heard."""
    heard = last_said(caller)
    return len(heard.split()) if heard and of.startswith(heard) else 0


# --- the fields -----------------------------------------------------------------------------------


def is_statistics(value: dict[str, Any]) -> bool:
    """Ordered percentiles over `num` positive values."""
    ordered = [value[name] for name in ("min", "p50", "p90", "p95", "p99", "max")]
    return ordered == sorted(ordered) and value["num"] == len(value["values"]) > 0 and value["min"] > 0


FIELDS: dict[str, Callable[[Any], bool]] = {
    "call_type": lambda value: value == "web_call",
    "access_token": lambda value: len(value) >= 32,
    "call_id": lambda value: re.fullmatch(r"call_[0-9a-f]{27}", value) is not None,
    "agent_id": lambda value: value.startswith("agent_"),
    "agent_version": lambda value: value == 0,
    "agent_name": lambda value: value == "data",
    "call_status": lambda value: value == "ended",
    "disconnection_reason": lambda value: value == "user_hangup",
    "metadata": lambda value: value == METADATA,
    "retell_llm_dynamic_variables": lambda value: value == VARIABLES,
    "opt_out_sensitive_data_storage": lambda value: value is False,
    "data_storage_setting": lambda value: value == "everything",
    "start_timestamp": lambda value: abs(value - time.time() * 1000) < 120_000,
    "end_timestamp": lambda value: abs(value - time.time() * 1000) < 120_000,
    "duration_ms": lambda value: 8_000 < value < 60_000,
    "transcript": lambda value: value == f"Agent: {GREETING}\nUser: {USER_TEXT}\nAgent: {FIRST_HALF} {SECOND_HALF}\n",
    "transcript_object": lambda value: [item["role"] for item in value] == ["agent", "user", "agent"],
    "transcript_with_tool_calls": lambda value: (
        [item["role"] for item in value]
        == ["agent", "user", "agent", "tool_call_invocation", "agent", "tool_call_result", "agent"]
    ),
    "recording_url": lambda value: value.endswith("/recording.wav"),
    "recording_multi_channel_url": lambda value: value.endswith("/recording_multi_channel.wav"),
    "public_log_url": lambda value: value.endswith("/public_log.txt"),
    "latency": lambda value: (
        value.keys() == {"e2e", "asr", "llm", "llm_websocket_network_rtt", "tts"}
        and all(map(is_statistics, value.values()))
    ),
    "e2e_latency": is_statistics,
    "llm_latency": is_statistics,
    "llm_websocket_network_rtt_latency": is_statistics,
}
"""Every field of the page for a web call that is over, with its successors; `call_analysis` comes later."""


@pytest.mark.parametrize("field", FIELDS)
async def test_each_field_says_what_happened(held: Held, field: str) -> None:
    assert FIELDS[field](held.call[field]), held.call[field]


async def test_no_field_is_there_that_the_table_does_not_know(held: Held) -> None:
    assert held.call.keys() - FIELDS.keys() <= {"opt_in_signed_url"}
    check_call(held.call)
    check_files(held.customer.server.data_dir, held.call)


async def test_times_are_in_order_and_as_long_as_the_recording(held: Held) -> None:
    call = held.call
    assert held.began_ms - 1 <= call["start_timestamp"] <= call["end_timestamp"]
    for url, channels in ((call["recording_url"], 1), (call["recording_multi_channel_url"], 2)):
        with wave.open(io.BytesIO(await held.customer.file(url))) as recording:
            assert recording.getnchannels() == channels
            length_ms = recording.getnframes() * 1000 / recording.getframerate()
        assert abs(length_ms - call["duration_ms"]) <= TOLERANCE_MS


async def test_words_of_both_sides_have_times_in_order(held: Held) -> None:
    for item in held.call["transcript_object"]:
        assert " ".join(word["word"] for word in item["words"]) == item["content"]
        for early, late in itertools.pairwise(item["words"]):
            assert early["start"] < early["end"] <= late["start"] < late["end"]
    greeting, question, answer = held.call["transcript_object"]
    assert (greeting["metadata"], answer["metadata"]) == ({"response_id": 0}, {"response_id": 1})
    assert greeting["words"][-1]["end"] < question["words"][0]["start"]
    assert question["words"][-1]["end"] < answer["words"][0]["start"]


async def test_tool_calls_are_woven_in_at_the_word_at_which_they_happened(held: Held) -> None:
    woven = held.call["transcript_with_tool_calls"]
    assert woven[3] == {
        "role": "tool_call_invocation",
        "tool_call_id": "t1",
        "name": "look_up",
        "arguments": ARGUMENTS,
    }
    assert woven[5] == {"role": "tool_call_result", "tool_call_id": "t1", "content": RESULT, "successful": True}
    for position, event in ((3, "tool look_up invoked (t1)"), (5, "tool succeeded (t1)")):
        at_s = seconds(next(line for line in held.log if event in line))
        assert woven[position - 1]["words"][-1]["start"] < at_s <= woven[position + 1]["words"][0]["start"]
    spoken = [word for item in woven if item["role"] == "agent" for word in item["words"]]
    assert spoken == [w for item in held.call["transcript_object"] if item["role"] == "agent" for w in item["words"]]


async def test_the_old_latency_fields_repeat_the_latency_object(held: Held) -> None:
    call = held.call
    assert call["e2e_latency"] == call["latency"]["e2e"]
    assert call["llm_latency"] == call["latency"]["llm"]
    assert call["llm_websocket_network_rtt_latency"] == call["latency"]["llm_websocket_network_rtt"]
    assert call["latency"]["e2e"]["num"] == call["latency"]["llm"]["num"] == call["latency"]["asr"]["num"] == 1


# --- the public log -------------------------------------------------------------------------------


def seconds(line: str) -> float:
    """The call time of a line."""
    found = LOG_LINE.match(line)
    assert found is not None, line
    minutes, whole, thousandths = (int(part) for part in found.groups())
    return minutes * 60 + whole + thousandths / 1000


async def test_every_line_of_the_log_has_both_times_and_they_go_forward(held: Held) -> None:
    times = [seconds(line) for line in held.log]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(held.call["duration_ms"] / 1000, abs=2.5)


@pytest.mark.parametrize(
    "part",
    [
        "call connected, audio at 24000 Hz",
        'llm sent: {"interaction_type":"call_details"',
        'llm sent: {"interaction_type":"update_only"',
        'llm sent: {"interaction_type":"response_required","response_id":1',
        'llm sent: {"interaction_type":"ping_pong"',
        'llm received: {"response_type": "config"',
        'llm received: {"response_type": "response", "response_id": 1',
        'llm received: {"response_type": "tool_call_invocation"',
        'llm received: {"response_type": "tool_call_result"',
        'llm received: {"response_type": "ping_pong"',
        "llm websocket round trip",
        "user starts speaking",
        "user stops speaking",
        f'user words: "{USER_TEXT}" (asr lag',
        "turn: the caller's turn is over because",
        "response_required 1",
        "tts: asked for response 1",
        "tts: first audio of response 1",
        "agent starts speaking (response 1)",
        "agent words heard (response 1)",
        "agent stops speaking (response 1): complete",
        "turn latency (response 1): e2e",
        "call ends: user_hangup (the caller left)",
    ],
)
async def test_the_log_tells_each_kind_of_event(held: Held, part: str) -> None:
    assert any(part in line for line in held.log), "\n".join(held.log)


async def test_the_log_has_every_message_of_the_llm_websocket(held: Held) -> None:
    [peer] = held.llm.peers
    logged = [line.partition("llm sent: ")[2] for line in held.log if "llm sent: " in line]
    kinds = [re.findall(r'"interaction_type":"(\w+)"', text)[0] for text in logged]
    assert kinds == [message["interaction_type"] for message in peer.heard]


async def test_the_latency_line_adds_up_to_the_stored_value(held: Held) -> None:
    line = next(line for line in held.log if "turn latency (response 1)" in line)
    whole, parts = re.findall(r"e2e (\d+) ms = (.*);", line)[0]
    stored = held.call["latency"]["e2e"]["values"][0]
    assert float(whole) == pytest.approx(stored, abs=1)
    assert sum(int(part.rpartition(" ")[2]) for part in parts.split(" + ")) == pytest.approx(stored, abs=4)


# --- what is never recorded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"opt_out_sensitive_data_storage": True},
        {"data_storage_setting": "basic_attributes_only"},
    ],
    ids=["opt out", "basic attributes only"],
)
async def test_what_an_opted_out_agent_hears_and_says_is_never_on_disk(
    customer: Customer, setting: dict[str, Any]
) -> None:
    async with llm_server(indiscreet) as llm:
        call_id = await customer.make_web_call(await customer.make_agent(llm.url, **setting))
        async with customer.joined(call_id, "?enable_update=true") as caller:
            await caller.until(lambda: last_said(caller).endswith("three"))
            caller.say(tone(1_000, 24_000))
            await caller.until(lambda: last_said(caller).endswith("six"))
            assert contains(customer.server.data_dir, CANARY) == []
        call = await customer.until(call_id)
    assert contains(customer.server.data_dir, CANARY) == []
    assert CANARY not in customer.server.output()
    assert call.keys().isdisjoint(
        {
            "transcript",
            "transcript_object",
            "transcript_with_tool_calls",
            "recording_url",
            "recording_multi_channel_url",
            "public_log_url",
        }
    )
    assert call["latency"]["e2e"]["num"] == 1
    assert (call["call_status"], call["disconnection_reason"]) == ("ended", "user_hangup")
    assert list((customer.server.data_dir / "spool").glob("*")) == []
