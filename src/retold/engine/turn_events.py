"""What turn taking is told; each event carries its call time."""

from dataclasses import dataclass

from retold.domain.reasons import DisconnectionReason
from retold.engine.actions import ReplyRef


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak at `onset_ms`."""

    at_ms: float
    onset_ms: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller fell silent; the last audible sample was at `end_ms`."""

    at_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Words:
    """All words of one utterance so far; `is_final` when they cover everything said up to the last pause."""

    at_ms: float
    utterance: int
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class ReplyReady:
    """The first audio of a reply can be played; told again when what is played may be interrupted, or no longer."""

    at_ms: float
    reply: ReplyRef
    is_interruptible: bool = True


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """All of a reply has been played."""

    at_ms: float
    reply: ReplyRef
    ends_call: bool = False


@dataclass(frozen=True, slots=True)
class ReplyVoid:
    """A reply is complete and has nothing to say."""

    at_ms: float
    reply: ReplyRef
    ends_call: bool = False


@dataclass(frozen=True, slots=True)
class InterruptBegun:
    """The responder takes the floor (`agent_interrupt`)."""

    at_ms: float
    reply: ReplyRef


@dataclass(frozen=True, slots=True)
class ReplyTriggered:
    """The API wants the agent to speak (`trigger_response`)."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent is at work: a tool that this server runs has begun."""

    at_ms: float
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """A tool has given its result."""

    at_ms: float
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call must end: someone left, failed or asked for it."""

    at_ms: float
    reason: DisconnectionReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""

    at_ms: float


TurnEvent = (
    SpeechStarted
    | SpeechEnded
    | Words
    | ReplyReady
    | ReplyDone
    | ReplyVoid
    | InterruptBegun
    | ReplyTriggered
    | ToolStarted
    | ToolEnded
    | Stopped
    | Tick
)
