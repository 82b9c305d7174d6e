"""The audit log of one's own organisation."""

from typing import Any

from fastapi import APIRouter, Request

from retold.api.auth import Org
from retold.api.body import JsonRoute
from retold.api.context import context_of
from retold.api.paging import Paging, envelope
from retold.domain.audit import AuditEntry

router = APIRouter(tags=["audit"], route_class=JsonRoute)


@router.get("/list-audit-log")
async def list_page(request: Request, org: Org, page: Paging, object_id: str | None = None) -> dict[str, Any]:
    """List who did what and when, the last first: of everything, or of one agent, number, key or call."""
    return envelope(await context_of(request).deps.store.audit_log.page(org, page, object_id), AuditEntry.wire)
