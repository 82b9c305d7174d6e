"""What was said and done on a call, read out of `transcript_with_tool_calls`: for those who analyse it afterwards."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from retold.domain.dialogue import ToolUse
from retold.domain.transcript import UNINTELLIGIBLE

MAX_SHOWN_CHARS: Final = 120_000
"""Of a transcript that a language model is shown: some hours of talk; of a longer one the middle is left out."""


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance."""

    role: Literal["agent", "user"]
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A tool that was used; `successful` is None while nobody said so."""

    name: str
    arguments: Mapping[str, Any]
    successful: bool | None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call's utterances and tools, each in order."""

    said: tuple[Said, ...] = ()
    done: tuple[Done, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Mapping[str, Any]]) -> "Conversation":
        """The conversation of a transcript with tool calls; what nobody understood was not said."""
        listed = list(items)
        results = {item.get("tool_call_id"): item for item in listed if item.get("role") == "tool_call_result"}
        uses = [item for item in listed if item.get("role") == "tool_call_invocation"]
        return cls(tuple(_said(listed)), tuple(_done(use, results) for use in uses))

    def by(self, role: Literal["agent", "user"]) -> list[str]:
        """What one side said, utterance by utterance."""
        return [one.text for one in self.said if one.role == role]


def shown(items: Iterable[Mapping[str, Any]]) -> str:
    """The transcript as a language model reads it: a line for each utterance, tool use, result and key press."""
    text = "\n".join(line for item in items if (line := _line(item)))
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    half = MAX_SHOWN_CHARS // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def _said(items: Iterable[Mapping[str, Any]]) -> Iterator[Said]:
    for item in items:
        role, text = item.get("role"), str(item.get("content") or "").strip()
        if text and text != UNINTELLIGIBLE and (role == "agent" or role == "user"):  # noqa: PLR1714 - narrows the type
            yield Said(role, text)


def _done(use: Mapping[str, Any], results: Mapping[Any, Mapping[str, Any]]) -> Done:
    name, result = str(use.get("name", "")), results.get(use.get("tool_call_id"), {})
    arguments = ToolUse("", name, str(use.get("arguments", ""))).parsed() or {}
    return Done(name, arguments, result.get("successful"), use.get("type"))


def _line(item: Mapping[str, Any]) -> str:
    match item.get("role"):
        case "agent" | "user" as role:
            return f"{role.capitalize()}: {item.get('content', '')}"
        case "tool_call_invocation":
            return f"[the agent uses {item.get('name', '')}: {item.get('arguments', '')}]"
        case "tool_call_result":
            return f"[result: {item.get('content', '')}]"
        case "dtmf":
            return f"[the user presses {item.get('digit', '')}]"
        case _:
            return ""
