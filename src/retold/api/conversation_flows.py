"""The conversation flow resource: create, get, update, list and delete; what flows share is in flow_components."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.paging import Paging, QueryVersion, envelope
from retold.api.unknown import unknown_is_404
from retold.domain.flow import Flow
from retold.domain.flow_request import FlowChanges, NewFlow, change_flow, create_flow
from retold.domain.page import MAX_LIMIT
from retold.errors import InvalidRequest
from retold.ids import new_flow_id

router = APIRouter(tags=["conversation flow"], route_class=JsonRoute)


@router.post("/create-conversation-flow", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: NewFlow, sent: Sent) -> dict[str, Any]:
    """Create a conversation flow; one that cannot run is refused."""
    deps = context_of(request).deps
    flow = create_flow(body, new_flow_id(), deps.clock.wall_ms())
    await deps.store.flows.save(org, flow)
    warn_of_ignored(response, sent, body)
    return flow.wire()


@router.get("/get-conversation-flow/{conversation_flow_id}")
async def retrieve(request: Request, org: Org, conversation_flow_id: str, version: str | None = None) -> dict[str, Any]:
    """Get one version of a conversation flow, by default the latest."""
    with unknown_is_404():
        return (await context_of(request).deps.store.flows.resolve(org, conversation_flow_id, version)).wire()


@router.patch("/update-conversation-flow/{conversation_flow_id}")
async def update(  # noqa: PLR0913 - the parts of one request
    request: Request,
    response: Response,
    org: Org,
    conversation_flow_id: str,
    *,
    sent: Sent,
    body: FlowChanges,
    version: str | None = None,
) -> dict[str, Any]:
    """Change a draft, by default the latest version; when that is published, a new draft of it and its agents."""
    deps = context_of(request).deps
    now_ms = deps.clock.wall_ms()
    with unknown_is_404():
        changed = await deps.store.flows.change(
            org, conversation_flow_id, version, lambda flow: change_flow(flow, body, now_ms), now_ms
        )
    warn_of_ignored(response, sent, body)
    return changed.wire()


@router.get("/v2/list-conversation-flows")
async def list_page(request: Request, org: Org, page: Paging) -> dict[str, Any]:
    """List the newest version of each conversation flow by last change."""
    return envelope(await context_of(request).deps.store.flows.page(org, page), Flow.wire)


@router.get("/list-conversation-flows")
async def list_all(
    request: Request,
    org: Org,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
    pagination_key: str | None = None,
    pagination_key_version: QueryVersion | None = None,
) -> list[dict[str, Any]]:
    """List full conversation flows, one entry per version; the page starts after `pagination_key`."""
    after = None if pagination_key is None else (pagination_key, pagination_key_version)
    flows = await context_of(request).deps.store.flows.all_versions(org, limit=limit, after=after)
    if flows is None:
        raise InvalidRequest(
            "pagination_key names no conversation flow",
            field="pagination_key",
            fix="use the conversation_flow_id of the last item",
        )
    return [flow.wire() for flow in flows]


@router.delete(
    "/delete-conversation-flow/{conversation_flow_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
)
async def delete(request: Request, org: Org, conversation_flow_id: str, *, force_delete: bool = False) -> None:
    """Delete a conversation flow with all its versions; one that an agent uses only by force."""
    with unknown_is_404():
        await context_of(request).deps.store.flows.delete(org, conversation_flow_id, is_forced=force_delete)
