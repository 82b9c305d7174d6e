"""Webhooks as their organisation sees and steers them: events, attempts, endpoints in trouble, and its settings."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import base_url, context_of
from retold.api.paging import Paging, envelope
from retold.domain.webhook_log import (
    MAX_ID_CHARS,
    EventFilter,
    EventState,
    Replay,
    Resend,
    Timestamp,
    WebhookEvent,
    WebhookEventDetails,
    WebhookSettings,
    check_url,
)
from retold.errors import NotFound
from retold.ids import OrgId

router = APIRouter(tags=["webhook"], route_class=JsonRoute)

QueryText = Annotated[str | None, Query(max_length=MAX_ID_CHARS)]
QueryTime = Annotated[Timestamp | None, Query()]


@router.get("/list-webhook-events")
async def list_events(  # noqa: PLR0913, PLR0917 - one parameter for each of the query
    request: Request,
    org: Org,
    page: Paging,
    call_id: QueryText = None,
    state: EventState | None = None,
    event: QueryText = None,
    since_timestamp: QueryTime = None,
    until_timestamp: QueryTime = None,
) -> dict[str, Any]:
    """List webhook events with their last attempt, by default the last one first; all filters must hold."""
    wanted = EventFilter(
        org_id=org, call_id=call_id, state=state, event=event, since_ms=since_timestamp, until_ms=until_timestamp
    )
    return envelope(await context_of(request).deps.store.webhook_log.page(wanted, page), WebhookEvent.wire)


@router.get("/get-webhook-event/{event_id}")
async def retrieve(request: Request, org: Org, event_id: str) -> dict[str, Any]:
    """Get a webhook event with its body and every attempt to deliver it."""
    return (await _details(request, org, event_id)).wire()


@router.post("/resend-webhook-event/{event_id}")
async def resend(
    request: Request, response: Response, org: Org, event_id: str, *, sent: Sent, body: Resend | None = None
) -> dict[str, Any]:
    """Send a webhook event again, at once and then by the whole schedule; its id stays the same."""
    wanted = body or Resend()
    if wanted.url is not None:
        check_url(wanted.url, "url")
    if not await context_of(request).deps.store.webhook_log.resend(org, event_id[:MAX_ID_CHARS], wanted.url):
        raise _unknown_event(event_id)
    warn_of_ignored(response, sent or {}, wanted)
    return (await _details(request, org, event_id)).event.wire()


@router.post("/replay-webhook-events")
async def replay(
    request: Request, response: Response, org: Org, sent: Sent, body: Replay | None = None
) -> dict[str, int]:
    """Send webhook events again: those that are dead, or in another state, of a call, an event or a time."""
    wanted = body or Replay()
    if wanted.url is not None:
        check_url(wanted.url, "url")
    replayed = await context_of(request).deps.store.webhook_log.replay(wanted.filter(org), wanted.url)
    warn_of_ignored(response, sent or {}, wanted)
    return {"replayed_count": replayed}


@router.get("/list-webhook-endpoints")
async def list_endpoints(request: Request, org: Org) -> list[dict[str, Any]]:
    """List the webhooks that have events waiting or are in trouble, and when they are tried again."""
    return [endpoint.wire() for endpoint in await context_of(request).deps.store.webhook_log.endpoints(org)]


@router.post("/enable-webhook-endpoint/{endpoint_id}")
async def enable(request: Request, org: Org, endpoint_id: str) -> dict[str, bool]:
    """Send events to a webhook again that has answered 410, or that failed too often."""
    if not await context_of(request).deps.store.webhook_log.enable(org, endpoint_id[:MAX_ID_CHARS]):
        raise NotFound(
            f"no webhook endpoint {endpoint_id[:MAX_ID_CHARS]} is in trouble",
            field="endpoint_id",
            fix="GET /list-webhook-endpoints shows which are",
        )
    return {"success": True}


@router.get("/get-webhook-settings")
async def get_settings(request: Request, org: Org) -> dict[str, Any]:
    """Get the webhook of the organisation, for agents that have none of their own."""
    return WebhookSettings.of(await context_of(request).deps.store.webhooks.org_webhook(org)).wire()


@router.patch("/update-webhook-settings")
async def update_settings(
    request: Request, response: Response, org: Org, body: WebhookSettings, sent: Sent
) -> dict[str, Any]:
    """Change the webhook of the organisation; null clears."""
    webhooks = context_of(request).deps.store.webhooks
    changed = body.applied_to(await webhooks.org_webhook(org))
    await webhooks.set_org_webhook(org, changed)
    warn_of_ignored(response, sent, body)
    return WebhookSettings.of(changed).wire()


async def _details(request: Request, org: OrgId, event_id: str) -> WebhookEventDetails:
    """The event and all that is known of it. Raises NotFound."""
    found = await context_of(request).deps.store.webhook_log.details(org, event_id[:MAX_ID_CHARS], base_url(request))
    if found is None:
        raise _unknown_event(event_id)
    return found


def _unknown_event(event_id: str) -> NotFound:
    return NotFound(
        f"Cannot find requested asset under given api key: no webhook event {event_id[:MAX_ID_CHARS]}",
        field="event_id",
        fix="GET /list-webhook-events shows which are kept",
    )
