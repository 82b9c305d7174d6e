"""The transcript of a call while it grows; pure.

It is asked for at every change. What is settled is therefore kept: an event costs what it changes, not what was said
before, and an utterance that has not changed stays the same object, so that others can keep what they make of it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from retold.domain.transcript import (
    UNINTELLIGIBLE,
    Injected,
    NodeTransition,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
)
from retold.engine import timeline as t
from retold.engine.weaving import Weaving, Woven


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a passage stands: by its start; at the same moment the agent first, then who was first heard of."""

    start_ms: float
    is_user: bool
    number: int


@dataclass(frozen=True, slots=True)
class _Passage:
    """One utterance of the caller or one reply of the agent, so far."""

    place: _Place
    utterance: Utterance


_UserKey = int
_AgentKey = tuple[int, int | None]


class TranscriptFold:
    """The transcript so far; feed it events in order, ask for it at any time."""

    def __init__(self) -> None:
        self._passages: dict[_UserKey | _AgentKey, _Passage] = {}
        self._in_order: list[_Passage] = []
        self._numbers = count()
        self._settled: list[Utterance] = []
        self._ends: list[int] = []
        """For each settled utterance the number of passages in it and all before it."""
        self._weaving = Weaving()

    def apply(self, event: t.AnyEvent) -> bool:
        """Take one event; True when it is one of those that make the transcript."""
        match event:
            case t.UserTranscribed():
                self.hear(
                    event.utterance, event.words, onset_ms=event.onset_ms, is_unintelligible=event.is_unintelligible
                )
            case t.WordsPlayed():
                self._play(event)
            case _:
                woven = _woven(event)
                if woven is None:
                    return False
                self._weaving.add(event.at_ms, woven)
        return True

    def hear(
        self, utterance: int, words: Sequence[Word], *, onset_ms: float = 0.0, is_unintelligible: bool = False
    ) -> bool:
        """Set the caller's words of one utterance, also words that are not final yet; True when they are others."""
        if not words and not is_unintelligible:
            known = self._passages.get(utterance)
            if known is None or not known.utterance.words:
                return False
            self._remove(utterance)
            return True
        start_ms = words[0].start_ms if words else onset_ms
        content = " ".join(word.text for word in words) or UNINTELLIGIBLE
        return self._set(utterance, start_ms, Utterance(role="user", words=tuple(words), content=content))

    def _play(self, event: t.WordsPlayed) -> None:
        key = (event.response_id, event.interrupt_id)
        known = self._passages.get(key)
        words = (known.utterance.words if known else ()) + event.words
        said = Utterance(
            role="agent",
            words=words,
            response_id=event.response_id,
            interrupt_id=event.interrupt_id,
            content=" ".join(word.text for word in words),
        )
        self._set(key, words[0].start_ms, said)

    def utterances(self) -> tuple[Utterance, ...]:
        """Both sides in the order they began; what the caller said in one go is one utterance."""
        end = self._ends[-1] if self._ends else 0
        while end < len(self._in_order):
            start, end = end, self._end_of_run(end)
            self._settled.append(_joined([passage.utterance for passage in self._in_order[start:end]]))
            self._ends.append(end)
        return tuple(self._settled)

    def items(self) -> tuple[TranscriptItem, ...]:
        """The utterances with each tool call where it happened: between two words, if need be."""
        return self._weaving.items(self.utterances())

    def _set(self, key: _UserKey | _AgentKey, start_ms: float, utterance: Utterance) -> bool:
        known = self._passages.get(key)
        number = known.place.number if known else next(self._numbers)
        passage = _Passage(_Place(start_ms, utterance.role == "user", number), utterance)
        if passage == known:
            return False
        if known is not None:
            self._remove(key)
        index = self._index(passage.place)
        self._passages[key] = passage
        self._in_order.insert(index, passage)
        self._unsettle(index)
        return True

    def _remove(self, key: _UserKey | _AgentKey) -> None:
        index = self._index(self._passages.pop(key).place)
        del self._in_order[index]
        self._unsettle(index)

    def _index(self, place: _Place) -> int:
        return bisect_left(self._in_order, place, key=lambda passage: passage.place)

    def _unsettle(self, index: int) -> None:
        """The passage here is another: forget the utterance it belongs to, and one before that it may join."""
        while self._ends and self._ends[-1] >= index:
            self._ends.pop()
            self._settled.pop()
        self._weaving.unsettle(len(self._settled))

    def _end_of_run(self, start: int) -> int:
        """The end of what makes one utterance: one reply, or all that the caller said in one go."""
        end = start + 1
        if self._in_order[start].place.is_user:
            while end < len(self._in_order) and self._in_order[end].place.is_user:
                end += 1
        return end


def is_shown(event: t.AnyEvent) -> bool:
    """Whether the event is one of those that make the transcript."""
    return isinstance(event, t.UserTranscribed | t.WordsPlayed) or _woven(event) is not None


def _woven(event: t.AnyEvent) -> Woven | None:
    """What stands between the words for this event, if anything does."""
    match event:
        case t.ToolCallStarted(tool_call_id=tool_call_id, name=name, arguments=arguments, tool_type=tool_type):
            return ToolCallInvocation(tool_call_id, name, arguments, tool_type)
        case t.ToolCallEnded(tool_call_id=tool_call_id, content=content, successful=successful):
            return ToolCallResult(tool_call_id, content, successful)
        case t.ContextInjected(text=text):
            return Injected(text, event.at_ms)
        case t.NodeEntered():
            return NodeTransition(
                former_node_id=event.former_node_id,
                former_node_name=event.former_node_name,
                new_node_id=event.new_node_id,
                new_node_name=event.new_node_name,
                transition_type=event.transition_type,
                at_ms=event.at_ms,
            )
        case _:
            return None


def _joined(parts: Sequence[Utterance]) -> Utterance:
    if len(parts) == 1:
        return parts[0]
    contents = [part.content for part in parts if part.words] or [UNINTELLIGIBLE]
    words = tuple(word for part in parts for word in part.words)
    return Utterance(role=parts[0].role, words=words, content=" ".join(contents))
