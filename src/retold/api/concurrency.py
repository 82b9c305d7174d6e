"""How many calls an organisation has in progress, and how many it may have."""

from fastapi import APIRouter, Request

from retold.api.auth import Org
from retold.api.context import context_of

router = APIRouter(tags=["concurrency"])


@router.get("/get-concurrency")
async def retrieve(request: Request, org: Org) -> dict[str, int | bool]:
    """The calls in progress of this organisation and the limit of the server; nothing here is for sale."""
    deps = context_of(request).deps
    limit = deps.settings.concurrency_limit
    return {
        "current_concurrency": deps.live.active_of(org),
        "concurrency_limit": limit,
        "base_concurrency": limit,
        "purchased_concurrency": 0,
        "concurrency_purchase_limit": 0,
        "remaining_purchase_limit": 0,
        "concurrency_burst_enabled": False,
        "concurrency_burst_limit": limit,
        "reserved_inbound_concurrency": 0,
    }
