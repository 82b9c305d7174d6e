"""One turn of the agent: why it speaks, what it is shown of the conversation, and what it has said and done so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import anyio

from retold.domain.dialogue import AgentText, Message, ToolOutcome, ToolUse
from retold.domain.transcript import TranscriptItem
from retold.ports import Say
from retold.responders.mind.outbox import Outbox

_PAUSE: Final = "\n\n"
"""The end of a paragraph: what stands before it is spoken without waiting for more."""
_UNHEARD_S: Final = 5.0
"""Words of which nothing is heard for so long will not be heard any more, or were never words."""


class Cause(StrEnum):
    """Why the agent speaks."""

    OPENING = "the call begins"
    ANSWER = "the caller's turn is over"
    REMINDER = "the caller is silent"
    NEWS = "a tool has given its result"


@dataclass(slots=True)
class Turn:
    """What is said belongs to the response `response_id`, or to the agent interrupt `interrupt_id`."""

    cause: Cause
    response_id: int
    interrupt_id: int | None
    items: Sequence[TranscriptItem]
    """The transcript when the turn began."""
    outbox: Outbox
    ends_call: bool = False
    """Whether the call ends when all of this has been heard."""
    spoken: str = ""
    """All text said so far in this turn."""
    added: list[Message] = field(default_factory=list[Message])
    """What this turn has added to the dialogue: what it said, the tools it used and what they gave."""
    used: set[str] = field(default_factory=set[str])
    """The ids of those tools."""
    _heard_words: int = 0
    _heard_more: anyio.Event = field(default_factory=anyio.Event)

    @property
    def has_spoken(self) -> bool:
        """Whether there is anything to hear."""
        return bool(self.spoken.strip())

    def say(self, text: str) -> None:
        """Say more; a piece may end anywhere."""
        if not self.has_spoken:
            # Silence must not take the floor: an agent interrupt begins with its first word.
            text = text.lstrip()
        if text:
            self.spoken += text
            self.outbox.put(self._say(text))

    def pause(self) -> None:
        """Have what was said so far spoken now: something that takes time follows."""
        if self.has_spoken and not self.spoken.endswith(_PAUSE):
            self.say(_PAUSE)

    def hear(self, words: int) -> None:
        """The caller has heard so many words of this turn."""
        if words > self._heard_words:
            self._heard_words = words
            self._heard_more.set()

    async def until_heard(self) -> None:
        """Wait until all that was said so far has been heard, or until nothing more of it was heard for long."""
        while self._heard_words < len(self.spoken.split()):
            with anyio.move_on_after(_UNHEARD_S) as patience:
                await self._heard_more.wait()
            if patience.cancelled_caught:
                return
            self._heard_more = anyio.Event()

    def finish(self) -> None:
        """Nothing more is said in this turn."""
        if self.interrupt_id is None or self.has_spoken or self.ends_call:
            self.outbox.put(self._say("", is_complete=True, end_call=self.ends_call))

    def void(self) -> None:
        """Take back what is not yet on its way to the caller."""
        self.outbox.drop(self.response_id, self.interrupt_id)

    def used_tools(self, text: str, uses: Sequence[ToolUse], contents: Sequence[str]) -> None:
        """Add to the dialogue that the agent said this, used these tools, and got this from each."""
        self.added.append(AgentText(text.strip(), tuple(uses)))
        self.added += [ToolOutcome(use.id, content) for use, content in zip(uses, contents, strict=True)]

    def _say(self, text: str, *, is_complete: bool = False, end_call: bool = False) -> Say:
        return Say(self.response_id, text, is_complete, interrupt_id=self.interrupt_id, end_call=end_call)
