"""Components that conversation flows share: create, get, update, list and delete."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.paging import Paging, envelope
from retold.api.unknown import unknown_is_404
from retold.domain.flow_request import ComponentChanges, NewComponent, change_component, create_component
from retold.ids import new_component_id

router = APIRouter(tags=["conversation flow component"], route_class=JsonRoute)


@router.post("/create-conversation-flow-component", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: NewComponent, sent: Sent) -> dict[str, Any]:
    """Create a shared component; one that cannot run is refused."""
    deps = context_of(request).deps
    component = create_component(body, new_component_id(), deps.clock.wall_ms())
    await deps.store.components.save(org, component)
    warn_of_ignored(response, sent, body)
    return component.wire([])


@router.get("/get-conversation-flow-component/{conversation_flow_component_id}")
async def retrieve(request: Request, org: Org, conversation_flow_component_id: str) -> dict[str, Any]:
    """Get a shared component."""
    with unknown_is_404():
        component, users = await context_of(request).deps.store.components.find(org, conversation_flow_component_id)
    return component.wire(users)


@router.patch("/update-conversation-flow-component/{conversation_flow_component_id}")
async def update(
    request: Request,
    response: Response,
    org: Org,
    conversation_flow_component_id: str,
    *,
    sent: Sent,
    body: ComponentChanges,
) -> dict[str, Any]:
    """Change a shared component, in all flows that use it."""
    deps = context_of(request).deps
    now_ms = deps.clock.wall_ms()
    with unknown_is_404():
        component, users = await deps.store.components.change(
            org, conversation_flow_component_id, lambda component: change_component(component, body, now_ms)
        )
    warn_of_ignored(response, sent, body)
    return component.wire(users)


@router.get("/v2/list-conversation-flow-components")
async def list_page(request: Request, org: Org, page: Paging) -> dict[str, Any]:
    """List shared components by last change."""
    found = await context_of(request).deps.store.components.page(org, page)
    return envelope(found, lambda item: item[0].wire(item[1]))


@router.delete(
    "/delete-conversation-flow-component/{conversation_flow_component_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
)
async def delete(request: Request, org: Org, conversation_flow_component_id: str) -> None:
    """Delete a shared component; flows that use it get a copy of their own."""
    with unknown_is_404():
        await context_of(request).deps.store.components.delete(org, conversation_flow_component_id)
