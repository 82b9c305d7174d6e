"""Phone calls: outbound ones, and those that somebody else's telephony brings here."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.unserved import warn_of_call
from retold.calls.create import create_phone_call, details_of, register_phone_call
from retold.calls.numbers import outbound_agent
from retold.calls.overrides import overridden
from retold.domain.call import CallRecord
from retold.domain.call_request import PhoneCallRequest, RegisterPhoneCallRequest
from retold.ids import OrgId

router = APIRouter(tags=["call"], route_class=JsonRoute)


@router.post("/v2/create-phone-call", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: PhoneCallRequest, sent: Sent) -> dict[str, Any]:
    """Create an outbound call; this server has no telephony, so that it ends at once as not_connected."""
    record = await make_phone_call(request, response, org, body)
    warn_of_ignored(response, sent, body)
    return record.call.wire()


@router.post("/v2/register-phone-call", status_code=status.HTTP_201_CREATED)
async def register(
    request: Request, response: Response, org: Org, body: RegisterPhoneCallRequest, sent: Sent
) -> dict[str, Any]:
    """Register a call; its audio must come within five minutes, by default."""
    context = context_of(request)
    found = await context.deps.store.agents.resolve(org, body.agent_id, body.agent_version)
    warn_of_call(response, context, await overridden(context.deps, org, found.agent, body.agent_override), body)
    details = replace(
        details_of(found, body),
        from_number=body.from_number,
        to_number=body.to_number,
        direction=body.direction,
    )
    record = await register_phone_call(context.deps, org, found.agent, details)
    warn_of_ignored(response, sent, body)
    return record.call.wire()


async def make_phone_call(request: Request, response: Response, org: OrgId, body: PhoneCallRequest) -> CallRecord:
    """Create an outbound call. Raises InvalidRequest and NotFound."""
    context = context_of(request)
    body.check_numbers()
    found = await outbound_agent(context.deps, org, body)
    warn_of_call(response, context, await overridden(context.deps, org, found.agent, body.agent_override), body)
    details = replace(
        details_of(found, body),
        from_number=body.from_number,
        to_number=body.to_number,
        custom_sip_headers=body.custom_sip_headers,
    )
    return await create_phone_call(context.deps, org, found.agent, details)
