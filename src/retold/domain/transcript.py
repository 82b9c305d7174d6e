"""Transcript shapes: words, utterances and the tool calls woven between them.

Wire shapes of `transcript_object` and `transcript_with_tool_calls` (SDK 6.2.13 `types/web_call_response.py`):
word times are seconds of call time there, milliseconds inside the engine.
"""

from collections.abc import Callable, Sequence
from itertools import compress, count
from operator import is_not
from typing import Any, Generic, Literal, TypeVar

import msgspec


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One word and when it was audible, in milliseconds (of the call, unless the owner says otherwise)."""

    text: str
    start_ms: float
    end_ms: float


class Utterance(msgspec.Struct, frozen=True):
    """What one party said without the other in between; `response_id` and `interrupt_id` for the agent only."""

    role: Literal["agent", "user"]
    words: tuple[Word, ...]
    response_id: int | None = None
    interrupt_id: int | None = None
    content: str = ""

    def wire(self) -> dict[str, Any]:
        """The utterance as the API shows it."""
        shape: dict[str, Any] = {
            "role": self.role,
            "content": self.content,
            "words": [
                {"word": word.text, "start": round(word.start_ms / 1000, 3), "end": round(word.end_ms / 1000, 3)}
                for word in self.words
            ],
        }
        metadata = {
            key: value
            for key, value in (("response_id", self.response_id), ("interrupt_id", self.interrupt_id))
            if value is not None
        }
        if metadata:
            shape["metadata"] = metadata
        return shape


class ToolCallInvocation(msgspec.Struct, frozen=True):
    """A tool call at the place where it began; `arguments` is JSON text, `type` the kind of a tool that we run."""

    tool_call_id: str
    name: str
    arguments: str
    type: str | None = None

    def wire(self) -> dict[str, Any]:
        """The invocation as the API shows it."""
        shape: dict[str, Any] = {
            "role": "tool_call_invocation",
            "tool_call_id": self.tool_call_id,
            "name": self.name,
            "arguments": self.arguments,
        }
        return shape if self.type is None else {**shape, "type": self.type}


class ToolCallResult(msgspec.Struct, frozen=True):
    """A tool's result at the place where it came."""

    tool_call_id: str
    content: str
    successful: bool | None = None

    def wire(self) -> dict[str, Any]:
        """The result as the API shows it."""
        shape: dict[str, Any] = {"role": "tool_call_result", "tool_call_id": self.tool_call_id, "content": self.content}
        if self.successful is not None:
            shape["successful"] = self.successful
        return shape


class Injected(msgspec.Struct, frozen=True):
    """What the API told the agent in mid-call, at the place where it came; `at_ms` is call time."""

    content: str
    at_ms: float

    def wire(self) -> dict[str, Any]:
        """The text as the API shows it."""
        return {"role": "injected", "content": self.content, "time_sec": round(self.at_ms / 1000, 3)}


TransitionType = Literal["normal", "global", "global_go_back", "interrupt_go_back"]
"""How a node of a flow was reached."""


class NodeTransition(msgspec.Struct, frozen=True):
    """A flow went on to another node, at the place where it did; `at_ms` is call time."""

    former_node_id: str
    former_node_name: str
    new_node_id: str
    new_node_name: str
    transition_type: TransitionType
    at_ms: float

    def fields(self) -> dict[str, str]:
        """What it says of the two nodes, by the names of the API."""
        return {
            "former_node_id": self.former_node_id,
            "former_node_name": self.former_node_name,
            "new_node_id": self.new_node_id,
            "new_node_name": self.new_node_name,
            "transition_type": self.transition_type,
        }

    def wire(self) -> dict[str, Any]:
        """The transition as the API shows it."""
        return {"role": "node_transition", **self.fields()}


TranscriptItem = Utterance | ToolCallInvocation | ToolCallResult | Injected | NodeTransition

_Form = TypeVar("_Form")


class Forms(Generic[_Form]):
    """A form of each item of a growing transcript, such as its JSON.

    What stands before the first item that is another object keeps its form: a long call's transcript is shown many
    times, and would otherwise cost milliseconds each.
    """

    def __init__(self, form_of: Callable[[TranscriptItem], _Form]) -> None:
        self._form_of = form_of
        self._items: Sequence[TranscriptItem] = ()
        self._forms: list[_Form] = []

    def of(self, items: Sequence[TranscriptItem]) -> list[_Form]:
        """The forms of these items; they must not be changed."""
        # All in C, for these are thousands.
        first_other = next(compress(count(), map(is_not, self._items, items)), min(len(self._items), len(items)))
        self._forms[first_other:] = [self._form_of(item) for item in items[first_other:]]
        self._items = tuple(items)
        return self._forms.copy()


UNINTELLIGIBLE = "(unintelligible audio)"
"""Content of an utterance in which speech was heard but no words (Retell's literal)."""


def as_text(utterances: Sequence[Utterance]) -> str:
    """The `transcript` field: one line per utterance, `Agent: ...` or `User: ...`."""
    return "".join(f"{utterance.role.capitalize()}: {utterance.content}\n" for utterance in utterances)
