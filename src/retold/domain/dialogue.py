"""What a language model is shown and what it gives: pure values, the same for every vendor."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from retold.domain.llm_models import Tier


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A model's wish to use a tool; `id` is unique in the dialogue, `arguments` the JSON text it wrote."""

    id: str
    name: str
    arguments: str

    def parsed(self) -> dict[str, Any] | None:
        """The arguments as an object, or None when what the model wrote is none."""
        try:
            parsed = json.loads(self.arguments)
        except (ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else None


@dataclass(frozen=True, slots=True)
class SystemText:
    """The prompt, when it stands first; later, a notice at its place in the conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class UserText:
    """What the caller said."""

    text: str


@dataclass(frozen=True, slots=True)
class AgentText:
    """What the agent said, as it was heard, and the tools it used then."""

    text: str
    tool_uses: tuple[ToolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool gave."""

    tool_use_id: str
    content: str


Message = SystemText | UserText | AgentText | ToolOutcome


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may use; `parameters` is the JSON schema of its arguments, an object.

    Vendors take names of 1 to 64 letters, digits, `_` and `-` only.
    With `is_strict` the server is asked to hold the arguments to the schema, where the schema allows it
    (domain/strict_schema.py).
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to a language model, named as the API names it.

    Each tool use of an AgentText is followed by its ToolOutcome before any other message: vendors refuse anything else.
    `must_use` names the one tool that has to be used. `schema` asks for an answer that is JSON of this schema; the
    messages should say so too, because not every server can be bound.
    """

    model: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    temperature: float | None = None
    tier: Tier | None = None
    must_use: str | None = None
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None


class StopReason(StrEnum):
    """Why a model stopped."""

    END = "end"
    """It said what it wanted."""
    TOOL_USE = "tool_use"
    """It waits for the outcome of tools."""
    LENGTH = "length"
    """The answer is cut off at the most tokens allowed."""
    REFUSED = "refused"
    """A filter of the vendor stopped it."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of the answer, as it comes: never empty, cut anywhere between two characters."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUsePart:
    """A tool use, whole; `arguments` is JSON unless the model wrote something else, and `{}` when it wrote nothing."""

    tool_use: ToolUse


@dataclass(frozen=True, slots=True)
class UsagePart:
    """The tokens this request cost, as the server counted them; a server that does not count gives none."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class StopPart:
    """The last part of every whole answer."""

    reason: StopReason


ModelPart = TextPart | ToolUsePart | UsagePart | StopPart
