"""What can never happen in turn taking, and the diagram that describes it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.reasons import DisconnectionReason
from retold.engine import turns
from retold.engine.actions import Action, Ask, Cut, Duck, End, Hold, Play, ReplyRef, Resume, Unduck
from retold.engine.rules import Rules, changed
from retold.engine.turn_events import (
    InterruptBegun,
    ReplyDone,
    ReplyReady,
    ReplyTriggered,
    ReplyVoid,
    SpeechEnded,
    SpeechStarted,
    Stopped,
    Tick,
    ToolEnded,
    ToolStarted,
    TurnEvent,
    Words,
)
from retold.engine.turn_state import BEGIN_MESSAGE, Overlap, Phase, Said, State
from retold.engine.words import asks_for_floor
from retold.ports import ChangeRules, ReplyKind
from support.floor import Floor, greeted, speaking, speaks


def is_of_silence(action: Action) -> bool:
    """Whether this is done because the caller says nothing."""
    match action:
        case Ask(kind=kind):
            return kind is ReplyKind.REMINDER
        case End(reason=reason):
            return reason is DisconnectionReason.INACTIVITY
        case _:
            return False


# --- properties -----------------------------------------------------------------------------------

TEXTS = ("", "yes", "okay yeah", "wait", "book Tuesday.", "call me at 12", "and")
pauses = st.sampled_from([0.0, 20.0, 90.0, 130.1, 700.3, 1600.7, 4100.0, 11_000.0]) | st.floats(0, 3000)
kinds = st.sampled_from(
    [
        "speech",
        "speech",
        "words",
        "words",
        "ready",
        "ready",
        "done",
        "done",
        "void",
        "interrupt",
        "stale",
        "rules",
        "trigger",
        "tool",
        "tool",
        "stop",
    ]
)
moves = st.tuples(kinds, pauses, st.integers(0, 1000))
walks = st.lists(moves, max_size=40)
rule_changes = st.builds(
    ChangeRules, st.floats(0, 1), st.floats(0, 1), st.sampled_from([1000, 4000]), st.integers(0, 2)
)


@dataclass
class Walk(Floor):
    """A caller and a responder who do anything at any time; checks what must hold after each step."""

    utterance: int = 0
    stale: list[ReplyRef] = field(default_factory=list[ReplyRef])
    live: set[ReplyRef] = field(default_factory=lambda: {BEGIN_MESSAGE})
    playing: ReplyRef | None = None
    asked: int = 0

    def go(self, script: list[tuple[str, float, int]]) -> Floor:
        for kind, pause_ms, choice in script:
            at_ms = self.now_ms + pause_ms
            self.wait_until(at_ms)
            for event in self._events(kind, at_ms, choice):
                self.step(event)
        return self.wait_until(self.now_ms + 30_000)

    def _events(self, kind: str, at_ms: float, choice: int) -> Iterator[TurnEvent]:  # noqa: C901 - one arm per kind
        live = self.state.reply or ReplyRef(99)
        match kind:
            case "speech":
                yield self._speech(at_ms, choice)
            case "words":
                yield Words(at_ms, self.utterance, TEXTS[choice % len(TEXTS)], is_final=choice % 2 == 0)
            case "ready":
                yield ReplyReady(at_ms, live, is_interruptible=choice % 4 > 0)
            case "done":
                yield ReplyDone(at_ms, live, ends_call=choice % 16 == 0)
            case "void":
                yield ReplyVoid(at_ms, live, ends_call=choice % 16 == 0)
            case "interrupt":
                reply = ReplyRef(self.state.next_response_id - 1, choice % 3)
                self.live |= {reply} if reply != self.state.reply else set()
                yield InterruptBegun(at_ms, reply)
            case "stale":
                stale = [reply for reply in self.stale if reply != self.state.reply] or [ReplyRef(99)]
                yield (ReplyReady, ReplyDone, ReplyVoid)[choice % 3](at_ms, stale[choice % len(stale)])
            case "stop" if choice % 8 == 0:
                yield Stopped(at_ms, DisconnectionReason.USER_HANGUP)
            case "tool":
                yield (ToolStarted if choice % 2 else ToolEnded)(at_ms, str(choice % 3))
            case "trigger":
                yield ReplyTriggered(at_ms)
            case "rules":
                self.rules = changed(self.rules, ChangeRules(interruption_sensitivity=choice % 5 / 4))
            case _:
                yield Tick(at_ms)

    def _speech(self, at_ms: float, choice: int) -> TurnEvent:
        if self.state.is_user_speaking:
            return SpeechEnded(at_ms, at_ms - choice % 160)
        self.utterance += choice % 2
        return SpeechStarted(at_ms, max(0.0, at_ms - choice % 240))

    def step(self, event: TurnEvent) -> tuple[Action, ...]:
        before, actions = self.state, super().step(event)
        assert before.phase is not Phase.CLOSED or not actions, "a closed call does nothing"
        assert (self.state.phase is Phase.CLOSED) == bool(self.did(End))
        if isinstance(event, (ReplyDone, ReplyVoid)) and event.reply == before.reply != self.state.reply:
            self.live.discard(event.reply)
            self.stale.append(event.reply)
            self.playing = None
        for action in actions:
            self._check(action)
            assert not (self.state.tools and is_of_silence(action)), "work is not silence"
        if self.state.phase is not Phase.CLOSED:
            assert self.live == ({self.state.reply} if self.state.reply else set()), "one live reply at most"
            assert self.state.phase is not Phase.SPEAKING or self.playing == self.state.reply
            assert self.state.overlap is Overlap.NONE or self.state.phase is Phase.SPEAKING
            self._check_words(before, event, actions)
        return actions

    def _check(self, action: Action) -> None:
        match action:
            case Ask():
                self.asked += 1
                assert action.response_id == self.asked, "response ids rise by one"
                self.live.add(ReplyRef(action.response_id))
            case Cut(reply=reply):
                self.live.remove(reply)
                self.stale.append(reply)
                self.playing = None
            case Play(reply=reply):
                assert self.live == {reply}, "only the live reply is played"
                assert self.playing is None
                self.playing = reply
            case Hold() | Resume() | Duck() | Unduck():
                assert self.playing is not None
            case _:
                pass

    def _check_words(self, before: State, event: TurnEvent, actions: tuple[Action, ...]) -> None:
        """Words heard are answered, or dropped by a rule."""
        heard = {said.utterance: said for said in before.heard}
        if isinstance(event, Words) and event.utterance > before.answered_utterance:
            heard[event.utterance] = Said(event.utterance, event.text)
        lost = [said for said in heard.values() if said.text and said not in self.state.heard]
        if not lost or any(isinstance(action, Ask) for action in actions):
            return
        assert isinstance(event, ReplyDone), "only the end of a reply drops words"
        assert not any(asks_for_floor(said.text, self.rules) for said in lost), "only back-channels are dropped"


@settings(max_examples=60)
@given(walks, rule_changes)
def test_no_walk_breaks_the_rules_of_the_floor(script: list[tuple[str, float, int]], change: ChangeRules) -> None:
    Walk(changed(Rules(begin_message_delay_ms=300, end_call_after_silence_ms=25_000), change)).go(script)


# --- the diagram ----------------------------------------------------------------------------------

ARROW = re.compile(r"^ {4}(\w+) +-> (\w+)", re.MULTILINE)


def drawn() -> set[tuple[Phase, Phase]]:
    """The transitions that the module's docstring shows."""
    shown: set[tuple[Phase, Phase]] = set()
    for before, after in ARROW.findall(turns.__doc__ or ""):
        sources = [phase for phase in Phase if phase is not Phase.CLOSED] if before == "any" else [Phase[before]]
        shown |= {(source, Phase[after]) for source in sources}
    return shown


def scripted_walks() -> Iterator[Floor]:
    """One walk for each transition that chance finds late."""
    hang_up = DisconnectionReason.USER_HANGUP
    yield greeted().take(*speaks("", at=2000, until=2200), Stopped(4000, hang_up))
    yield greeted().take(SpeechStarted(2060, 2000), Stopped(2100, hang_up))
    yield Floor().take(Stopped(10, hang_up))
    yield speaking().take(Stopped(6000, hang_up))
    yield speaking().take(InterruptBegun(6000, ReplyRef(1, 7)), ReplyVoid(6100, ReplyRef(1, 7)))
    yield speaking().take(SpeechStarted(6060, 6000), Words(6150, 1, "Wait", is_final=False))
    yield greeted().take(
        *speaks("Book it.", at=2000, until=3000), SpeechStarted(4060, 4000), ReplyReady(4100, ReplyRef(1))
    )
    yield greeted().take(
        *speaks("Book it.", at=2000, until=3000), ReplyReady(4030, ReplyRef(1)), *speaks("", at=4000, until=4100)
    )
    floor = greeted().take(*speaks("Book it.", at=2000, until=3000), SpeechStarted(4060, 4000))
    yield floor.take(ReplyReady(4100, ReplyRef(1)), SpeechEnded(4400, 4240), Words(4500, 1, "", is_final=True))
    yield greeted().wait_until(60_000)
    yield greeted().take(*speaks("Book it.", at=2000, until=3000), ReplyReady(13_400, ReplyRef(1)))


def test_the_diagram_shows_the_transitions_that_happen() -> None:
    seen = {pair for floor in scripted_walks() for pair in floor.phases}

    @settings(max_examples=25)
    @given(walks)
    def walk(script: list[tuple[str, float, int]]) -> None:
        seen.update(Walk().go(script).phases)

    walk()
    happened = {(before, after) for before, after in seen if before is not after}
    assert happened == drawn()


def test_the_diagram_is_of_every_phase() -> None:
    assert {phase for pair in drawn() for phase in pair} == set(Phase)
