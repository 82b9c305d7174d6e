"""What one delivery sends, made anew for each attempt."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from retold.domain import standard_webhooks
from retold.domain.call import CallRecord
from retold.domain.standard_webhooks import ID_HEADER
from retold.domain.webhook_events import body_of, call_of
from retold.domain.webhook_signature import HEADER, sign
from retold.storage.call_json import with_links
from retold.storage.file_links import FileLinks
from retold.storage.webhook_claims import DueEvent
from retold.storage.webhooks import EventContent

USER_AGENT = "Retold-Webhooks/1"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A POST."""

    headers: Mapping[str, str]
    body: bytes


def request_for(
    event: DueEvent, content: EventContent, whole: CallRecord | None, links: FileLinks, *, key: str | None, now_ms: int
) -> WebhookRequest:
    """The request for one attempt at wall time `now_ms`, signed with the organisation's webhook key if it has one.

    `whole` is the call with what may not be stored, None when nobody has it. To unpack a long call takes milliseconds.
    """
    call = zlib.decompress(content.call) if content.is_whole or whole is None else call_of(event.event, whole.call)
    rest = {"files_token": content.files_token, "signed_url_expiration_ms": content.link_lifetime_ms}
    body = body_of(
        event.event,
        with_links(call.decode(), rest, links).encode(),
        at_ms=event.at_ms,
        extra=content.extra,
        is_available=content.is_whole or whole is not None,
    )
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, ID_HEADER: event.event_id}
    if key is not None:
        signed = standard_webhooks.headers(body, key, event.event_id, now_ms)
        headers = {**headers, HEADER: sign(body, key, now_ms), **signed}
    return WebhookRequest(headers, body)
