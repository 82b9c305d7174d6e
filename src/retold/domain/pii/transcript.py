"""A call's transcript and other texts without personal data, and when the words that are missing were heard."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, NamedTuple, assert_never

import msgspec

from retold.domain.call import TranscriptJson
from retold.domain.pii.categories import CATEGORIES, PiiCategory, Span, mark_of, with_marks
from retold.domain.pii.name_list import NameList
from retold.domain.pii.scrub import JsonValues
from retold.domain.pii.talk import Turn
from retold.domain.transcript import (
    Injected,
    NodeTransition,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
)

Role = Literal["agent", "user"]
GUARD_MS: Final = 40.0
"""What is muted before and after the words themselves: recognition is not exact to the millisecond."""
_MARK: Final = re.compile("|".join(re.escape(mark_of(category)) for category in CATEGORIES))


class Muted(NamedTuple):
    """A stretch of a recording, in milliseconds of the call."""

    start_ms: float
    end_ms: float


MutedByRole = Mapping[Role, tuple[Muted, ...]]
"""By who spoke: in order, without overlaps."""


@dataclass(frozen=True, slots=True)
class ScrubbedCall:
    """What may be shown of a call's words."""

    items: tuple[TranscriptItem, ...]
    texts: tuple[str, ...]
    """The further texts, in the order they were given."""


def scrub_call(
    items: Sequence[TranscriptItem],
    categories: Collection[PiiCategory],
    texts: Sequence[str] = (),
    *,
    names: NameList | None = None,
) -> ScrubbedCall:
    """All that was said and what tools were told, searched as one conversation; `texts` are JSON or plain."""
    from retold.domain.pii.find import find_in_turns  # noqa: PLC0415 - 1 MB that most servers need not spend

    turns = [Turn(item.role, _text_of(item)) for item in _utterances(items)]
    values = [JsonValues(text) for text in [*_written(items), *texts]]
    spans = find_in_turns([*turns, *(turn for value in values for turn in value.turns)], categories, names=names)
    of_turns, of_values = iter(spans[: len(turns)]), iter(spans[len(turns) :])
    told = iter([value.scrubbed([next(of_values) for _ in value.turns]) for value in values])
    scrubbed: list[TranscriptItem] = []
    for item in items:
        match item:
            case Utterance():
                scrubbed.append(_scrubbed(item, next(of_turns)))
            case ToolCallInvocation():
                scrubbed.append(msgspec.structs.replace(item, arguments=next(told)))
            case ToolCallResult() | Injected():
                scrubbed.append(msgspec.structs.replace(item, content=next(told)))
            case NodeTransition():
                scrubbed.append(item)
            case _:
                assert_never(item)
    return ScrubbedCall(tuple(scrubbed), tuple(told))


def muted_in(scrubbed: TranscriptJson) -> MutedByRole:
    """When the words that marks stand for were heard, with a guard; `scrubbed` is a transcript as the API shows it."""
    muted: dict[Role, list[Muted]] = {"agent": [], "user": []}
    for item in scrubbed:
        for word in item.get("words", ()):
            if _MARK.search(word["word"]):
                start_ms, end_ms = word["start"] * 1000 - GUARD_MS, word["end"] * 1000 + GUARD_MS
                muted["agent" if item["role"] == "agent" else "user"].append(Muted(max(0.0, start_ms), end_ms))
    return {role: _merged(ranges) for role, ranges in muted.items()}


def _utterances(items: Sequence[TranscriptItem]) -> list[Utterance]:
    return [item for item in items if isinstance(item, Utterance)]


def _written(items: Sequence[TranscriptItem]) -> list[str]:
    """The texts beside speech, one for each tool call, result and injection."""
    texts: list[str] = []
    for item in items:
        match item:
            case ToolCallInvocation(arguments=arguments):
                texts.append(arguments)
            case ToolCallResult(content=content) | Injected(content=content):
                texts.append(content)
            case Utterance() | NodeTransition():
                pass
            case _:
                assert_never(item)
    return texts


def _text_of(utterance: Utterance) -> str:
    return " ".join(word.text for word in utterance.words) or utterance.content


@dataclass(slots=True)
class _Hidden:
    """Words of an utterance, from `first` to `last`, with the personal data that touches them."""

    first: int
    last: int
    spans: list[Span]


def _scrubbed(utterance: Utterance, spans: Sequence[Span]) -> Utterance:
    """Words with personal data become one word, from the start of the first to the end of the last."""
    if not spans:
        return utterance
    words = utterance.words
    if not words:
        return msgspec.structs.replace(utterance, content=with_marks(utterance.content, spans))
    starts = [0, *accumulate(len(word.text) + 1 for word in words)]
    kept: list[Word] = []
    shown = 0
    for hidden in _hidden(starts, spans):
        start_ms, end_ms = words[hidden.first].start_ms, words[hidden.last].end_ms
        said = " ".join(word.text for word in words[hidden.first : hidden.last + 1])
        offset = starts[hidden.first]
        marked = with_marks(
            said, [Span(span.start - offset, span.end - offset, span.category) for span in hidden.spans]
        )
        kept += [*words[shown : hidden.first], Word(marked, start_ms, end_ms)]
        shown = hidden.last + 1
    kept += words[shown:]
    content = " ".join(word.text for word in kept)
    return msgspec.structs.replace(utterance, words=tuple(kept), content=content)


def _hidden(starts: Sequence[int], spans: Sequence[Span]) -> list[_Hidden]:
    """The words that the spans touch; `starts` are where words begin, and where one more would."""
    groups: list[_Hidden] = []
    for span in spans:
        first, last = bisect_right(starts, span.start) - 1, bisect_left(starts, span.end) - 1
        if groups and first <= groups[-1].last:
            groups[-1].last = last
            groups[-1].spans.append(span)
        else:
            groups.append(_Hidden(first, last, [span]))
    return groups


def _merged(ranges: Sequence[Muted]) -> tuple[Muted, ...]:
    """The ranges in order, those that overlap as one."""
    merged: list[Muted] = []
    for one in sorted(ranges, key=lambda muted: muted.start_ms):
        if merged and one.start_ms <= merged[-1].end_ms:
            merged[-1] = Muted(merged[-1].start_ms, max(merged[-1].end_ms, one.end_ms))
        else:
            merged.append(one)
    return tuple(merged)
