"""Creating web calls: v2 answers with the whole call, v3 with what a client needs to join."""

from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.unserved import warn_of_call
from retold.calls.create import create_web_call, details_of
from retold.calls.overrides import check_start, overridden
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_request import WebCallRequest
from retold.ids import OrgId

router = APIRouter(tags=["call"], route_class=JsonRoute)


@router.post("/v2/create-web-call", status_code=status.HTTP_201_CREATED, response_model=dict[str, Any])
async def create_v2(request: Request, org: Org, body: WebCallRequest, sent: Sent) -> Response:
    """Create a web call; the client joins it over the audio websocket within the join timeout."""
    record, agent = await _create(request, org, body)
    return _answer(request, record.call.model_dump_json(exclude_none=True).encode(), agent, body, sent)


@router.post("/v3/create-web-call", status_code=status.HTTP_201_CREATED, response_model=dict[str, Any])
async def create_v3(request: Request, org: Org, body: WebCallRequest, sent: Sent) -> Response:
    """Create a web call; answers with the connection info only."""
    record, agent = await _create(request, org, body)
    info = {
        "call_id": record.call.call_id,
        "access_token": record.call.access_token,
        "transport": "gateway",
        "ice_servers": [],
        "expires_at": record.join_deadline_wall_ms,
    }
    return _answer(request, orjson.dumps(info), agent, body, sent)


async def _create(request: Request, org: OrgId, body: WebCallRequest) -> tuple[CallRecord, Agent]:
    """The call, and the agent as it has it."""
    context = context_of(request)
    found = await context.deps.store.agents.resolve(org, body.agent_id, body.agent_version)
    agent = await overridden(context.deps, org, found.agent, body.agent_override)
    await check_start(context.deps, org, agent, state=body.current_state, node_id=body.current_node_id)
    details = replace(
        details_of(found, body),
        current_node_id=body.current_node_id,
        current_state=body.current_state,
    )
    return await create_web_call(context.deps, org, found.agent, details), agent


def _answer(request: Request, text: bytes, agent: Agent, body: WebCallRequest, sent: Any) -> Response:
    response = Response(text, status.HTTP_201_CREATED, media_type="application/json")
    warn_of_call(response, context_of(request), agent, body)
    warn_of_ignored(response, sent, body)
    return response
