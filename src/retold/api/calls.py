"""The call resource: get, list (v2) and stop."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, JsonValue, ValidationError
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_dropped
from retold.api.context import context_of, wire_call
from retold.api.validation import explain
from retold.domain.agent_options import RequestModel
from retold.domain.call import CallRecord
from retold.domain.call_query import CallFilter, CallQuery
from retold.errors import NotFound
from retold.ids import CallId, OrgId

router = APIRouter(tags=["call"], route_class=JsonRoute)

_ANALYSIS_FILTERS = ("batch_call_id", "user_sentiment", "call_successful", "in_voicemail")
"""Filters on what no call of this server has: with one of them, no call matches."""


class ListCallsRequest(RequestModel):
    """What list-calls v2 takes; the filters of both generations stand side by side in `filter_criteria`."""

    filter_criteria: dict[str, JsonValue] | None = Field(default=None, description=str(CallFilter.__doc__))
    sort_order: str | None = None
    limit: int | None = None
    pagination_key: str | None = None


@router.get("/v2/get-call/{call_id}")
async def retrieve(request: Request, org: Org, call_id: str) -> dict[str, Any]:
    """Get a call."""
    return wire_call((await find_call(request, org, call_id)).call, request)


@router.post("/v2/list-calls")
async def list_all(
    request: Request, response: Response, org: Org, sent: Sent, body: ListCallsRequest | None = None
) -> list[dict[str, Any]]:
    """List calls, by default the last started first; all filters must hold."""
    asked = body.model_dump(exclude_none=True) if body else {}
    filters = {name: value for name, value in asked.get("filter_criteria", {}).items() if value is not None}
    is_hopeless = bool([name for name in _ANALYSIS_FILTERS if filters.pop(name, None) is not None])
    query = _parse({**asked, "filter_criteria": filters})
    warn_of_dropped(response, sent, asked, ListCallsRequest)
    if is_hopeless:
        return []
    return [wire_call(record.call, request) for record in await context_of(request).deps.store.list_calls(org, query)]


@router.post("/v2/stop-call/{call_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def stop(request: Request, org: Org, call_id: str) -> None:
    """End a call; one that is over already stays as it is."""
    record = await find_call(request, org, call_id)
    if not record.call.call_status.is_terminal:
        await context_of(request).deps.live.stop(record)


async def find_call(request: Request, org: OrgId, call_id: str) -> CallRecord:
    """The call of this organisation. Raises NotFound."""
    record = await context_of(request).deps.store.find_call(org, CallId(call_id)) if len(call_id) <= 100 else None
    if record is None:
        raise NotFound(
            f"Cannot find requested asset under given api key: no call {call_id[:100]}",
            field="call_id",
            fix="POST /v2/list-calls shows which exist",
        )
    return record


def _parse(body: dict[str, Any]) -> CallQuery:
    try:
        return CallQuery.parse(body)
    except ValidationError as error:
        problems: list[Any] = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise explain(problems, body) from error
