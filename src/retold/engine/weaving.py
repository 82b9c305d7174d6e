"""Tool calls laid between the utterances of a transcript, each at the word at which it happened; pure.

A tool call stands behind the last passage that began before it, and behind every earlier tool call; a passage that
goes on after it is split there. Both only move forward, so what is laid can stay while the call goes on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from retold.domain.transcript import (
    Injected,
    NodeTransition,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
)

Woven = ToolCallInvocation | ToolCallResult | Injected | NodeTransition
"""What has a moment of its own: injected context and transitions of a flow are laid as tool calls are."""


@dataclass(frozen=True, slots=True)
class _Laid:
    """How things stand behind one tool call."""

    items: int
    """Items up to it, itself included."""
    utterances: int
    """Utterances that began before it."""
    rest: Utterance | None
    """What of the last of these is still to be laid."""
    latest_ms: float
    """The latest moment of this and all earlier tool calls."""


_NOTHING = _Laid(0, 0, None, -math.inf)


class Weaving:
    """The tool calls of one call; utterances may still change, and then only what stands behind them is laid again."""

    def __init__(self) -> None:
        self._tools: list[tuple[float, Woven]] = []
        self._items: list[TranscriptItem] = []
        self._laid: list[_Laid] = []
        """One for each tool call that is in `_items`."""
        self._changed_from: float = math.inf

    def add(self, at_ms: float, tool: Woven) -> None:
        """A tool call began or ended, or something else happened that stands at its moment."""
        self._tools.append((at_ms, tool))

    def unsettle(self, utterance: int) -> None:
        """The utterances from this one on are others than `items()` was given last."""
        self._changed_from = min(self._changed_from, utterance)

    def items(self, utterances: tuple[Utterance, ...]) -> tuple[TranscriptItem, ...]:
        """All utterances, in the order they began, with the tool calls between them."""
        if not self._tools:
            return utterances
        self._take_back(utterances)
        for at_ms, tool in self._tools[len(self._laid) :]:
            self._lay(at_ms, tool, utterances)
        last = self._laid[-1]
        return (*self._items, *_said(last, utterances))

    def _take_back(self, utterances: Sequence[Utterance]) -> None:
        """Keep the tool calls that stand before all that has changed."""
        changed_from, self._changed_from = self._changed_from, math.inf
        if changed_from >= len(utterances):
            starts_ms = math.inf
        else:
            changed = utterances[int(changed_from) :]
            starts_ms = next((utterance.words[0].start_ms for utterance in changed if utterance.words), math.inf)
        while self._laid and (self._laid[-1].utterances > changed_from or self._laid[-1].latest_ms > starts_ms):
            self._laid.pop()
        del self._items[self._laid[-1].items if self._laid else 0 :]

    def _lay(self, at_ms: float, tool: Woven, utterances: Sequence[Utterance]) -> None:
        last = self._laid[-1] if self._laid else _NOTHING
        begun = _begun_before(at_ms, utterances, last.utterances)
        said, rest = _said(last, utterances[:begun]), None
        if begun == last.utterances and last.rest and last.rest.words[0].start_ms >= at_ms:
            said, rest = [], last.rest
        elif said:
            said[-1], rest = _split(said[-1], at_ms)
        self._items += [*said, tool]
        self._laid.append(_Laid(len(self._items), begun, rest, max(last.latest_ms, at_ms)))


def _said(last: _Laid, utterances: Sequence[Utterance]) -> list[Utterance]:
    """What is still to be laid behind a tool call."""
    return [*([last.rest] if last.rest else []), *utterances[last.utterances :]]


def _begun_before(at_ms: float, utterances: Sequence[Utterance], first: int) -> int:
    """How many utterances to pass from `first` on: up to the last whose words began earlier."""
    begun = first
    for index in range(first, len(utterances)):
        words = utterances[index].words
        if words and words[0].start_ms >= at_ms:
            break
        if words:
            begun = index + 1
    return begun


def _split(utterance: Utterance, at_ms: float) -> tuple[Utterance, Utterance | None]:
    """What was said before a moment, and what after it, if both are something."""
    spoken = sum(word.start_ms < at_ms for word in utterance.words)
    if spoken in {0, len(utterance.words)}:
        return utterance, None
    return _part(utterance, 0, spoken), _part(utterance, spoken, len(utterance.words))


def _part(utterance: Utterance, start: int, end: int) -> Utterance:
    words = utterance.words[start:end]
    return Utterance(
        role=utterance.role,
        words=words,
        response_id=utterance.response_id,
        interrupt_id=utterance.interrupt_id,
        content=" ".join(word.text for word in words),
    )
