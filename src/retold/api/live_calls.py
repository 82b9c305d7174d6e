"""Steering calls that go on: update, listen, take over."""

from typing import NoReturn

from fastapi import APIRouter, Request, Response

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.calls import MAX_ID_CHARS, find_call, unknown_call
from retold.api.context import context_of
from retold.calls.change import CallChanges
from retold.calls.control import LiveChanges, update_live
from retold.domain.call_update import CallControl, FieldsToOverride, UpdateLiveCallRequest
from retold.errors import InvalidRequest
from retold.ids import CallId, OrgId

router = APIRouter(tags=["call"], route_class=JsonRoute)


@router.patch("/v2/update-live-call/{call_id}")
async def update(
    request: Request, response: Response, org: Org, call_id: str, *, body: UpdateLiveCallRequest, sent: Sent
) -> dict[str, bool]:
    """Change a call that is going on: its fields, what the agent knows, and whether it speaks now."""
    is_long = len(call_id) > MAX_ID_CHARS
    deps = context_of(request).deps
    if is_long or not await update_live(deps, org, CallId(call_id), _changes(body)):
        raise await unknown_call(request, org, call_id)
    warn_of_ignored(response, sent, body)
    return {"success": True}


@router.post("/v2/listen-live-call/{call_id}")
async def listen(request: Request, org: Org, call_id: str) -> None:
    """Refused: to hear a call takes WebRTC, which this server does not speak."""
    await _refuse(request, org, call_id, "listened to")


@router.post("/v2/take-over-live-call/{call_id}")
async def take_over(request: Request, org: Org, call_id: str) -> None:
    """Refused: to speak on a call takes WebRTC, which this server does not speak."""
    await _refuse(request, org, call_id, "taken over")


async def _refuse(request: Request, org: OrgId, call_id: str, what: str) -> NoReturn:
    await find_call(request, org, call_id)
    raise InvalidRequest(
        f"calls cannot be {what} on this server: that takes WebRTC, which it does not speak yet",
        field="call_id",
        fix="the websocket /v2/monitor-call shows the transcript of a call that is going on",
    )


def _changes(body: UpdateLiveCallRequest) -> LiveChanges:
    fields = body.fields_to_override or FieldsToOverride()
    control = body.call_control or CallControl()
    overrides = fields.override_dynamic_variables
    return LiveChanges(
        changes=CallChanges(metadata=fields.metadata, data_storage_setting=fields.data_storage_setting),
        variable_overrides=overrides,
        # Null drops them all; a field that is absent leaves them.
        drops_variable_overrides="override_dynamic_variables" in fields.model_fields_set and overrides is None,
        additional_context=control.additional_context,
        triggers_reply=control.trigger_response is True,
    )
