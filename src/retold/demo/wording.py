"""How Ada puts it: her questions and the facts she tells, in short sentences a voice speaks well."""

from typing import Final

from retold.demo.practice import Day, hours_on, spoken_list, spoken_time
from retold.demo.state import Asked, State
from retold.demo.understanding import Info, Meaning, Service, Task

ANYTHING_ELSE: Final = "Is there anything else I can do for you?"
_FACTS: Final = {
    Info.WHO: "I'm Ada, a computer program that demonstrates this phone line.",
    Info.INSURANCE: "We take Delta Dental, Aetna, Cigna and MetLife. Please bring your card along.",
    Info.ADDRESS: "We're at twelve Lake Street, next to the library. You can park behind the house.",
}
_PRICES: Final = {
    Service.CLEANING: "A cleaning is ninety dollars.",
    Service.CHECK_UP: "A check-up is sixty dollars.",
    Service.FILLING: "A filling starts at one hundred and fifty dollars.",
    Service.WHITENING: "Whitening is three hundred dollars.",
}
_USUAL_PRICES: Final = f"{_PRICES[Service.CHECK_UP]} {_PRICES[Service.CLEANING]}"


def question(state: State) -> str:
    """The question Ada waits to have answered; empty when there is none."""
    words = ""
    match state.asked:
        case Asked.DAY:
            words = "Which day would suit you?"
        case Asked.TIME:
            times = spoken_list([spoken_time(minute) for minute in state.offered])
            choice = "Which one suits you?" if len(state.offered) > 1 else "Is that okay?"
            words = f"I have {times} on {state.day}. {choice}"
        case Asked.OWN_DAY:
            words = "Which day is your appointment on?"
        case Asked.CONFIRM if state.task is Task.CANCEL and state.own is not None:
            words = f"Shall I cancel your appointment on {state.own.spoken()}?"
        case Asked.CONFIRM if state.slot is not None:
            verb = "move it to" if state.task is Task.MOVE else "book it for"
            words = f"Shall I {verb} {state.slot.spoken()}?"
        case Asked.ANYTHING_ELSE:
            words = ANYTHING_ELSE
        case _:
            pass
    return words


def facts(said: Meaning, state: State) -> tuple[str, ...]:
    """Answers to the questions about the practice in what was said."""
    told: list[str] = []
    for info in said.infos:
        if info is Info.HOURS:
            told.append(_hours_fact(said.day))
        elif info is Info.PRICE:
            service = said.service or state.service
            told.append(_USUAL_PRICES if service is None else _PRICES.get(service, _USUAL_PRICES))
        else:
            told.append(_FACTS[info])
    return tuple(told)


def _hours_fact(day: Day | None) -> str:
    if day is None:
        return "We're open Monday to Friday from eight to five, and Saturday from nine to one."
    hours = hours_on(day)
    return f"On {day} we're open {hours.spoken()}." if hours else f"We're closed on {day}."
