"""Quality over many calls: how they ended, how long they and their answers took, by agent version and by time."""

from typing import Any

from fastapi import APIRouter, Request, Response

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_dropped
from retold.api.context import context_of
from retold.domain.call_query import without_nulls
from retold.domain.call_statistics import TooManyIntervals
from retold.domain.statistics_request import StatisticsRequest
from retold.errors import InvalidRequest

router = APIRouter(tags=["call"], route_class=JsonRoute)


@router.post("/get-call-statistics")
async def retrieve(
    request: Request, response: Response, org: Org, sent: Sent, body: StatisticsRequest | None = None
) -> dict[str, Any]:
    """Count and measure calls, by the filters of list-calls v3; `interval` cuts them into stretches of time."""
    asked = body or StatisticsRequest()
    try:
        told = await context_of(request).deps.store.call_statistics(org, asked)
    except TooManyIntervals as error:
        raise InvalidRequest(str(error), field="interval") from error
    known = dict.fromkeys(StatisticsRequest.model_fields)
    warn_of_dropped(response, dict.fromkeys(without_nulls(sent or {})), known, StatisticsRequest)
    return told
