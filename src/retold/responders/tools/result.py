"""What running a tool comes to; pure values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from retold.domain.dialogue import UsagePart
from retold.responders.mind.brain import Successor
from retold.responders.mind.own_server import OwnServer

MAX_CONTENT_CHARS = 15_000
"""Of a tool's result, what the model is shown and the record keeps (Retell's limit)."""


@dataclass(frozen=True, slots=True)
class EndsCall:
    """The call is to end once what is being said has been said."""


@dataclass(frozen=True, slots=True)
class SwapsAgent:
    """Another agent is to go on with the call."""

    successor: Successor | OwnServer


Effect = EndsCall | SwapsAgent


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave: for the model and the record, for the variables, and for the call itself."""

    content: str
    successful: bool
    variables: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What it found out, by the names of the variables that now hold it."""
    effect: Effect | None = None
    used: Sequence[UsagePart] = ()
    """What it cost of a language model."""

    @property
    def shown(self) -> str:
        """The content, cut where it is too long."""
        return self.content[:MAX_CONTENT_CHARS]
