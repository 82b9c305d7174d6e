"""The call resource: get, update, delete, stop and rerun the analysis."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import base_url, context_of, warn
from retold.api.json_response import JsonBlocks
from retold.calls.change import CallChanges, update_finished
from retold.calls.change import delete as delete_call
from retold.domain.analysis import ANALYSIS_JOB
from retold.domain.call import CallRecord
from retold.domain.call_update import UpdateCallRequest
from retold.domain.consequences import NewJob
from retold.domain.version_reference import unknown
from retold.errors import InvalidRequest, NotFound
from retold.ids import CallId, OrgId, new_job_id
from retold.storage.call_json import CallJson, call_json, stored_call

router = APIRouter(tags=["call"], route_class=JsonRoute)

MAX_ID_CHARS = 100


@router.get("/v2/get-call/{call_id}", response_model=dict[str, Any])
async def retrieve(request: Request, org: Org, call_id: str) -> Response:
    """Get a call."""
    return JsonBlocks([(await find_call_json(request, org, call_id)).text])


@router.patch("/v2/update-call/{call_id}")
async def update(
    request: Request, response: Response, org: Org, call_id: str, body: UpdateCallRequest, sent: Sent
) -> dict[str, Any]:
    """Change a call that is over; custom attributes are added to those it has."""
    changes = CallChanges(
        metadata=body.metadata,
        data_storage_setting=body.data_storage_setting,
        custom_attributes=body.custom_attributes,
    )
    is_long = len(call_id) > MAX_ID_CHARS
    changed = None if is_long else await update_finished(context_of(request).deps, org, CallId(call_id), changes)
    if changed is None:
        raise await unknown_call(request, org, call_id)
    warn_of_ignored(response, sent, body)
    if body.override_dynamic_variables is not None:
        warn(response, "override_dynamic_variables has no effect on a call that is over; update-live-call takes it")
    return wire(request, changed)


@router.delete("/v2/delete-call/{call_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, call_id: str) -> None:
    """Erase a call for good, everywhere; one that is going on is ended first."""
    record = await find_call(request, org, call_id)
    if not await delete_call(context_of(request).deps, org, record):
        raise await unknown_call(request, org, call_id)


@router.put("/rerun-call-analysis/{call_id}", response_model=dict[str, Any])
async def rerun_analysis(request: Request, org: Org, call_id: str) -> Response:
    """Have a call that is over analysed once more, which is announced as the first time; gives the call as it is."""
    record = await find_call(request, org, call_id)
    if not record.call.call_status.is_terminal:
        raise InvalidRequest(
            f"call {call_id} is {record.call.call_status}; only a call that is over can be analysed",
            field="call_id",
            fix="wait until the call has ended",
        )
    found = await find_call_json(request, org, call_id)
    await context_of(request).deps.store.jobs.add(org, CallId(call_id), NewJob(job_id=new_job_id(), kind=ANALYSIS_JOB))
    return JsonBlocks([found.text])


@router.post("/v2/stop-call/{call_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def stop(request: Request, org: Org, call_id: str) -> None:
    """End a call; one that is over already stays as it is."""
    record = await find_call(request, org, call_id)
    if not record.call.call_status.is_terminal:
        await context_of(request).deps.live.stop(record)


def wire(request: Request, record: CallRecord) -> dict[str, Any]:
    """The call as it is sent, its files under the address of this server."""
    links = context_of(request).deps.store.links(base_url(request))
    return orjson.loads(call_json(stored_call(record), links).text)


async def find_call(request: Request, org: OrgId, call_id: str) -> CallRecord:
    """The call of this organisation. Raises NotFound."""
    store = context_of(request).deps.store
    record = await store.find_call(org, CallId(call_id)) if len(call_id) <= MAX_ID_CHARS else None
    if record is None:
        raise await unknown_call(request, org, call_id)
    return record


async def find_call_json(request: Request, org: OrgId, call_id: str) -> CallJson:
    """The call of this organisation as it is sent. Raises NotFound."""
    store = context_of(request).deps.store
    is_long = len(call_id) > MAX_ID_CHARS
    found = None if is_long else await store.find_call_json(org, CallId(call_id), base_url(request))
    if found is None:
        raise await unknown_call(request, org, call_id)
    return found


async def unknown_call(request: Request, org: OrgId, call_id: str) -> NotFound:
    """What is said of a call that this organisation does not have."""
    store = context_of(request).deps.store
    near = await store.near_call(org, call_id) if len(call_id) <= MAX_ID_CHARS else None
    return unknown("call", call_id, field="call_id", lists="POST /v2/list-calls", near=near)
