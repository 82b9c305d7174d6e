"""What turn taking wants done; the session does it."""

from dataclasses import dataclass

from retold.domain.reasons import DisconnectionReason
from retold.ports import ReplyKind, Turn


@dataclass(frozen=True, slots=True)
class ReplyRef:
    """Names a reply: by the response it answers, or by the responder's own interrupt."""

    response_id: int
    interrupt_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the responder; `speech_end_ms` is when the words to answer ended."""

    response_id: int
    kind: ReplyKind
    speech_end_ms: float | None


@dataclass(frozen=True, slots=True)
class Play:
    """Start playing this reply."""

    reply: ReplyRef


@dataclass(frozen=True, slots=True)
class Duck:
    """Turn the agent's voice down."""


@dataclass(frozen=True, slots=True)
class Unduck:
    """Back to full voice."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop the agent's voice at once, keeping the rest of the reply."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on where the reply was held."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop the rest of this reply for good."""

    reply: ReplyRef
    reason: str


@dataclass(frozen=True, slots=True)
class Announce:
    """A turn began."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class MarkUnintelligible:
    """What the caller said last is shown as `(unintelligible audio)`."""


@dataclass(frozen=True, slots=True)
class Decide:
    """A decision and its reason, for the public log."""

    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """End the call."""

    reason: DisconnectionReason
    detail: str


Action = Ask | Play | Duck | Unduck | Hold | Resume | Cut | Announce | MarkUnintelligible | Decide | End
