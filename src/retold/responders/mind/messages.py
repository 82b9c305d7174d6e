"""The conversation as a model is shown it: a fold over the transcript, so that an interruption needs no repair; pure.

The transcript holds what was really heard. Vendors want each tool use followed by its outcome, so a result stands where
the tool was used, also when it came later. A running tool's outcome says so, and where the caller said something before
the result came, a notice tells the model that it is there now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from retold.domain.dialogue import AgentText, Message, SystemText, ToolOutcome, ToolUse, UserText
from retold.domain.transcript import Injected, ToolCallInvocation, ToolCallResult, TranscriptItem, Utterance

STILL_RUNNING: Final = "(still running; the result is not there yet)"
ARRIVED: Final = "The result of {name} is there now: see the outcome of {id}."


def dialogue_of(items: Sequence[TranscriptItem]) -> tuple[Message, ...]:
    """The messages for what was said and done so far, without a prompt."""
    fold = _Fold({item.tool_call_id: item for item in items if isinstance(item, ToolCallResult)})
    for item in items:
        fold.take(item)
    return tuple(fold.messages)


@dataclass(slots=True)
class _Fold:
    results: dict[str, ToolCallResult]
    messages: list[Message] = field(default_factory=list[Message])
    used: dict[str, str] = field(default_factory=dict[str, str])
    """The names of the tools used so far, by id."""
    waited_for: set[str] = field(default_factory=set[str])
    """Tools whose result came only after somebody else had spoken."""
    running: set[str] = field(default_factory=set[str])
    has_just_used: bool = False
    """Whether the last item was a tool use, so that a further one is of the same moment."""

    def take(self, item: TranscriptItem) -> None:
        has_just_used, self.has_just_used = self.has_just_used, False
        match item:
            case Utterance(role="user", content=content):
                self.waited_for |= self.running
                self._say(UserText(content))
            case Utterance(content=content):
                self._say(AgentText(content))
            case Injected(content=content):
                self.waited_for |= self.running
                self.messages.append(SystemText(content))
            case ToolCallInvocation() if item.tool_call_id not in self.used:
                self.has_just_used = True
                self._use(item, is_same_moment=has_just_used)
            case ToolCallResult(tool_call_id=tool_call_id):
                self._return(tool_call_id)
            case _:
                # What else a transcript holds is for people.
                pass

    def _say(self, said: UserText | AgentText) -> None:
        last = self.messages[-1] if self.messages else None
        if not said.text.strip():
            return
        if isinstance(said, UserText) and isinstance(last, UserText):
            self.messages[-1] = UserText(f"{last.text} {said.text}")
        elif isinstance(said, AgentText) and isinstance(last, AgentText):
            self.messages[-1] = AgentText(f"{last.text} {said.text}")
        else:
            self.messages.append(said)

    def _use(self, item: ToolCallInvocation, *, is_same_moment: bool) -> None:
        self.used[item.tool_call_id] = item.name
        self.running.add(item.tool_call_id)
        use = ToolUse(item.tool_call_id, item.name, item.arguments)
        result = self.results.get(item.tool_call_id)
        outcome = ToolOutcome(item.tool_call_id, STILL_RUNNING if result is None else result.content)
        place = len(self.messages)
        while is_same_moment and isinstance(self.messages[place - 1], ToolOutcome):
            place -= 1
        last = self.messages[place - 1] if place else None
        if isinstance(last, AgentText):
            self.messages[place - 1] = AgentText(last.text, (*last.tool_uses, use))
        else:
            self.messages.append(AgentText("", (use,)))
        self.messages.append(outcome)

    def _return(self, tool_call_id: str) -> None:
        self.running.discard(tool_call_id)
        if tool_call_id in self.waited_for:
            self.messages.append(SystemText(ARRIVED.format(name=self.used[tool_call_id], id=tool_call_id)))
