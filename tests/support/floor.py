"""Turn taking fed by hand, as the session would feed it."""

from dataclasses import dataclass, field

from retold.engine import turns
from retold.engine.actions import Action, ReplyRef
from retold.engine.rules import Rules
from retold.engine.turn_deadlines import deadline
from retold.engine.turn_events import ReplyDone, ReplyReady, SpeechEnded, SpeechStarted, Tick, TurnEvent, Words
from retold.engine.turn_state import BEGIN_MESSAGE, Phase, State
from retold.engine.turns import step

MAX_TICKS_AT_ONCE = 5
"""What time brings about at one moment is done after this many Ticks, or it never is."""


@dataclass
class Floor:
    """Turn taking fed by hand; between two events time passes as the session lets it pass."""

    rules: Rules = field(default_factory=Rules)
    state: State = field(default_factory=State)
    now_ms: float = 0.0
    actions: list[Action] = field(default_factory=list[Action])
    phases: list[tuple[Phase, Phase]] = field(default_factory=list[tuple[Phase, Phase]])

    def take(self, *events: TurnEvent) -> "Floor":
        for event in events:
            self.wait_until(event.at_ms)
            self.step(event)
        return self

    def wait_until(self, at_ms: float) -> "Floor":
        """Tick whenever a Tick is due."""
        ticks_at_once = 0
        while (due_ms := deadline(self.state, self.rules)) <= at_ms and self.state.phase is not Phase.CLOSED:
            ticks_at_once = ticks_at_once + 1 if due_ms <= self.now_ms else 0
            assert ticks_at_once <= MAX_TICKS_AT_ONCE, f"busy in {self.state}"
            before = self.state
            self.step(Tick(max(due_ms, self.now_ms)))
            assert self.state != before or deadline(self.state, self.rules) > due_ms
        return self

    def step(self, event: TurnEvent) -> tuple[Action, ...]:
        before, self.now_ms = self.state, max(self.now_ms, event.at_ms)
        self.state, actions = step(self.state, event, self.rules)
        self.phases.append((before.phase, self.state.phase))
        self.actions += actions
        return actions

    def did(self, *kinds: type[Action]) -> list[Action]:
        return [action for action in self.actions if isinstance(action, kinds)]

    def decisions(self) -> list[str]:
        return [action.decision for action in self.actions if isinstance(action, turns.Decide)]


def speaks(text: str, *, at: float, until: float, utterance: int = 0) -> tuple[TurnEvent, ...]:
    """The caller speaks; the final words come 100 ms after the end is noticed."""
    return (
        SpeechStarted(at + 60, at),
        SpeechEnded(until + 160, until),
        Words(until + 260, utterance, text, is_final=True),
    )


def greeted(rules: Rules | None = None) -> Floor:
    """The begin message was played from 100 to 1000 ms."""
    floor = Floor(rules or Rules())
    return floor.take(ReplyReady(100, BEGIN_MESSAGE), ReplyDone(1000, BEGIN_MESSAGE))


def speaking(rules: Rules | None = None, *, is_interruptible: bool = True) -> Floor:
    """The agent has been speaking reply 1 since 5000 ms."""
    floor = greeted(rules).take(*speaks("When do you open?", at=2000, until=3000))
    return floor.take(ReplyReady(5000, ReplyRef(1), is_interruptible))
