"""The scenario format: what is understood, and that each mistake says where it is and how to mend it."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retold.caller.expectations import Expectations
from retold.caller.scenario import (
    At,
    HangUp,
    Play,
    Say,
    Scenario,
    Send,
    Silence,
    WaitAgentDone,
    one_turn,
    parse_duration_ms,
    parse_scenario,
    read_scenario,
)
from retold.errors import ScenarioInvalid

FOLDER = Path("scenarios")

EVERYTHING = """
agent: demo
caller:
  - wait: agent_done
  - wait: agent_done
    timeout_s: 3.5
  - say: "Hi, I'd like to book a cleaning for Tuesday."
  - play: question.wav
  - at: 1.2s after agent_start
    say: "Wait, no, make that Thursday."
  - at: 300ms after agent_done
    play: /tmp/a.wav
    timeout_s: 5
  - silence: 4s
  - send: {text: "ping"}
  - send: {binary: "00ff"}
  - hang_up
expect:
  disconnection_reason: user_hangup
  agent_said: ["Thursday"]
  user_said: "cleaning"
  max_e2e_ms: 1500
  call_status: ended
"""


def parse(text: str) -> Scenario:
    return parse_scenario(text, folder=FOLDER)


def test_every_step_and_expectation_is_understood() -> None:
    scenario = parse(EVERYTHING)
    assert scenario.agent == "demo"
    assert scenario.steps == (
        WaitAgentDone(timeout_ms=20_000),
        WaitAgentDone(timeout_ms=3_500),
        Say("Hi, I'd like to book a cleaning for Tuesday."),
        Play(FOLDER / "question.wav"),
        At("agent_start", 1_200, Say("Wait, no, make that Thursday.")),
        At("agent_done", 300, Play(Path("/tmp/a.wav")), timeout_ms=5_000),  # noqa: S108 - nothing is opened
        Silence(4_000),
        Send("ping"),
        Send(b"\x00\xff"),
        HangUp(),
    )
    assert scenario.expect == Expectations(
        disconnection_reason="user_hangup",
        call_status="ended",
        agent_said=("Thursday",),
        user_said=("cleaning",),
        max_e2e_ms=1_500,
    )


def test_agent_may_be_a_create_agent_body_and_defaults_to_the_demo() -> None:
    inline = parse("agent: {voice_id: default, response_engine: {type: custom-llm}}\ncaller: [hang_up]")
    assert inline.agent == {"voice_id": "default", "response_engine": {"type": "custom-llm"}}
    assert parse("caller: [hang_up]").agent == "demo"


def test_hang_up_may_be_written_as_a_field() -> None:
    assert parse("caller:\n  - hang_up:").steps == (HangUp(),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("[1]", "scenario: [1]; give fields", id="a list"),
        pytest.param("", "scenario: missing; give fields", id="empty file"),
        pytest.param("caller: [\n", "not valid YAML", id="broken YAML"),
        pytest.param("a: &a [*a]\ncaller: [hang_up]", "unknown field 'a'", id="unknown top field"),
        pytest.param("agent: demo", "`caller` is missing; give a list of steps", id="no steps"),
        pytest.param("caller: []", "`caller` is []", id="empty steps"),
        pytest.param("agent: 7\ncaller: [hang_up]", "`agent` is 7; give an agent id", id="agent number"),
        pytest.param("caller: [hang_up, jump]", "step 2: 'jump'; give fields", id="unknown word"),
        pytest.param("caller: [{jump: 3}]", "step 1: unknown field 'jump'; known are wait", id="unknown field"),
        pytest.param("caller: [{wait: agent_gone}]", "step 1: `wait` is 'agent_gone'; give agent_done", id="wait"),
        pytest.param("caller: [{say: 7}]", "step 1: `say` is 7; give a text in quotes", id="say number"),
        pytest.param("caller: [{say: ' '}]", "step 1: `say` is ' '", id="say nothing"),
        pytest.param("caller: [{say: a, play: b}]", "give one of wait, say", id="two kinds"),
        pytest.param("caller: [{say: a, timeout_s: 3}]", "step 1: `timeout_s` does not go with", id="stray timeout"),
        pytest.param("caller: [{timeout_s: 3}]", "give one of wait", id="timeout alone"),
        pytest.param("caller: [{wait: agent_done, timeout_s: 0}]", "step 1: `timeout_s` is 0.0", id="no time"),
        pytest.param("caller: [{wait: agent_done, timeout_s: .nan}]", "give a number", id="not a number"),
        pytest.param("caller: [{wait: agent_done, timeout_s: true}]", "give a number", id="boolean"),
        pytest.param("caller: [{at: 1.2 after agent_start, say: a}]", "`1.2s after agent_start`", id="no unit"),
        pytest.param("caller: [{at: 1s after lunch, say: a}]", "`at` is '1s after lunch'", id="unknown anchor"),
        pytest.param("caller: [{at: 1s after agent_start}]", "`at` with `say` or `play`", id="at alone"),
        pytest.param("caller: [{silence: 4}]", "step 1: `silence` is 4; write a time", id="silence without unit"),
        pytest.param("caller: [{silence: 3h}]", "`silence` is '3h'", id="unknown unit"),
        pytest.param("caller: [{silence: 7201s}]", "up to 2 hours", id="too long"),
        pytest.param("caller: [{send: ping}]", "step 1: send: 'ping'; give fields: text, binary", id="bare send"),
        pytest.param("caller: [{send: {}}]", "give either `text` or `binary`", id="empty send"),
        pytest.param("caller: [{send: {text: a, binary: '00'}}]", "give either", id="two frames"),
        pytest.param("caller: [{send: {binary: '0'}}]", "give pairs of hex digits", id="half a byte"),
        pytest.param("caller: [{send: {binary: 10}}]", "give a text in quotes", id="unquoted hex"),
        pytest.param("caller: [hang_up]\nexpect: {mood: good}", "expect: unknown field 'mood'", id="expectation"),
        pytest.param("caller: [hang_up]\nexpect: {max_e2e_ms: -1}", "give milliseconds over 0", id="negative"),
        pytest.param("caller: [hang_up]\nexpect: {agent_said: [1]}", "give a list of texts", id="texts"),
        pytest.param(
            "caller: [hang_up]\nexpect: {disconnection_reason: bored}", "`disconnection_reason` is 'bored'", id="reason"
        ),
        pytest.param("caller: [hang_up]\nexpect: {call_status: fine}", "`call_status` is 'fine'", id="status"),
    ],
)
def test_mistakes_say_where_they_are_and_how_to_mend_them(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse(text)
    assert complaint in str(caught.value)


def test_too_many_steps_and_too_large_files_are_refused() -> None:
    with pytest.raises(ScenarioInvalid, match="1001 steps"):
        parse(yaml.safe_dump({"caller": ["hang_up"] * 1_001}))
    with pytest.raises(ScenarioInvalid, match="over 1000000 bytes"):
        parse(" " * 1_000_001)


def test_file_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match=r"cannot open scenario .*gone.yaml"):
        read_scenario(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_text("caller: 3")
    with pytest.raises(ScenarioInvalid, match=r"bad.yaml: scenario: `caller` is 3"):
        read_scenario(tmp_path / "bad.yaml")


def test_recordings_are_found_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("caller: [{play: q.wav}]")
    assert read_scenario(tmp_path / "a.yaml").steps == (Play(tmp_path / "q.wav"),)


def test_short_form_takes_a_greeting_but_does_not_need_one() -> None:
    assert one_turn(Path("q.wav")).steps == (
        WaitAgentDone(timeout_ms=12_000, is_required=False),
        Play(Path("q.wav")),
        WaitAgentDone(),
        HangUp(),
    )


@given(milliseconds=st.integers(0, 7_200_000))
def test_durations_mean_the_same_in_both_units(milliseconds: int) -> None:
    assert parse_duration_ms(f"{milliseconds}ms") == milliseconds
    assert math.isclose(parse_duration_ms(f"{milliseconds / 1000:.3f}s") or 0, milliseconds, abs_tol=1e-6)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["agent", "caller", "expect", "wait", "say", "at", "send", "silence", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(document=_json)
def test_any_document_is_a_scenario_or_a_friendly_error(document: object) -> None:
    try:
        assert parse(yaml.safe_dump(document)).steps
    except ScenarioInvalid as error:
        assert ";" in str(error) or "not valid YAML" in str(error)  # noqa: PT017 - either outcome is right


@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_scenario_or_a_friendly_error(text: str | bytes) -> None:
    try:
        assert parse_scenario(text, folder=FOLDER).steps
    except ScenarioInvalid as error:
        assert str(error)  # noqa: PT017 - either outcome is right
