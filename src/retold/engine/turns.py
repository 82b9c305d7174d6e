"""Who holds the floor: `step(state, event, rules) -> (state, actions)`. Pure; the heart of the engine.

    THINKING  -> SPEAKING   the reply's first audio is there and the caller is silent
    THINKING  -> HEARING    the caller speaks before the reply is heard
    THINKING  -> LISTENING  the reply is empty, or does not come
    LISTENING -> HEARING    the caller speaks
    LISTENING -> THINKING   the caller has been silent for long: remind; or the responder interrupts; or the API
                            wants a reply
    HEARING   -> THINKING   the caller is done: ask for a reply; or it was only noise and a reply is on its way;
                            or the responder interrupts the caller
    HEARING   -> LISTENING  it was only noise
    LISTENING -> SPEAKING   a reply that was given up comes after all
    SPEAKING  -> LISTENING  the reply has been heard
    SPEAKING  -> HEARING    the caller took the floor, or was still speaking when the reply ended
    SPEAKING  -> THINKING   the responder interrupts its own reply, or the API wants another one
    HEARING   -> SPEAKING   it was only noise and a reply is ready
    any       -> CLOSED     hang-up, time limit, failure; nothing leaves CLOSED

While SPEAKING an overlap goes NONE -> DUCKED (quieter) -> HELD (stopped, undecided); words decide:
the floor is given up, or the reply resumes at the word where it stopped.

A call starts in THINKING, waiting for response 0, the begin message. Time is data: `turn_deadlines.deadline`
says when to send the next Tick. Events of a reply that is not `state.reply` are stale and change nothing.
While a tool runs the agent is at work: nobody is reminded, and the caller's silence does not count (`working`).
"""

import math
from dataclasses import replace

from retold.domain.reasons import DisconnectionReason
from retold.engine.actions import (
    Action,
    Announce,
    Ask,
    Cut,
    Decide,
    Duck,
    End,
    Hold,
    MarkUnintelligible,
    Play,
    ReplyRef,
    Resume,
    Unduck,
)
from retold.engine.rules import Rules
from retold.engine.turn_deadlines import is_talked_over, may_interrupt, reply_due_ms
from retold.engine.turn_events import (
    InterruptBegun,
    ReplyDone,
    ReplyReady,
    ReplyTriggered,
    ReplyVoid,
    SpeechEnded,
    SpeechStarted,
    Stopped,
    ToolEnded,
    ToolStarted,
    TurnEvent,
    Words,
)
from retold.engine.turn_state import BEGIN_MESSAGE, Overlap, Phase, Said, State
from retold.engine.words import asks_for_floor, wait_ms
from retold.engine.working import worked
from retold.ports import ReplyKind, Turn

ANSWER_BOUNDARY_MS = 1000.0
"""Words that began this shortly before the agent's reply ended are an answer to it, even a mere "yes"."""


Step = tuple[State, tuple[Action, ...]]


def step(state: State, event: TurnEvent, rules: Rules) -> Step:
    """Take one event; `event.at_ms` never goes back."""
    if state.phase is Phase.CLOSED:
        return state, ()
    state, actions = _react(state, event, rules)
    if state.phase is Phase.CLOSED:
        return state, actions
    state, more = _settle(state, event.at_ms, rules)
    return state, actions + more


def _react(state: State, event: TurnEvent, rules: Rules) -> Step:  # noqa: C901, PLR0911 - one arm per event
    match event:
        case SpeechStarted():
            return _speech_started(state, event)
        case SpeechEnded():
            return _speech_ended(state, event)
        case Words():
            return _words(state, event, rules)
        case ReplyReady(reply=reply) if reply == state.reply:
            return replace(state, is_reply_ready=True, is_interruptible=event.is_interruptible), ()
        case ReplyVoid(reply=reply) if reply == state.reply and state.phase is not Phase.SPEAKING:
            return _reply_void(state, event)
        case ReplyDone(reply=reply) if reply == state.reply and state.phase is Phase.SPEAKING:
            return _reply_done(state, event, rules)
        case InterruptBegun(reply=reply) if reply != state.reply:
            return _interrupt(state, event)
        case ReplyTriggered():
            return _trigger(state, event, rules)
        case ToolStarted() | ToolEnded():
            return worked(state, event), ()
        case Stopped(reason=reason, detail=detail):
            return _end(state, reason, detail)
        case _:
            return state, ()


def _speech_started(state: State, event: SpeechStarted) -> Step:
    state = replace(state, is_user_speaking=True, is_awaiting_words=False, onset_ms=event.onset_ms, reminders=0)
    match state.phase:
        case Phase.LISTENING | Phase.THINKING:
            return replace(state, phase=Phase.HEARING), (Announce(Turn.USER),)
        case _:
            return state, ()


def _speech_ended(state: State, event: SpeechEnded) -> Step:
    spoken_ms = max(0.0, event.end_ms - state.onset_ms)
    state = replace(
        state,
        is_user_speaking=False,
        is_awaiting_words=True,
        speech_end_ms=event.end_ms,
        speech_ms=state.speech_ms + spoken_ms,
        quiet_since_ms=event.at_ms,
        silent_since_ms=event.at_ms,
    )
    if state.overlap is Overlap.DUCKED:
        return replace(state, overlap=Overlap.NONE), (Unduck(), Decide("agent goes on", "the sound was short"))
    return state, ()


def _words(state: State, event: Words, rules: Rules) -> Step:
    if event.utterance <= state.answered_utterance:
        return state, ()
    heard = tuple(said for said in state.heard if said.utterance != event.utterance)
    if event.text:
        heard = (*heard, Said(event.utterance, event.text))
    is_awaited = state.is_awaiting_words and not event.is_final
    state = replace(state, heard=heard, is_awaiting_words=is_awaited)
    match state.phase:
        case Phase.SPEAKING if may_interrupt(state, rules) and asks_for_floor(event.text, rules):
            return _give_floor(state, f"the caller said {len(event.text.split())} words that ask for it")
        case Phase.THINKING if is_talked_over(state):
            return state, ()
        case Phase.LISTENING | Phase.THINKING if event.text:
            return replace(state, phase=Phase.HEARING), (Announce(Turn.USER),)
        case _:
            return state, ()


def _give_floor(state: State, reason: str) -> Step:
    cut = (Cut(state.reply, reason),) if state.reply else ()
    actions = (*cut, Decide("agent stops", reason), Announce(Turn.USER))
    return replace(state, phase=Phase.HEARING, overlap=Overlap.NONE, reply=None, is_reply_ready=False), actions


def _reply_void(state: State, event: ReplyVoid) -> Step:
    if event.ends_call:
        return _end(state, DisconnectionReason.AGENT_HANGUP, "the agent ended the call")
    state = replace(state, reply=None, is_reply_ready=False, quiet_since_ms=event.at_ms)
    if state.phase is Phase.THINKING:
        return _stop_thinking(state, Decide("agent stays silent", "the reply is empty"))
    return state, ()


def _stop_thinking(state: State, decision: Decide) -> Step:
    """No reply to wait for; the caller is heard who was talked over by an interrupt that came to nothing."""
    if state.is_user_speaking or state.heard:
        return replace(state, phase=Phase.HEARING), (decision, Announce(Turn.USER))
    return replace(state, phase=Phase.LISTENING), (decision,)


def _reply_done(state: State, event: ReplyDone, rules: Rules) -> Step:
    if event.ends_call:
        return _end(state, DisconnectionReason.AGENT_HANGUP, "the agent ended the call")
    is_answer = state.onset_ms > event.at_ms - ANSWER_BOUNDARY_MS or any(
        asks_for_floor(said.text, rules) for said in state.heard
    )
    is_heard = state.is_user_speaking or ((state.is_awaiting_words or bool(state.heard)) and is_answer)
    state = replace(
        state,
        phase=Phase.HEARING if is_heard else Phase.LISTENING,
        overlap=Overlap.NONE,
        reply=None,
        is_reply_ready=False,
        heard=state.heard if is_heard else (),
        speech_ms=state.speech_ms if is_heard else 0.0,
        quiet_since_ms=event.at_ms,
        silent_since_ms=state.silent_since_ms if state.is_reminder else event.at_ms,
    )
    return state, (Announce(Turn.USER),) if is_heard else ()


def _interrupt(state: State, event: InterruptBegun) -> Step:
    """The responder takes the floor, from the caller too: speech that is going on does not stop this reply."""
    cut = (Cut(state.reply, "the responder interrupts"),) if state.reply else ()
    state = replace(
        state,
        phase=Phase.THINKING,
        overlap=Overlap.NONE,
        reply=event.reply,
        is_reply_ready=False,
        is_reminder=False,
        onset_ms=math.inf if state.is_user_speaking else state.onset_ms,
        thinking_since_ms=event.at_ms,
    )
    return state, (*cut, Decide("agent interrupts", "the responder sent agent_interrupt"))


def _trigger(state: State, event: ReplyTriggered, rules: Rules) -> Step:
    """The API wants a reply: not over the caller, and not in place of speech that nothing may interrupt."""
    if state.phase is Phase.HEARING or state.is_user_speaking or state.overlap is not Overlap.NONE:
        return state, (Decide("no other reply", "the API wants one, but the caller is speaking"),)
    if state.phase is Phase.SPEAKING and not rules.can_interrupt:
        return state, (Decide("no other reply", "the API wants one, but the agent may not be interrupted"),)
    cut = (Cut(state.reply, "the API wants another reply"),) if state.reply else ()
    silent = replace(state, reply=None)
    asked, actions = _ask(silent, event.at_ms, ReplyKind.RESPONSE, "the API wants a reply", is_answer=False)
    return asked, (*cut, *actions)


def _end(state: State, reason: DisconnectionReason, detail: str) -> Step:
    return replace(state, phase=Phase.CLOSED), (End(reason, detail),)


# --- what time alone brings about ---------------------------------------------------------------


def _settle(state: State, at_ms: float, rules: Rules) -> Step:
    if at_ms >= rules.max_call_duration_ms:
        return _end(state, DisconnectionReason.MAX_DURATION_REACHED, f"{rules.max_call_duration_ms:.0f} ms are over")
    match state.phase:
        case Phase.HEARING if not state.is_user_speaking:
            return _settle_pause(state, at_ms, rules)
        case Phase.THINKING:
            return _settle_thinking(state, at_ms, rules)
        case Phase.SPEAKING:
            return _settle_overlap(state, at_ms, rules)
        case Phase.LISTENING:
            return _settle_silence(state, at_ms, rules)
        case _:
            return state, ()


def _settle_pause(state: State, at_ms: float, rules: Rules) -> Step:
    if state.is_awaiting_words and at_ms < state.speech_end_ms + rules.words_timeout_ms:
        return state, ()
    text = " ".join(said.text for said in state.heard)
    if text:
        wait = wait_ms(text, rules)
        if at_ms < state.speech_end_ms + wait:
            return state, ()
        return _ask(
            state, at_ms, ReplyKind.RESPONSE, f"{at_ms - state.speech_end_ms:.0f} ms of silence, {wait:.0f} needed"
        )
    if state.speech_ms >= rules.unintelligible_after_ms:
        state, actions = _ask(state, at_ms, ReplyKind.RESPONSE, "speech without recognisable words")
        return state, (MarkUnintelligible(), *actions)
    state = replace(state, speech_ms=0.0, is_awaiting_words=False)
    noise = Decide("nothing to answer", "a sound without words")
    if state.reply is None:
        return replace(state, phase=Phase.LISTENING), (noise,)
    state, actions = _settle_thinking(replace(state, phase=Phase.THINKING), at_ms, rules)
    return state, (noise, *actions)


def _ask(state: State, at_ms: float, kind: ReplyKind, reason: str, *, is_answer: bool = True) -> Step:
    response_id = state.next_response_id
    void = (Cut(state.reply, "the caller went on"),) if state.reply else ()
    is_reminder = kind is ReplyKind.REMINDER
    asked = replace(
        state,
        phase=Phase.THINKING,
        reply=ReplyRef(response_id),
        is_reply_ready=False,
        is_interruptible=True,
        is_reminder=is_reminder,
        is_awaiting_words=False,
        next_response_id=response_id + 1,
        heard=(),
        speech_ms=0.0,
        answered_utterance=max([state.answered_utterance, *(said.utterance for said in state.heard)]),
        thinking_since_ms=at_ms,
        reminders=state.reminders + is_reminder,
    )
    decision = "remind the caller" if is_reminder else "the caller's turn is over" if is_answer else "another reply"
    # What answers no words of the caller has no latency.
    speech_end_ms = state.speech_end_ms if is_answer and not is_reminder else None
    return asked, (*void, Decide(decision, reason), Ask(response_id, kind, speech_end_ms))


def _settle_thinking(state: State, at_ms: float, rules: Rules) -> Step:
    if state.is_reply_ready and state.reply is not None:
        if state.reply == BEGIN_MESSAGE and at_ms < rules.begin_message_delay_ms:
            return state, ()
        speaking = replace(state, phase=Phase.SPEAKING, overlap=Overlap.NONE)
        # The announcement waits for the journal; the sound must not.
        return speaking, (Play(state.reply), Announce(Turn.AGENT))
    if state.reply is None or at_ms >= reply_due_ms(state, rules):
        late = Decide("listen again", f"no reply within {rules.reply_timeout_ms:.0f} ms")
        return _stop_thinking(replace(state, quiet_since_ms=at_ms), late)
    return state, ()


def _settle_overlap(state: State, at_ms: float, rules: Rules) -> Step:
    if not may_interrupt(state, rules):
        return _speak_on(state)
    if state.is_user_speaking:
        return _settle_growing_overlap(state, at_ms, rules)
    if state.overlap is not Overlap.HELD:
        return state, ()
    if state.is_awaiting_words and at_ms < state.speech_end_ms + rules.verdict_timeout_ms:
        return state, ()
    reason = "the caller only gave a back-channel" if state.heard else "a sound without words"
    return replace(state, overlap=Overlap.NONE, speech_ms=0.0), (Resume(), Decide("agent resumes", reason))


def _speak_on(state: State) -> Step:
    """The rules have changed in the middle of an overlap: the caller may no longer interrupt."""
    if state.overlap is Overlap.NONE:
        return state, ()
    action = Resume() if state.overlap is Overlap.HELD else Unduck()
    return replace(state, overlap=Overlap.NONE), (action, Decide("agent goes on", "it may not be interrupted"))


def _settle_growing_overlap(state: State, at_ms: float, rules: Rules) -> Step:
    if state.overlap is Overlap.HELD:
        if at_ms >= state.onset_ms + rules.verdict_timeout_ms:
            return _give_floor(state, f"the caller has been speaking for {at_ms - state.onset_ms:.0f} ms")
        return state, ()
    if at_ms >= state.onset_ms + rules.hold_after_ms:
        held = Decide("agent holds", f"the caller has been speaking over it for {at_ms - state.onset_ms:.0f} ms")
        return replace(state, overlap=Overlap.HELD), (Hold(), held)
    if state.overlap is Overlap.NONE and at_ms >= state.onset_ms + rules.duck_after_ms:
        return replace(state, overlap=Overlap.DUCKED), (Duck(), Decide("agent ducks", "the caller makes a sound"))
    return state, ()


def _settle_silence(state: State, at_ms: float, rules: Rules) -> Step:
    if state.tools:
        return _settle_thinking(state, at_ms, rules) if state.is_reply_ready else (state, ())
    if at_ms >= state.silent_since_ms + rules.end_call_after_silence_ms:
        return _end(
            state, DisconnectionReason.INACTIVITY, f"the caller was silent for {rules.end_call_after_silence_ms:.0f} ms"
        )
    if state.is_reply_ready:
        return _settle_thinking(state, at_ms, rules)
    if state.reminders < rules.reminder_max_count and at_ms >= state.quiet_since_ms + rules.reminder_trigger_ms:
        return _ask(state, at_ms, ReplyKind.REMINDER, f"{at_ms - state.quiet_since_ms:.0f} ms of silence")
    return state, ()
