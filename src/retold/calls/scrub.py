"""The scrubbed copies of a call that ends: transcript and log without the personal data that its agent names."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from structlog.stdlib import get_logger

from retold.crash import crash_point
from retold.domain.call import CallRecord, TranscriptJson
from retold.domain.pii.categories import PiiCategory
from retold.domain.pii.transcript import ScrubbedCall
from retold.domain.transcript import TranscriptItem
from retold.engine.scrubbed_events import scrubbed_events, texts_of
from retold.engine.timeline import AnyEvent, VariablesCollected

_SPEAKERS = {"agent", "user"}
Scrub = Callable[[Sequence[TranscriptItem], Collection[PiiCategory], Sequence[str]], ScrubbedCall]
"""Searches a conversation and further texts: `retold.domain.pii.transcript.scrub_call`."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What may be shown of a call when its personal data may not."""

    transcript: TranscriptJson
    """The value of `scrubbed_transcript_with_tool_calls`."""
    events: tuple[AnyEvent, ...]
    """What its public log is made of."""


def as_stored(whole: CallRecord, transcript: TranscriptJson, events: Sequence[AnyEvent]) -> CallRecord:
    """What may be stored of a call when its personal data may not: all of it, made of the scrubbed copies.

    Its files are still to be named.
    """
    said = _utterances(transcript)
    variables = [event.values for event in events if isinstance(event, VariablesCollected)]
    fields = {
        "transcript": "".join(f"{item['role'].capitalize()}: {item['content']}\n" for item in said),
        "transcript_object": said,
        "transcript_with_tool_calls": transcript,
        "scrubbed_transcript_with_tool_calls": transcript,
        "collected_dynamic_variables": {name: value for some in variables for name, value in some.items()} or None,
    }
    kept = whole.call.permitted().model_copy(update=fields)
    return whole.model_copy(update={"call": kept, "is_scrubbed": True})


def _utterances(transcript: TranscriptJson) -> TranscriptJson:
    """What was said, without the tool calls that split it: what one party said in one go is one utterance."""
    said: TranscriptJson = []
    for item in transcript:
        if item["role"] not in _SPEAKERS:
            continue
        before = said[-1] if said else {}
        if all(before.get(name) == item.get(name) for name in ("role", "metadata")):
            content = f"{before['content']} {item['content']}"
            said[-1] = {**before, "content": content, "words": [*before["words"], *item["words"]]}
        else:
            said.append(item)
    return said


def scrubbed(
    record: CallRecord, items: Sequence[TranscriptItem], events: Sequence[AnyEvent], scrub: Scrub
) -> Scrubbed | None:
    """The copies without the record's `pii_categories`; None when a detector failed: then nothing may be shown.

    Takes about a second for an hour of talk. `scrub` is what searches.
    """
    try:
        found = scrub(items, record.scrubbed_categories, texts_of(events))
        copies = Scrubbed([item.wire() for item in found.items], tuple(scrubbed_events(events, found)))
    except Exception as error:  # noqa: BLE001 - fails closed: whatever went wrong, there is no scrubbed copy
        # Neither the message nor the traceback: they may quote what was said.
        get_logger().error("call_not_scrubbed", call_id=record.call.call_id, error=type(error).__name__)
        return None
    crash_point("call_scrubbed")
    return copies
