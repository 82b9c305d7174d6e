"""Agent settings become the numbers of turn taking."""

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.engine.rules import Rules, changed, rules_for
from retold.ports import ChangeRules
from support.stored import make_agent, make_record

WAITS = ("wait_complete_ms", "wait_open_ms", "wait_digits_ms", "wait_trailing_ms")
fractions = st.floats(0.0, 1.0)


def test_an_agent_without_settings_has_the_defaults() -> None:
    assert rules_for(make_agent()) == Rules()


def test_agent_settings_are_taken_over() -> None:
    agent = make_agent(
        reminder_trigger_ms=4000,
        reminder_max_count=3,
        end_call_after_silence_ms=20_000,
        max_call_duration_ms=70_000,
        begin_message_delay_ms=900,
    )
    rules = rules_for(agent, no_audio_timeout_ms=7000)
    assert rules == Rules(
        reminder_trigger_ms=4000,
        reminder_max_count=3,
        end_call_after_silence_ms=20_000,
        max_call_duration_ms=70_000,
        begin_message_delay_ms=900,
        no_audio_timeout_ms=7000,
    )


def test_a_registered_call_brings_its_own_silence() -> None:
    agent = make_agent(end_call_after_silence_ms=20_000)
    own = make_record().model_copy(update={"end_call_after_silence_ms": 12_000})
    assert rules_for(agent, own).end_call_after_silence_ms == 12_000
    assert rules_for(agent, make_record()).end_call_after_silence_ms == 20_000


@pytest.mark.parametrize(
    ("responsiveness", "wait_complete"), [(1.0, 350.0), (0.5, 1350.0), (0.0, 2350.0)], ids=["eager", "middle", "slow"]
)
def test_responsiveness_adds_up_to_two_seconds(responsiveness: float, wait_complete: float) -> None:
    assert changed(Rules(), ChangeRules(responsiveness=responsiveness)).wait_complete_ms == wait_complete


@pytest.mark.parametrize(
    ("sensitivity", "can_interrupt", "hold_after_ms", "words"),
    [
        pytest.param(1.0, True, 200.0, 1, id="most sensitive"),
        pytest.param(0.5, True, 500.0, 2, id="middle"),
        pytest.param(0.1, True, 740.0, 3, id="little"),
        pytest.param(0.0, False, 800.0, 3, id="never"),
    ],
)
def test_interruption_sensitivity(sensitivity: float, can_interrupt: bool, hold_after_ms: float, words: int) -> None:
    rules = changed(Rules(), ChangeRules(interruption_sensitivity=sensitivity))
    assert (rules.can_interrupt, rules.hold_after_ms, rules.interrupt_words) == (can_interrupt, hold_after_ms, words)


def test_a_change_leaves_the_rest_as_it_was() -> None:
    rules = Rules(begin_message_delay_ms=5, reminder_max_count=4, wait_open_ms=17)
    assert changed(rules, ChangeRules()) == rules
    reminded = changed(rules, ChangeRules(reminder_trigger_ms=1500, reminder_max_count=0))
    differing = {field.name for field in fields(Rules) if getattr(rules, field.name) != getattr(reminded, field.name)}
    assert differing == {"reminder_trigger_ms", "reminder_max_count"}


@settings(max_examples=20)
@given(fractions, fractions)
def test_more_responsive_never_waits_longer(one: float, other: float) -> None:
    slow, quick = (changed(Rules(), ChangeRules(responsiveness=value)) for value in sorted((one, other)))
    assert all(getattr(quick, name) <= getattr(slow, name) for name in WAITS)


@settings(max_examples=20)
@given(fractions, fractions)
def test_more_sensitive_never_lets_more_pass(one: float, other: float) -> None:
    calm, jumpy = (changed(Rules(), ChangeRules(interruption_sensitivity=value)) for value in sorted((one, other)))
    assert jumpy.duck_after_ms <= calm.duck_after_ms < calm.hold_after_ms
    assert jumpy.hold_after_ms <= calm.hold_after_ms
    assert jumpy.interrupt_words <= calm.interrupt_words
    assert jumpy.can_interrupt >= calm.can_interrupt


@settings(max_examples=20)
@given(fractions)
def test_no_wait_for_the_caller_outlasts_the_wait_for_words(responsiveness: float) -> None:
    rules = changed(Rules(), ChangeRules(responsiveness=responsiveness))
    assert all(getattr(rules, name) < rules.words_timeout_ms for name in WAITS)
