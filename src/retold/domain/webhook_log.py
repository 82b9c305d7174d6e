"""What an organisation sees of its webhooks: events, attempts, endpoints in trouble. Times are epoch milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from retold.domain.addresses import WEB_SCHEMES, parse_target
from retold.domain.agent_options import RequestModel, ShortText
from retold.domain.agent_options import WebhookEvent as EventName
from retold.domain.webhook_events import MAX_TIMEOUT_MS, OrgWebhook
from retold.errors import AddressRefused, InvalidRequest
from retold.ids import OrgId

Timestamp = Annotated[int, Field(ge=0, le=2**53)]
Url = Annotated[str, Field(min_length=1, max_length=2_048)]
MAX_ID_CHARS: Final = 100
"""No id and no name of an event is longer."""


class EventState(StrEnum):
    """How far the delivery of an event is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Every attempt failed."""
    DROPPED = "dropped"
    """Its endpoint has said that it wants nothing any more."""


class WebhookAttempt(BaseModel):
    """One try to deliver an event."""

    model_config = ConfigDict(frozen=True)

    number: int
    attempt_timestamp: int
    took_ms: int
    status: int | None = None
    """Of the answer; absent when there was none."""
    error: str | None = None
    """Why there was no answer."""
    reply: str | None = None
    """How the answer's body begins."""


class WebhookEvent(BaseModel):
    """One event that was, is or will be delivered."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    event: str
    call_id: str
    state: EventState
    url: str
    timeout_ms: int
    event_timestamp: int
    queued_timestamp: int
    """When it was put in line, by its call or by whoever had it sent again."""
    next_attempt_timestamp: int | None = None
    settled_timestamp: int | None = None
    attempt_count: int
    """Attempts since it was put in line."""
    last_attempt: WebhookAttempt | None = None

    def wire(self) -> dict[str, JsonValue]:
        """As it is sent."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class WebhookEventDetails:
    """One event with everything that is known of it."""

    event: WebhookEvent
    attempts: Sequence[WebhookAttempt]
    body: JsonValue
    """What is sent, as it is stored."""

    def wire(self) -> dict[str, Any]:
        """As it is sent."""
        made = [attempt.model_dump(mode="json", exclude_none=True) for attempt in self.attempts]
        return self.event.wire() | {"attempts": made, "body": self.body}


class EndpointState(StrEnum):
    """How a receiver is doing."""

    WELL = "well"
    FAILING = "failing"
    """Its last attempt failed; it is tried as ever."""
    OPEN = "open"
    """It failed so often that it gets a single attempt now and then."""
    DISABLED = "disabled"
    """It answered 410: nothing is sent there until it is enabled again."""


class WebhookEndpoint(BaseModel):
    """A receiver that has events waiting, or is in trouble."""

    model_config = ConfigDict(frozen=True)

    endpoint_id: str
    url: str
    state: EndpointState
    failure_count: int
    """In a row, of any of its events."""
    waiting_count: int
    """Events that wait for it."""
    next_attempt_timestamp: int | None = None
    disabled_timestamp: int | None = None
    last_attempt: WebhookAttempt | None = None

    def wire(self) -> dict[str, JsonValue]:
        """As it is sent."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events of an organisation are meant; None asks for no matter which. `since_ms` is included."""

    org_id: OrgId
    call_id: str | None = None
    state: EventState | None = None
    event: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class Resend(RequestModel):
    """How one event is sent again."""

    url: Url | None = Field(default=None, description="where to, from this time on; default: where it went before")


class Replay(Resend):
    """Which events are sent again; all of them must hold."""

    state: EventState = Field(default=EventState.DEAD, strict=False, description="the state they are in now")
    event: ShortText | None = None
    call_id: ShortText | None = None
    since_timestamp: Timestamp | None = Field(default=None, description="from this wall time on")
    until_timestamp: Timestamp | None = Field(default=None, description="before this wall time")

    def filter(self, org_id: OrgId) -> EventFilter:
        """The events of this organisation that are meant."""
        return EventFilter(
            org_id=org_id,
            call_id=self.call_id,
            state=self.state,
            event=self.event,
            since_ms=self.since_timestamp,
            until_ms=self.until_timestamp,
        )


class WebhookSettings(RequestModel):
    """The webhook of an organisation, for agents that have none of their own; null or absent is not set."""

    webhook_url: Url | None = None
    webhook_events: list[EventName] | None = Field(default=None, description="default: those that each agent names")
    webhook_timeout_ms: Annotated[int, Field(gt=0, le=MAX_TIMEOUT_MS)] | None = Field(
        default=None, description="default: that of each agent"
    )

    @classmethod
    def of(cls, webhook: OrgWebhook) -> Self:
        """What is set."""
        events: Any = None if webhook.events is None else list(webhook.events)
        return cls(webhook_url=webhook.url, webhook_events=events, webhook_timeout_ms=webhook.timeout_ms)

    def applied_to(self, webhook: OrgWebhook) -> OrgWebhook:
        """The settings with the fields that were sent. Raises InvalidRequest."""
        if self.webhook_url is not None:
            check_url(self.webhook_url, "webhook_url")
        changed = self.of(webhook).model_copy(update={name: getattr(self, name) for name in self.model_fields_set})
        return OrgWebhook(changed.webhook_url, changed.webhook_events, changed.webhook_timeout_ms)

    def wire(self) -> dict[str, JsonValue]:
        """As it is sent."""
        return self.model_dump(mode="json", exclude_none=True)


def check_url(url: str, field: str) -> None:
    """Raise InvalidRequest for what can be no webhook; one with variables is known only when they are filled in.

    Whether its network may be reached is found out when it is.
    """
    if "{{" in url:
        return
    try:
        parse_target(url, WEB_SCHEMES)
    except AddressRefused as error:
        raise InvalidRequest(
            f"{field}: {error}", field=field, fix="send an address such as https://crm.example.com/retold"
        ) from error
