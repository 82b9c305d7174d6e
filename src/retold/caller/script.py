"""The player of a scenario: steps and what is heard of the agent in, actions out; no clock, no socket.

`advance()` is called with the caller's time at every microphone chunk. A step that waits for the agent counts
only speech that began after the caller's last passage began, or after the last wait was over: speech from
before that was not meant for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retold.caller.agent_voice import AgentVoice
from retold.caller.scenario import At, HangUp, Play, Say, Send, Silence, Step, WaitAgentDone

LINGER_MS = 30_000.0
"""A caller who has played every step stays on the line this long, then hangs up."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Begin to send the passage of this step."""

    step: int


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send a raw frame."""

    step: int
    payload: str | bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """Hang up; `complaint` says in words what the agent failed to do."""

    complaint: str = ""


Action = Speak | SendFrame | Leave


class Script:
    """Where one playing of a scenario stands. Step numbers count from 1, as in messages."""

    def __init__(self, steps: Sequence[Step], passages_ms: dict[int, float]) -> None:
        self._steps = steps
        self._passages_ms = passages_ms
        """How long the passage of each `say` or `play` step sounds."""
        self._position = 0
        self._entered_ms = 0.0
        self._mark_ms = 0.0
        self._speaking_until_ms: float | None = None
        self._has_left = False

    @property
    def steps_left(self) -> int:
        """How many steps were not finished."""
        return len(self._steps) - self._position

    def advance(self, now_ms: float, agent: AgentVoice) -> list[Action]:
        """What to do at `now_ms`; several steps may be done at once."""
        actions: list[Action] = []
        while not self._has_left and self._position < len(self._steps):
            action, is_over = self._play(self._steps[self._position], now_ms, agent)
            if action is not None:
                actions.append(action)
                self._has_left = isinstance(action, Leave)
            if not is_over:
                return actions
            self._position += 1
            self._entered_ms = now_ms
        if not self._has_left and now_ms - self._entered_ms >= LINGER_MS:
            self._has_left = True
            actions.append(Leave())
        return actions

    def _play(self, step: Step, now_ms: float, agent: AgentVoice) -> tuple[Action | None, bool]:
        """What a step does at this moment, and whether it is over."""
        match step:
            case Say() | Play():
                return self._speak(now_ms)
            case At():
                return self._speak_at(step, now_ms, agent)
            case WaitAgentDone():
                return self._wait(step, now_ms, agent)
            case Silence(duration_ms):
                return None, now_ms - self._entered_ms >= duration_ms
            case Send(payload):
                return SendFrame(self._number, payload), True
            case HangUp():
                return Leave(), True

    @property
    def _number(self) -> int:
        return self._position + 1

    def _speak(self, now_ms: float) -> tuple[Action | None, bool]:
        if self._speaking_until_ms is None:
            self._mark_ms = now_ms
            self._speaking_until_ms = now_ms + self._passages_ms[self._number]
            return Speak(self._number), False
        if now_ms < self._speaking_until_ms:
            return None, False
        self._speaking_until_ms = None
        return None, True

    def _speak_at(self, step: At, now_ms: float, agent: AgentVoice) -> tuple[Action | None, bool]:
        if self._speaking_until_ms is not None:
            return self._speak(now_ms)
        moment = agent.started_ms if step.anchor == "agent_start" else agent.done_ms
        anchor_ms = moment(self._mark_ms, now_ms)
        if anchor_ms is not None and now_ms >= anchor_ms + step.delay_ms:
            return self._speak(now_ms)
        if anchor_ms is None and now_ms - self._entered_ms >= step.timeout_ms:
            did = "start to speak" if step.anchor == "agent_start" else "finish speaking"
            return self._give_up(did, step.timeout_ms), True
        return None, False

    def _wait(self, step: WaitAgentDone, now_ms: float, agent: AgentVoice) -> tuple[Action | None, bool]:
        if agent.done_ms(self._mark_ms, now_ms) is not None:
            self._mark_ms = now_ms
            return None, True
        if now_ms - self._entered_ms < step.timeout_ms:
            return None, False
        return (self._give_up("speak and finish", step.timeout_ms) if step.is_required else None), True

    def _give_up(self, did: str, timeout_ms: float) -> Leave:
        return Leave(f"step {self._number}: the agent did not {did} within {timeout_ms / 1000:g} s")
