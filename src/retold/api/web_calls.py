"""Creating web calls: v2 answers with the whole call, v3 with what a client needs to join."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.unserved import warn_of_call
from retold.calls.create import create_web_call, details_of
from retold.calls.overrides import check_state, overridden
from retold.domain.call import CallRecord
from retold.domain.call_request import WebCallRequest
from retold.ids import OrgId

router = APIRouter(tags=["call"], route_class=JsonRoute)


@router.post("/v2/create-web-call", status_code=status.HTTP_201_CREATED)
async def create_v2(request: Request, response: Response, org: Org, body: WebCallRequest, sent: Sent) -> dict[str, Any]:
    """Create a web call; the client joins it over the audio websocket within the join timeout."""
    record = await _create(request, response, org, body)
    warn_of_ignored(response, sent, body)
    return record.call.wire()


@router.post("/v3/create-web-call", status_code=status.HTTP_201_CREATED)
async def create_v3(request: Request, response: Response, org: Org, body: WebCallRequest, sent: Sent) -> dict[str, Any]:
    """Create a web call; answers with the connection info only."""
    record = await _create(request, response, org, body)
    warn_of_ignored(response, sent, body)
    return {
        "call_id": record.call.call_id,
        "access_token": record.call.access_token,
        "transport": "gateway",
        "ice_servers": [],
        "expires_at": record.join_deadline_wall_ms,
    }


async def _create(request: Request, response: Response, org: OrgId, body: WebCallRequest) -> CallRecord:
    context = context_of(request)
    found = await context.deps.store.agents.resolve(org, body.agent_id, body.agent_version)
    agent = await overridden(context.deps, org, found.agent, body.agent_override)
    await check_state(context.deps, org, agent, body.current_state)
    warn_of_call(response, context, agent, body)
    details = replace(
        details_of(found, body),
        current_node_id=body.current_node_id,
        current_state=body.current_state,
    )
    return await create_web_call(context.deps, org, found.agent, details)
