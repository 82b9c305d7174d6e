"""The public log: one readable line per event."""

from typing import get_args

import pytest

from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.public_log import public_log

STARTED_WALL_MS = 1_760_000_000_000
HI = (Word("hi", 0, 100), Word("there", 110, 200))

LINES: list[tuple[t.AnyEvent, str]] = [
    (t.CallConnected(at_ms=0, wall_ms=1, sample_rate=24_000), "call connected, audio at 24000 Hz"),
    (t.UserSpeechStarted(at_ms=0, onset_ms=65_432), "user starts speaking (since [01:05.432])"),
    (t.UserSpeechEnded(at_ms=0, speech_end_ms=-1), "user stops speaking (since [00:00.000])"),
    (t.UserTranscribed(at_ms=0, utterance=0, words=HI, lag_ms=99.6), 'user words: "hi there" (asr lag 100 ms)'),
    (t.UserTranscribed(at_ms=0, utterance=0, words=()), "user words: no words (asr lag 0 ms)"),
    (
        t.UserTranscribed(at_ms=0, utterance=0, words=(), is_unintelligible=True),
        "user words: (unintelligible audio) (asr lag 0 ms)",
    ),
    (t.TurnDecided(at_ms=0, decision="agent stops", reason="of this"), "turn: agent stops because of this"),
    (t.ReplyRequested(at_ms=0, response_id=2, kind="reminder_required"), "reminder_required 2"),
    (t.ReplyFirstChunk(at_ms=0, response_id=2), "first words for response 2 arrived"),
    (t.SpeechRequested(at_ms=0, response_id=2, interrupt_id=1), "tts: asked for interrupt 1"),
    (t.SpeechReceived(at_ms=0, response_id=2), "tts: first audio of response 2"),
    (t.ReplyStarted(at_ms=0, response_id=2, interrupt_id=1), "agent starts speaking (interrupt 1)"),
    (t.WordsPlayed(at_ms=0, response_id=2, words=HI), 'agent words heard (response 2): "hi there"'),
    (t.ReplyEnded(at_ms=0, response_id=2, was_interrupted=False), "agent stops speaking (response 2): complete"),
    (
        t.ReplyEnded(at_ms=0, response_id=2, was_interrupted=True, unheard="at nine"),
        "agent stops speaking (response 2): interrupted; intended but not heard: 'at nine'",
    ),
    (t.ToolCallStarted(at_ms=0, tool_call_id="t1", name="find", arguments="{}"), "tool find invoked (t1): {}"),
    (t.ToolCallEnded(at_ms=0, tool_call_id="t1", content="x", successful=True), "tool succeeded (t1): x"),
    (t.ToolCallEnded(at_ms=0, tool_call_id="t1", content="x", successful=False), "tool failed (t1): x"),
    (t.ToolCallEnded(at_ms=0, tool_call_id="t1", content="x"), "tool returned (t1): x"),
    (t.ModelUsed(at_ms=0, input_tokens=120, output_tokens=30), "model: 120 tokens read, 30 written"),
    (t.VariablesCollected(at_ms=0, values={"name": "Ada", "day": ""}), "variables: name = 'Ada', day = ''"),
    (
        t.NodeEntered(at_ms=0, former_node_id="a", former_node_name="A", new_node_id="b", new_node_name="B"),
        "node: from 'A' to 'B' (normal)",
    ),
    (t.StateEntered(at_ms=0, former_state_name="a", new_state_name="b"), "state: from 'a' to 'b'"),
    (t.AgentChanged(at_ms=0, agent_id="agent_2", agent_version=3), "agent: agent_2 version 3 takes over"),
    (
        t.AgentChanged(at_ms=0, agent_id="agent_2", agent_version=3, agent_name="Bo"),
        "agent: agent_2 version 3 (Bo) takes over",
    ),
    (t.ResponderTraffic(at_ms=0, direction="sent", text="{}"), "llm sent: {}"),
    (t.ContextInjected(at_ms=0, text="a member"), "api: context injected: a member"),
    (t.CallOverridden(at_ms=0, fields=("metadata", "x")), "api: metadata, x overridden"),
    (t.RoundTripMeasured(at_ms=0, rtt_ms=3.21), "llm websocket round trip 3.2 ms"),
    (t.Noted(at_ms=0, text="stale response 1 dropped"), "stale response 1 dropped"),
    (t.EndIntended(at_ms=0, reason=DisconnectionReason.USER_HANGUP, detail="left"), "call ends: user_hangup (left)"),
    (t.EndIntended(at_ms=0, reason=DisconnectionReason.INACTIVITY), "call ends: inactivity"),
]


def texts(*events: t.AnyEvent) -> list[str]:
    return [line.split("Z ", 1)[1] for line in public_log(events, STARTED_WALL_MS)]


@pytest.mark.parametrize(("event", "text"), LINES, ids=[type(event).__name__ for event, _ in LINES])
def test_each_event_reads_as_a_line(event: t.AnyEvent, text: str) -> None:
    assert texts(event) == [text]


def test_every_kind_of_event_has_a_line_but_heartbeats() -> None:
    assert {type(event) for event, _ in LINES} == {*get_args(t.AnyEvent)} - {t.Heartbeat}
    assert texts(t.Heartbeat(at_ms=5)) == []


def test_a_kind_that_nobody_described_is_our_own_mistake() -> None:
    class Undescribed(t.Event, frozen=True):
        pass

    with pytest.raises(AssertionError):
        list(public_log([Undescribed(at_ms=0)], 0))  # pyright: ignore[reportArgumentType] - not one of our events


def test_lines_carry_call_time_and_wall_time() -> None:
    [line] = public_log([t.Noted(at_ms=754_321.4, text="here")], STARTED_WALL_MS)
    assert line == "[12:34.321] 2025-10-09T09:05:54.321Z here"


def turn(*, speech_end_ms: float | None, first_chunk_ms: float = 1600) -> list[t.AnyEvent]:
    return [
        t.ReplyRequested(at_ms=1400, response_id=1, kind="response_required", speech_end_ms=speech_end_ms),
        t.ReplyFirstChunk(at_ms=first_chunk_ms, response_id=1),
        t.SpeechRequested(at_ms=1610, response_id=1),
        t.SpeechReceived(at_ms=1700, response_id=1),
        t.ReplyStarted(at_ms=1720, response_id=1),
    ]


def test_a_turn_ends_with_its_latency_in_parts_that_sum_up() -> None:
    assert texts(*turn(speech_end_ms=1000))[-1] == (
        "turn latency (response 1): e2e 720 ms"
        " = endpointing and asr 400 + llm 200 + to tts 10 + tts 90 + playout 20; slowest: endpointing and asr"
    )


def test_the_time_of_tools_is_a_part_of_its_own() -> None:
    asked, *rest = turn(speech_end_ms=1000)
    ran = [
        t.ToolCallStarted(at_ms=1450, tool_call_id="t1", name="find", arguments="{}", tool_type="custom"),
        t.ToolCallEnded(at_ms=1570, tool_call_id="t1", content="x"),
    ]
    assert texts(asked, *ran, *rest)[-1] == (
        "turn latency (response 1): e2e 720 ms"
        " = endpointing and asr 400 + llm 80 + tools 120 + to tts 10 + tts 90 + playout 20; slowest:"
        " endpointing and asr"
    )


def test_what_was_not_measured_is_no_part() -> None:
    asked, *_, started = turn(speech_end_ms=1000)
    assert texts(asked, started)[-1] == (
        "turn latency (response 1): e2e 720 ms = endpointing and asr 400; slowest: endpointing and asr"
    )


def test_a_reply_to_nothing_has_no_turn_latency() -> None:
    assert texts(*turn(speech_end_ms=None))[-1] == "agent starts speaking (response 1)"
    assert texts(t.ReplyStarted(at_ms=5, response_id=0)) == ["agent starts speaking (response 0)"]
