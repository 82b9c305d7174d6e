"""When time alone changes something in turn taking, and what the caller may do meanwhile. Pure."""

import math

from retold.engine.rules import Rules
from retold.engine.turn_state import Overlap, Phase, State
from retold.engine.words import wait_ms


def may_interrupt(state: State, rules: Rules) -> bool:
    """Whether the caller may take the floor from the agent now."""
    return rules.can_interrupt and state.is_interruptible and not is_talked_over(state)


def is_talked_over(state: State) -> bool:
    """The responder took the floor while the caller spoke, and the caller has not begun again since."""
    return math.isinf(state.onset_ms)


def reply_due_ms(state: State, rules: Rules) -> float:
    """Until when a reply is waited for: as long as it takes while a tool of its own runs."""
    return math.inf if state.is_reply_at_work else state.thinking_since_ms + rules.reply_timeout_ms


def deadline(state: State, rules: Rules) -> float:
    """When the next Tick is due if nothing else happens, in call milliseconds."""
    due = [rules.max_call_duration_ms]
    match state.phase:
        case Phase.HEARING if not state.is_user_speaking:
            if state.is_awaiting_words:
                due.append(state.speech_end_ms + rules.words_timeout_ms)
            else:
                due.append(state.speech_end_ms + wait_ms(" ".join(said.text for said in state.heard), rules))
        case Phase.THINKING if state.is_reply_ready:
            due.append(rules.begin_message_delay_ms)
        case Phase.THINKING:
            due.append(reply_due_ms(state, rules))
        case Phase.SPEAKING if may_interrupt(state, rules):
            due.extend(_overlap_deadlines(state, rules))
        case Phase.LISTENING if not state.tools:
            due.append(state.silent_since_ms + rules.end_call_after_silence_ms)
            if state.reminders < rules.reminder_max_count:
                due.append(state.quiet_since_ms + rules.reminder_trigger_ms)
        case _:
            pass
    return min(due)


def _overlap_deadlines(state: State, rules: Rules) -> list[float]:
    if not state.is_user_speaking:
        return [state.speech_end_ms + rules.verdict_timeout_ms] if state.overlap is Overlap.HELD else []
    after_ms = {
        Overlap.NONE: rules.duck_after_ms,
        Overlap.DUCKED: rules.hold_after_ms,
        Overlap.HELD: rules.verdict_timeout_ms,
    }
    return [state.onset_ms + after_ms[state.overlap]]
