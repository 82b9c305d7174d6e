"""How the receivers of an organisation are doing, read inside the caller's transaction."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select

from retold.domain.webhook_log import EndpointState, EventState, WebhookAttempt, WebhookEndpoint
from retold.ids import OrgId
from retold.storage.webhook_tables import webhook_attempt, webhook_endpoint, webhook_event

MAX_ENDPOINTS: Final = 1_000
_E: Final = webhook_event.c
ATTEMPT_COLUMNS: Final = tuple(
    webhook_attempt.c[name].label(f"attempt_{name}")
    for name in ("number", "at_ms", "took_ms", "status", "error", "reply")
)
"""Those of an attempt, under names that no column of an event has."""


def endpoints_of(connection: Connection, org_id: OrgId, now_ms: int) -> Iterator[WebhookEndpoint]:
    """Those for which events wait, and those in trouble, at this wall time."""
    pending = (_E.org_id == org_id) & (_E.state == EventState.PENDING.value)
    waiting = select(
        _E.endpoint, func.max(_E.url).label("url"), func.count().label("number"), func.min(_E.due_ms).label("due_ms")
    ).where(pending)
    lines = {row.endpoint: row for row in connection.execute(waiting.group_by(_E.endpoint).limit(MAX_ENDPOINTS))}
    in_trouble = select(webhook_endpoint).where(webhook_endpoint.c.org_id == org_id).limit(MAX_ENDPOINTS)
    for trouble in connection.execute(in_trouble):
        line = lines.pop(trouble.endpoint, None)
        yield _in_trouble(trouble, line, _last_attempt(connection, trouble.endpoint), now_ms)
    for line in lines.values():
        yield WebhookEndpoint(
            endpoint_id=line.endpoint,
            url=line.url,
            state=EndpointState.WELL,
            failure_count=0,
            waiting_count=line.number,
            next_attempt_timestamp=line.due_ms,
        )


def _in_trouble(
    trouble: Row[*tuple[Any, ...]], line: Row[*tuple[Any, ...]] | None, last: WebhookAttempt | None, now_ms: int
) -> WebhookEndpoint:
    open_until_ms = trouble.open_until_ms
    if trouble.disabled_ms is not None:
        state = EndpointState.DISABLED
    else:
        state = EndpointState.FAILING if open_until_ms is None else EndpointState.OPEN
    is_tried = line is not None and state is not EndpointState.DISABLED
    return WebhookEndpoint(
        endpoint_id=trouble.endpoint,
        url=trouble.url,
        state=state,
        failure_count=trouble.failures,
        waiting_count=0 if line is None else line.number,
        next_attempt_timestamp=max(line.due_ms, open_until_ms or 0, now_ms) if is_tried and line is not None else None,
        disabled_timestamp=trouble.disabled_ms,
        last_attempt=last,
    )


def _last_attempt(connection: Connection, endpoint: str) -> WebhookAttempt | None:
    """The newest attempt of those events that still wait for an endpoint, None when none does."""
    wanted: Select[Any] = select(*ATTEMPT_COLUMNS)
    of_waiting = wanted.join_from(webhook_attempt, webhook_event, _E.row_id == webhook_attempt.c.row_id).where(
        _E.endpoint == endpoint, _E.state == EventState.PENDING.value
    )
    row = connection.execute(of_waiting.order_by(webhook_attempt.c.at_ms.desc()).limit(1)).one_or_none()
    return None if row is None else as_attempt(row)


def as_attempt(row: Any) -> WebhookAttempt:
    """The attempt of a row that has `ATTEMPT_COLUMNS`."""
    return WebhookAttempt(
        number=row.attempt_number,
        attempt_timestamp=row.attempt_at_ms,
        took_ms=row.attempt_took_ms,
        status=row.attempt_status,
        error=row.attempt_error,
        reply=row.attempt_reply.decode(errors="replace") if row.attempt_reply else None,
    )
