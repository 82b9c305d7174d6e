"""What Ada says: a pure function of the conversation so far.

The state is rebuilt from the transcript for every reply, so an interrupted, repeated or lost reply cannot leave it
wrong: it depends on what the caller said and on what the caller heard, and on nothing else.

    book: day? -> (look up) time? -> confirm? -> booked      move: which? -> as book      cancel: which? -> confirm?
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from retold.demo.practice import CALLERS_OWN_MINUTE, Slot, free_times, hours_on, is_free, spoken_time
from retold.demo.state import GREETING, Asked, Line, Lookup, Reply, State
from retold.demo.understanding import Meaning, Pick, Service, Task, understand
from retold.demo.wording import ANYTHING_ELSE, facts, question

_FAREWELL: Final = "Thank you for calling Lakeside Dental. Goodbye!"
_HELP: Final = "I can book, move or cancel an appointment, or tell you our hours, prices and address."


def begin() -> Reply:
    """The begin message."""
    return Reply((GREETING,))


def reply_to(transcript: Sequence[Line], read: Callable[[str], Meaning] = understand) -> Reply:
    """The answer to the last thing the caller said; any transcript has one, never empty.

    `read` may be a remembering `understand`: each reply reads the whole conversation again.
    """
    state = _after(transcript, read)
    return state.last if any(line.role == "user" for line in transcript) else begin()


def remind(transcript: Sequence[Line], read: Callable[[str], Meaning] = understand) -> Reply:
    """What to say to a caller who says nothing."""
    pending = question(_after(transcript, read))
    return Reply(("Are you still there?", pending) if pending else ("Are you still there?",))


def _after(transcript: Sequence[Line], read: Callable[[str], Meaning]) -> State:
    state = State()
    heard = ""
    for line in transcript:
        if line.role == "agent":
            heard = f"{heard} {line.content}"
            continue
        before = state
        state = _answer(state, read(line.content), heard)
        if (state.task, state.slot, state.own) != (before.task, before.slot, before.own):
            # What was heard so far is about another plan: a yes to that is no yes to this.
            heard = ""
    return state


def _answer(state: State, said: Meaning, heard: str) -> State:
    """The state after one utterance of the caller; its `last` is the answer."""
    if said.is_empty:
        return _missed(state)
    if said.is_repeat and not said.has_slot:
        return replace(state, last=_again(state.last))
    if said.is_goodbye and said.task is None and not (said.has_slot and state.task is not None):
        return replace(state, asked=Asked.NOTHING, last=Reply((_FAREWELL,), ends_call=True))
    if said.is_hold:
        return replace(state, last=Reply(("Of course, take your time.",)))
    return _sensible_answer(_noted(state, said), said, heard)


def _sensible_answer(state: State, said: Meaning, heard: str) -> State:
    told = facts(said, state)
    if _is_about_diary(state, said):
        state = _diary(replace(state, misses=0), said, heard)
        return replace(state, last=replace(state.last, parts=(*told, *state.last.parts)))
    if told:
        return _then(replace(state, misses=0), told, question(state) or "What else can I do for you?")
    return _small_talk(state, said)


def _noted(state: State, said: Meaning) -> State:
    """Remember what was asked for and when."""
    task = said.task or state.task
    if said.service is Service.TOOTHACHE and task is None:
        task = Task.BOOK
    if state.asked is Asked.ANYTHING_ELSE and state.own is not None and said.is_correction and said.has_slot:
        task = Task.MOVE if said.task is None else said.task
    if task is None and said.has_slot and not said.infos:
        task = Task.BOOK
    if task is not state.task:
        kept = state.own if task is Task.MOVE else None
        state = replace(
            state,
            task=task,
            day=kept.day if kept is not None and said.has_slot else None,
            minute=kept.minute if kept is not None else None,
            part=None,
            offered=(),
            asked=Asked.NOTHING,
        )
    return replace(state, service=said.service or state.service, part=said.part or state.part)


def _is_about_diary(state: State, said: Meaning) -> bool:
    if said.task is not None or (said.has_slot and not said.infos):
        return state.task is not None
    if said.infos or state.task is None:
        return False
    answers = said.is_yes or said.is_no or said.pick or said.part or said.bare_minute or said.has_relative_day
    return bool(answers) or said.service is not None


def _diary(state: State, said: Meaning, heard: str) -> State:
    """One step of booking, moving or cancelling."""
    if state.task is not Task.BOOK and state.own is None:
        return _find_own(state, said)
    if state.task is Task.CANCEL:
        return _decide(state, said, heard) if state.asked is Asked.CONFIRM else _confirm(state)
    if state.asked is Asked.CONFIRM and not said.has_slot and said.part is None and (said.is_yes or said.is_no):
        return _decide(state, said, heard)
    return _choose(_with_slot(state, said), said)


def _with_slot(state: State, said: Meaning) -> State:
    """Take over the day and time the caller named."""
    minute = said.minute
    if minute is None and state.asked is Asked.TIME:
        minute = _picked(state.offered, said)
    day = said.day or state.day
    if said.part is not None and minute is None and said.day is None:
        return replace(state, minute=None, offered=())
    return replace(state, day=day, minute=state.minute if minute is None else minute)


def _picked(offered: Sequence[int], said: Meaning) -> int | None:
    if said.bare_minute is not None:
        return said.bare_minute
    if not offered:
        return None
    if said.pick is Pick.SECOND and len(offered) > 1:
        return offered[1]
    if said.pick is Pick.LAST:
        return offered[-1]
    return offered[0] if said.pick is Pick.FIRST or (said.is_yes and len(offered) == 1) else None


def _choose(state: State, said: Meaning) -> State:
    """Ask for what is missing, or look whether the wished time is free."""
    if state.day is None:
        why = ("Which weekday would that be?",) if said.has_relative_day else ()
        return _ask(state, Asked.DAY, why or (*_sympathy(state, said), question(replace(state, asked=Asked.DAY))))
    hours = hours_on(state.day)
    if hours is None:
        sorry = f"I'm sorry, we're closed on {state.day}."
        return _ask(replace(state, day=None), Asked.DAY, (sorry, "Which other day would suit you?"))
    if state.minute is None:
        offered = free_times(state.day, part=state.part)
        if not offered:
            offered = free_times(state.day)
        return _offer(state, offered, ())
    if is_free(Slot(state.day, state.minute)):
        return _confirm(state)
    wished = spoken_time(state.minute)
    if not hours.opens <= state.minute < hours.closes:
        sorry = f"I'm sorry, on {state.day} we're open {hours.spoken()}."
    else:
        sorry = f"I'm sorry, {wished} is not free on {state.day}."
    return _offer(replace(state, minute=None), free_times(state.day, near=state.minute), (sorry,))


def _offer(state: State, offered: Sequence[int], first: Sequence[str]) -> State:
    times = [spoken_time(minute) for minute in offered]
    lookup = Lookup("check_schedule", {"day": str(state.day)}, {"free": times})
    opening = () if first else (f"Let me check {state.day}.",)
    state = replace(state, offered=tuple(offered))
    return _ask(state, Asked.TIME, (*opening, lookup, *first, question(replace(state, asked=Asked.TIME))))


def _confirm(state: State) -> State:
    asking = replace(state, asked=Asked.CONFIRM)
    slot = state.slot
    if state.task is Task.CANCEL or slot is None:
        return _ask(state, Asked.CONFIRM, (question(asking),))
    lookup = Lookup("check_schedule", {"day": str(slot.day), "time": spoken_time(slot.minute)}, {"is_free": True})
    return _ask(
        state,
        Asked.CONFIRM,
        (
            lookup,
            f"{slot.spoken()} is free.",
            "Shall I move it there?" if state.task is Task.MOVE else "Shall I book it?",
        ),
    )


def _decide(state: State, said: Meaning, heard: str) -> State:
    """A yes or no to the question whether to write it into the diary."""
    target = state.own if state.task is Task.CANCEL else state.slot
    if target is None or not (said.is_yes or said.is_no):
        return _missed(state)
    if said.is_no:
        return _declined(state)
    if target.spoken().lower() not in heard.lower():
        # The question was cut off before the caller heard what they would agree to.
        return _ask(state, Asked.CONFIRM, ("Just to be sure.", question(state)))
    what = str(state.service) if state.service not in {None, Service.TOOTHACHE} else "appointment"
    details = {"day": str(target.day), "time": spoken_time(target.minute)}
    done = replace(state, task=None, day=None, minute=None, part=None, offered=(), asked=Asked.ANYTHING_ELSE)
    if state.task is Task.CANCEL:
        lookup = Lookup("cancel_appointment", details, {"ok": True})
        return replace(done, own=None, last=Reply(("Okay.", lookup, "It's cancelled.", ANYTHING_ELSE)))
    if state.task is Task.MOVE:
        lookup = Lookup("move_appointment", details, {"ok": True})
        news = f"Your {what} is now on {target.spoken()}."
    else:
        lookup = Lookup("book_appointment", {**details, "service": what}, {"ok": True})
        news = f"Your {what} is booked for {target.spoken()}."
    return replace(done, own=target, last=Reply(("Great.", lookup, news, ANYTHING_ELSE)))


def _declined(state: State) -> State:
    if state.task is Task.CANCEL:
        kept = replace(state, task=None, asked=Asked.ANYTHING_ELSE)
        return replace(kept, last=Reply(("Okay, I'll leave it as it is.", ANYTHING_ELSE)))
    return _ask(
        replace(state, day=None, minute=None, part=None, offered=()),
        Asked.DAY,
        ("No problem.", "Which day would suit you better?"),
    )


def _find_own(state: State, said: Meaning) -> State:
    """Moving and cancelling begin with the appointment the caller has."""
    own_day, wish = said.day, None
    if said.other_day is not None:
        own_day, wish = said.other_day, said.day
    elif state.task is Task.MOVE and said.is_to_day and state.asked is not Asked.OWN_DAY:
        own_day, wish = None, said.day
    state = replace(state, day=wish or state.day, minute=said.minute if wish else state.minute)
    if own_day is None or hours_on(own_day) is None:
        return _ask(state, Asked.OWN_DAY, ("Sure.", question(replace(state, asked=Asked.OWN_DAY))))
    own = Slot(own_day, CALLERS_OWN_MINUTE)
    lookup = Lookup("find_appointment", {"day": str(own_day)}, {"time": spoken_time(own.minute)})
    found = ("Let me see.", lookup, f"I found your appointment on {own.spoken()}.")
    state = replace(state, own=own, asked=Asked.NOTHING)
    if state.task is Task.CANCEL:
        return _ask(state, Asked.CONFIRM, (*found, question(replace(state, asked=Asked.CONFIRM))))
    after = _choose(state, said)
    return replace(after, last=Reply((*found, *after.last.parts)))


def _small_talk(state: State, said: Meaning) -> State:
    pending = question(state)
    if state.asked is Asked.ANYTHING_ELSE and said.is_no:
        return replace(state, asked=Asked.NOTHING, last=Reply((_FAREWELL,), ends_call=True))
    if said.is_thanks:
        return _then(state, ("You're welcome.",), pending or ANYTHING_ELSE, asked=Asked.ANYTHING_ELSE)
    if said.is_hello:
        return _then(state, ("Hello!",), pending or "How can I help you?")
    if said.is_yes and state.asked is Asked.ANYTHING_ELSE:
        return _then(state, ("Sure.",), "What can I do for you?")
    if said.is_no and not pending:
        return _then(state, ("All right.",), ANYTHING_ELSE, asked=Asked.ANYTHING_ELSE)
    return _missed(state)


def _missed(state: State) -> State:
    sorry = "Sorry, I didn't catch that." if state.misses % 2 == 0 else "I'm afraid I still didn't get it."
    return replace(state, misses=state.misses + 1, last=Reply((sorry, question(state) or _HELP)))


def _sympathy(state: State, said: Meaning) -> tuple[str, ...]:
    if said.service is Service.TOOTHACHE:
        return ("I'm sorry to hear that.",)
    return ("Sure.",) if said.task is not None and state.task is not None else ()


def _ask(state: State, asked: Asked, parts: tuple[str | Lookup, ...]) -> State:
    return replace(state, asked=asked, last=Reply(parts))


def _then(state: State, first: tuple[str, ...], last: str, *, asked: Asked = Asked.NOTHING) -> State:
    """Say something, then come back to the pending question; `asked` when there is none."""
    return replace(state, asked=asked if state.asked is Asked.NOTHING else state.asked, last=Reply((*first, last)))


def _again(reply: Reply) -> Reply:
    """The same sentences; a lookup is not done twice, and hearing a farewell again does not hang up earlier."""
    return replace(reply, parts=tuple(part for part in reply.parts if isinstance(part, str)))
