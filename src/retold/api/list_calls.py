"""list-calls of all three generations: POST v3 (pages), POST v2 (an array), GET v1 (an array, filters in the query)."""

import re
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_dropped
from retold.api.context import base_url, context_of
from retold.api.json_response import JsonBlocks
from retold.api.v1 import v1_text
from retold.api.validation import explain
from retold.domain.call_filter import ListCallsV3
from retold.domain.call_filter_v2 import CallFilterV2, ListCallsV2
from retold.domain.call_query import CallQuery, without_nulls
from retold.errors import InvalidRequest
from retold.ids import OrgId
from retold.storage.call_pages import WHOLE, CallPageJson, CallShape

router = APIRouter(tags=["call"], route_class=JsonRoute)

_LIGHT = CallShape(has_transcripts=False)
_V1 = CallShape(text_of=v1_text)
_LISTS = {"agent_id"}
_BRACKETED = re.compile(r"filter_criteria\[(\w+)\]")


@router.post("/v3/list-calls", response_model=dict[str, Any])
async def list_pages(request: Request, org: Org, sent: Sent, body: ListCallsV3 | None = None) -> Response:
    """List calls without their transcripts, by default the last started first; all filters must hold."""
    asked = body or ListCallsV3()
    found = await _page(request, org, asked.query(), _LIGHT)
    beside: dict[str, Any] = {"has_more": found.page.has_more}
    if found.page.cursor is not None:
        beside["pagination_key"] = found.page.cursor
    if found.page.total is not None:
        beside["total"] = found.page.total
    response = JsonBlocks([b'{"items":', *found.blocks, b"," + orjson.dumps(beside)[1:]])
    _warn(response, sent, asked)
    return response


@router.post("/v2/list-calls", response_model=list[dict[str, Any]])
async def list_all(request: Request, org: Org, sent: Sent, body: ListCallsV2 | None = None) -> Response:
    """List whole calls, by default the last started first; all filters must hold."""
    asked = body or ListCallsV2()
    response = JsonBlocks((await _page(request, org, asked.query(), WHOLE)).blocks)
    _warn(response, sent, asked)
    return response


@router.get("/list-calls", response_model=list[dict[str, Any]], tags=["call (v1)"])
async def list_v1(request: Request, org: Org) -> Response:
    """List calls in the v1 shape; filters stand in the query, as `filter_criteria[name]` or by name alone."""
    body = _of_query(request)
    try:
        asked = ListCallsV2.model_validate(body)
    except ValidationError as error:
        problems: list[Any] = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise explain(problems, body) from error
    return JsonBlocks((await _page(request, org, asked.query(), _V1)).blocks)


async def _page(request: Request, org: OrgId, query: CallQuery, shape: CallShape) -> CallPageJson:
    return await context_of(request).deps.store.list_calls_json(org, query, base_url(request), shape)


def _warn(response: Response, sent: Any, asked: ListCallsV3 | ListCallsV2) -> None:
    # Inside the filters nothing is ignored, so only the names beside them can be.
    known = dict.fromkeys(type(asked).model_fields)
    warn_of_dropped(response, dict.fromkeys(without_nulls(sent or {})), known, type(asked))


def _of_query(request: Request) -> dict[str, Any]:
    """The body that a later version would send instead of this query."""
    body: dict[str, Any] = {}
    criteria: dict[str, Any] = {}
    for written, text in request.query_params.multi_items():
        name = written.removesuffix("[]")
        bracketed = _BRACKETED.fullmatch(name)
        name = bracketed[1] if bracketed else name
        if name in _LISTS:
            criteria.setdefault(name, []).append(text)
        elif name in CallFilterV2.model_fields:
            criteria[name] = _number(name, text)
        elif name == "limit":
            body[name] = _number(name, text)
        else:
            body[name] = text
    return {**body, "filter_criteria": criteria}


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise InvalidRequest(f"{name} must be a whole number, got {text[:60]}", field=name, fix="send digits")
    return int(text)
