"""Writes what follows from a moment of a call, in the transaction of that moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert

from retold.domain.consequences import Consequences, NewEvent
from retold.storage.driver import run
from retold.storage.job_tables import job
from retold.storage.jobs import job_row
from retold.storage.packed import packed
from retold.storage.webhook_claims import TRANSCRIPT_UPDATED, supersede
from retold.storage.webhook_tables import webhook_event

_LEVEL: Final = 1
"""As for transcripts: a seventh of the size, quickly."""
_INSERT_EVENT = insert(webhook_event)
_INSERT_JOB = insert(job)


@dataclass(frozen=True, slots=True)
class ConsequenceRows:
    """What stands in the tables; made before the transaction, as packing a long call takes milliseconds."""

    events: Sequence[Mapping[str, Any]] = ()
    jobs: Sequence[Mapping[str, Any]] = ()

    def write(self, connection: Connection) -> None:
        """Insert all of it."""
        for event in self.events:
            if event["event"] == TRANSCRIPT_UPDATED:
                supersede(connection, event)
        if self.events:
            run(connection, _INSERT_EVENT, self.events)
        if self.jobs:
            run(connection, _INSERT_JOB, self.jobs)


def rows_of_consequences(consequences: Consequences, *, org_id: str, call_id: str, now_ms: int) -> ConsequenceRows:
    """The rows of what follows from a moment of this call, due at once."""
    line = {"org_id": org_id, "call_id": call_id, "queued_ms": now_ms, "due_ms": now_ms}
    return ConsequenceRows(
        [line | _event_row(event) for event in consequences.events],
        [job_row(new, org_id=org_id, call_id=call_id, now_ms=now_ms) for new in consequences.jobs],
    )


def _event_row(event: NewEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "event": event.event,
        "endpoint": event.endpoint,
        "url": event.url,
        "timeout_ms": event.timeout_ms,
        "state": "pending",
        "attempts": 0,
        "at_ms": event.at_ms,
        "call": packed(event.call, _LEVEL),
        "files_token": event.files_token,
        "link_lifetime_ms": event.link_lifetime_ms,
        "extra": event.extra,
        "is_whole": event.is_whole,
    }
