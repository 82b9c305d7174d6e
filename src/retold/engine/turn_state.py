"""What turn taking knows about one call."""

from dataclasses import dataclass
from enum import StrEnum

from retold.engine.actions import ReplyRef

BEGIN_MESSAGE = ReplyRef(0)
"""The reply that every call waits for first."""


class Phase(StrEnum):
    """Who holds the floor."""

    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    SPEAKING = "speaking"
    CLOSED = "closed"


class Overlap(StrEnum):
    """What the agent's voice does while the caller speaks over it."""

    NONE = "none"
    DUCKED = "ducked"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Said:
    """Words of one utterance that the agent has not answered."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class RunningTool:
    """A tool that runs, and the reply that waits for it."""

    tool_call_id: str
    reply: ReplyRef | None


@dataclass(frozen=True, slots=True)
class State:
    """All that turn taking knows; times are call milliseconds."""

    phase: Phase = Phase.THINKING
    overlap: Overlap = Overlap.NONE
    is_user_speaking: bool = False
    is_awaiting_words: bool = False
    onset_ms: float = 0.0
    speech_end_ms: float = 0.0
    speech_ms: float = 0.0
    """Speech heard since the last answer, pauses left out."""
    heard: tuple[Said, ...] = ()
    answered_utterance: int = -1
    reply: ReplyRef | None = BEGIN_MESSAGE
    is_reply_ready: bool = False
    is_interruptible: bool = True
    is_reminder: bool = False
    next_response_id: int = 1
    thinking_since_ms: float = 0.0
    quiet_since_ms: float = 0.0
    """Nobody has spoken since; reminders count from here."""
    silent_since_ms: float = 0.0
    """The caller has been silent since, the agent's real answers left out; inactivity counts from here."""
    reminders: int = 0
    tools: tuple[RunningTool, ...] = ()
    """While one runs the agent is at work: nobody is reminded, and the caller's silence does not count."""
    working_since_ms: float = 0.0
    """Since then there has always been one that runs."""

    @property
    def is_reply_at_work(self) -> bool:
        """Whether the reply that is waited for waits for a tool itself."""
        return any(tool.reply == self.reply for tool in self.tools)
