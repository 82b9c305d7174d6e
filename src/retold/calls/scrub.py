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
from retold.engine.timeline import AnyEvent

Scrub = Callable[[Sequence[TranscriptItem], Collection[PiiCategory], Sequence[str]], ScrubbedCall]
"""Searches a conversation and further texts: `retold.domain.pii.transcript.scrub_call`."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What may be shown of a call when its personal data may not."""

    transcript: TranscriptJson
    """The value of `scrubbed_transcript_with_tool_calls`."""
    events: tuple[AnyEvent, ...]
    """What its public log is made of."""


def scrubbed(
    record: CallRecord, items: Sequence[TranscriptItem], events: Sequence[AnyEvent], scrub: Scrub
) -> Scrubbed | None:
    """The copies without the record's `pii_categories`; None when a detector failed: then nothing may be shown.

    Takes about a second for an hour of talk. `scrub` is what searches.
    """
    try:
        found = scrub(items, record.pii_categories or (), texts_of(events))
        copies = Scrubbed([item.wire() for item in found.items], tuple(scrubbed_events(events, found)))
    except Exception as error:  # noqa: BLE001 - fails closed: whatever went wrong, there is no scrubbed copy
        # Neither the message nor the traceback: they may quote what was said.
        get_logger().error("call_not_scrubbed", call_id=record.call.call_id, error=type(error).__name__)
        return None
    crash_point("call_scrubbed")
    return copies
