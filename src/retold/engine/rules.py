"""Agent settings to numbers of turn taking. Pure; every number is documented in docs/reference/turn-taking.md."""

from dataclasses import dataclass, replace

from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.ports import ChangeRules

WAIT_COMPLETE_MS = 350.0
"""Silence after words that sound complete (sentence-final punctuation) before the agent answers."""
WAIT_OPEN_MS = 700.0
"""The same after words without an end: no punctuation, or a comma."""
WAIT_TRAILING_MS = 1500.0
"""The same after a word that asks for more: "and", "my", "um"."""
WAIT_DIGITS_MS = 1000.0
"""The same after a number: more digits may follow."""
UNHURRIED_MS = 2000.0
"""Added to every wait at responsiveness 0; in proportion between."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One agent's numbers; all times in milliseconds."""

    wait_complete_ms: float = WAIT_COMPLETE_MS
    wait_open_ms: float = WAIT_OPEN_MS
    wait_digits_ms: float = WAIT_DIGITS_MS
    wait_trailing_ms: float = WAIT_TRAILING_MS
    can_interrupt: bool = True
    duck_after_ms: float = 100.0
    """Overlapping speech of this length turns the agent's voice down."""
    hold_after_ms: float = 200.0
    """Overlapping speech of this length stops the agent until it is clear what was said."""
    interrupt_words: int = 1
    """Words other than back-channels that make an overlap an interruption."""
    reminder_trigger_ms: float = 10_000.0
    reminder_max_count: int = 1
    end_call_after_silence_ms: float = 600_000.0
    max_call_duration_ms: float = 3_600_000.0
    begin_message_delay_ms: float = 0.0
    no_audio_timeout_ms: float = 30_000.0
    verdict_timeout_ms: float = 1500.0
    """A held overlap without words is over, one way or the other, after this time."""
    words_timeout_ms: float = 4000.0
    """After speech ended, words that have not come by then are given up."""
    reply_timeout_ms: float = 10_000.0
    """A reply that has not begun by then is no longer waited for; the caller is reminded instead of left in silence."""
    unintelligible_after_ms: float = 1500.0
    """Speech of this length without words is answered as `(unintelligible audio)`."""


def rules_for(agent: Agent, record: CallRecord | None = None, *, no_audio_timeout_ms: float = 30_000.0) -> Rules:
    """The rules of a call with this agent; a v1 call may bring its own `end_call_after_silence_ms`."""
    own_silence_ms = record.end_call_after_silence_ms if record else None
    base = Rules(
        reminder_trigger_ms=agent.reminder_trigger_ms,
        reminder_max_count=agent.reminder_max_count,
        end_call_after_silence_ms=own_silence_ms or agent.end_call_after_silence_ms,
        max_call_duration_ms=agent.max_call_duration_ms,
        begin_message_delay_ms=agent.begin_message_delay_ms,
        no_audio_timeout_ms=no_audio_timeout_ms,
    )
    return changed(
        base,
        ChangeRules(responsiveness=agent.responsiveness, interruption_sensitivity=agent.interruption_sensitivity),
    )


def changed(rules: Rules, change: ChangeRules) -> Rules:
    """The rules after a change in mid-call; what it leaves out stays."""
    if change.responsiveness is not None:
        slack_ms = (1.0 - change.responsiveness) * UNHURRIED_MS
        rules = replace(
            rules,
            wait_complete_ms=WAIT_COMPLETE_MS + slack_ms,
            wait_open_ms=WAIT_OPEN_MS + slack_ms,
            wait_digits_ms=WAIT_DIGITS_MS + slack_ms,
            wait_trailing_ms=WAIT_TRAILING_MS + slack_ms,
        )
    if change.interruption_sensitivity is not None:
        caution = 1.0 - change.interruption_sensitivity
        rules = replace(
            rules,
            can_interrupt=change.interruption_sensitivity > 0,
            duck_after_ms=100.0 + 200.0 * caution,
            hold_after_ms=200.0 + 600.0 * caution,
            interrupt_words=1 if caution < 0.4 else 2 if caution < 0.8 else 3,
        )
    alike = {
        "reminder_trigger_ms": change.reminder_trigger_ms,
        "reminder_max_count": change.reminder_max_count,
        "end_call_after_silence_ms": change.end_call_after_silence_ms,
        "max_call_duration_ms": change.max_call_duration_ms,
    }
    return replace(rules, **{name: value for name, value in alike.items() if value is not None})
