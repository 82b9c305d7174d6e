"""What follows from a moment of a call, and is written in the transaction that makes the moment true.

So a crash leaves both or neither: no event is announced of a call that never ended, and none is lost.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event that is to be delivered to a webhook, with all that a delivery needs."""

    event_id: str
    """The same at every attempt: what a receiver knows a duplicate by."""
    event: str
    """Such as `call_ended`."""
    endpoint: str
    """What failures are counted for (`webhook_events.endpoint_of`)."""
    url: str
    timeout_ms: int
    at_ms: int
    """Milliseconds since the epoch: when it happened."""
    call: bytes
    """The call object as JSON, without what may not be stored."""
    files_token: str
    """In the paths of the call's files, which stand in `call` without the server's address."""
    link_lifetime_ms: int | None = None
    """How long signed addresses of these files are good, from when they are sent."""
    extra: str | None = None
    """A JSON object of what else the event carries, such as where a call is transferred to."""
    is_whole: bool = True
    """Whether `call` holds everything the event should show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Work on a call that is to be done in the background, after a crash too."""

    job_id: str
    kind: str
    """Such as `analysis`: who does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """What is to be written beside a change of a call."""

    events: tuple[NewEvent, ...] = ()
    """In the order in which they are to arrive."""
    jobs: tuple[NewJob, ...] = ()
    """Due at once."""
    ended_job: str | None = None
    """The job that made this change, and is over with it; when somebody else has ended it, nothing is written."""


NO_CONSEQUENCES = Consequences()
