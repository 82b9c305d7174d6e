"""What a responder tells for the record, among its acts (ports.Responder): pure values."""

from collections.abc import Mapping
from dataclasses import dataclass

from retold.domain.transcript import TransitionType


@dataclass(frozen=True, slots=True)
class ToolInvoked:
    """A tool call began.

    With `type`, the kind of a tool that we run, the agent is at work until its ToolReturned, which must follow: nobody
    is reminded and no silence counts meanwhile. Without one it is book-keeping for the transcript.
    """

    tool_call_id: str
    name: str
    arguments: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool call gave its result."""

    tool_call_id: str
    content: str
    successful: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """One request to a language model is over; its tokens as the server counted them."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class VariablesCollected:
    """These dynamic variables have these values from now on, for the record; those named before are replaced."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NodeEntered:
    """A flow went on from one node to another; for the record and the caller's client."""

    former_node_id: str
    former_node_name: str
    new_node_id: str
    new_node_name: str
    transition_type: TransitionType = "normal"


@dataclass(frozen=True, slots=True)
class StateEntered:
    """A Retell LLM went on from one state to another; for the log."""

    former_state_name: str
    new_state_name: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A measured round trip to the responder's server."""

    rtt_ms: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """A message to or from the responder's server, or a note on its connection, for the public log."""

    direction: str
    """`sent`, `received` or `note`."""
    text: str
