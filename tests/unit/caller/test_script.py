"""The player: what it does when, given what is heard of the agent."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.caller.agent_voice import AgentVoice
from retold.caller.scenario import At, HangUp, Play, Say, Send, Silence, Step, WaitAgentDone
from retold.caller.script import LINGER_MS, Action, Leave, Script, SendFrame, Speak

TICK_MS = 20
RATE = 8_000
PASSAGE_MS = 500.0


def speak(voice: AgentVoice, start_ms: float, ms: int) -> None:
    voice.hear(start_ms, (3_000).to_bytes(2, "little") * (ms * RATE // 1000))


def play(
    steps: Sequence[Step], agent: Sequence[tuple[float, int]] = (), until_ms: int = 60_000
) -> list[tuple[int, Action]]:
    """Run a script by ticks; the agent speaks at the given times for so long."""
    voice = AgentVoice(RATE)
    script = Script(steps, dict.fromkeys(range(1, len(steps) + 1), PASSAGE_MS))
    done: list[tuple[int, Action]] = []
    pending = list(agent)
    for now in range(0, until_ms, TICK_MS):
        while pending and pending[0][0] <= now:
            speak(voice, *pending.pop(0))
        done += [(now, action) for action in script.advance(now, voice)]
        if done and isinstance(done[-1][1], Leave):
            break
    return done


def test_caller_waits_for_the_greeting_speaks_waits_for_the_answer_and_leaves() -> None:
    steps = [WaitAgentDone(), Say("Hi"), WaitAgentDone(), HangUp()]
    assert play(steps, [(1_000, 2_000), (5_000, 1_000)]) == [(3_300, Speak(2)), (6_300, Leave())]


def test_speech_from_before_the_passage_is_no_answer_to_it() -> None:
    steps = [At("agent_start", 1_000, Say("Wait")), WaitAgentDone(), HangUp()]
    # The greeting is cut 300 ms into the barge-in; the answer comes two seconds later.
    assert play(steps, [(1_000, 1_300), (4_300, 700)]) == [(2_000, Speak(1)), (5_300, Leave())]


def test_reply_to_the_last_passage_sets_the_moment_to_barge_in() -> None:
    steps = [WaitAgentDone(), Say("Hi"), At("agent_start", 1_200, Say("No")), HangUp()]
    acts = play(steps, [(0, 1_000), (2_400, 4_000)])
    assert acts == [(1_300, Speak(2)), (3_600, Speak(3)), (4_100, Leave())]


def test_barge_in_may_follow_the_end_of_the_agent() -> None:
    assert play([At("agent_done", 500, Say("Hm"))], [(0, 1_000)])[0] == (1_500, Speak(1))


def test_answer_that_comes_while_the_passage_lasts_counts() -> None:
    assert play([Say("Hi"), WaitAgentDone(), HangUp()], [(200, 100)]) == [(0, Speak(1)), (600, Leave())]


def test_reminder_during_a_silence_counts() -> None:
    steps = [Say("Hi"), Silence(4_000), WaitAgentDone(), HangUp()]
    assert play(steps, [(2_000, 500)]) == [(0, Speak(1)), (4_500, Leave())]


def test_second_wait_needs_another_speech() -> None:
    steps = [WaitAgentDone(), WaitAgentDone(), HangUp()]
    assert play(steps, [(0, 500), (3_000, 500)]) == [(3_800, Leave())]


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (WaitAgentDone(timeout_ms=2_000), "step 1: the agent did not speak and finish within 2 s"),
        (At("agent_start", 0, Say("a"), timeout_ms=2_000), "step 1: the agent did not start to speak within 2 s"),
        (At("agent_done", 0, Say("a"), timeout_ms=2_000), "step 1: the agent did not finish speaking within 2 s"),
    ],
    ids=["wait", "at start", "at end"],
)
def test_agent_that_stays_silent_is_complained_about(step: Step, complaint: str) -> None:
    assert play([step, HangUp()]) == [(2_000, Leave(complaint))]


def test_wait_that_is_not_required_is_skipped_in_silence() -> None:
    assert play([WaitAgentDone(timeout_ms=2_000, is_required=False), HangUp()]) == [(2_000, Leave())]


def test_frames_are_sent_at_once_and_silence_takes_its_time() -> None:
    steps = [Send("ping"), Send(b"\x00"), Silence(1_000), HangUp()]
    assert play(steps) == [(0, SendFrame(1, "ping")), (0, SendFrame(2, b"\x00")), (1_000, Leave())]


def test_recordings_are_played_like_speech() -> None:
    assert play([Play(Path("a.wav")), HangUp()]) == [(0, Speak(1)), (500, Leave())]


def test_caller_without_steps_left_lingers_then_leaves() -> None:
    assert play([Say("Hi")]) == [(0, Speak(1)), (500 + int(LINGER_MS), Leave())]


def test_steps_left_are_counted() -> None:
    script = Script([Silence(1_000), HangUp()], {})
    script.advance(0, AgentVoice(RATE))
    assert script.steps_left == 2


_steps = st.lists(
    st.sampled_from(
        [WaitAgentDone(500), Say("a"), At("agent_start", 100, Say("b"), 500), Silence(100), Send("c"), HangUp()]
    ),
    max_size=8,
)


@given(steps=_steps, agent=st.lists(st.tuples(st.integers(0, 5_000), st.integers(20, 900)), max_size=6))
def test_every_script_ends_with_one_goodbye(steps: list[Step], agent: list[tuple[int, int]]) -> None:
    acts = play(steps, sorted((float(start), ms) for start, ms in agent))
    assert [isinstance(action, Leave) for _, action in acts].count(True) == 1
    assert isinstance(acts[-1][1], Leave)
    spoken = [action.step for _, action in acts if isinstance(action, Speak)]
    assert spoken == sorted(set(spoken))
