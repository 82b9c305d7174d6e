"""The Retell LLM resource: create, get, update, list and delete; running one is no part of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.paging import Paging, QueryVersion, envelope
from retold.domain.llm import Llm
from retold.domain.llm_request import LlmRequest, change_llm, create_llm
from retold.domain.page import MAX_LIMIT
from retold.errors import InvalidRequest
from retold.ids import new_llm_id

router = APIRouter(tags=["llm"], route_class=JsonRoute)


@router.post("/create-retell-llm", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: LlmRequest, sent: Sent) -> dict[str, Any]:
    """Create a Retell LLM."""
    deps = context_of(request).deps
    llm = create_llm(body, new_llm_id(), deps.clock.wall_ms())
    await deps.store.llms.save(org, llm)
    warn_of_ignored(response, sent, body)
    return llm.wire()


@router.get("/get-retell-llm/{llm_id}")
async def retrieve(request: Request, org: Org, llm_id: str, version: str | None = None) -> dict[str, Any]:
    """Get one version of a Retell LLM, by default the latest."""
    return (await context_of(request).deps.store.llms.resolve(org, llm_id, version)).wire()


@router.patch("/update-retell-llm/{llm_id}")
async def update(  # noqa: PLR0913 - the parts of one request
    request: Request,
    response: Response,
    org: Org,
    llm_id: str,
    *,
    sent: Sent,
    body: LlmRequest,
    version: str | None = None,
) -> dict[str, Any]:
    """Change a draft, by default the latest version; when that is published, a new draft of it and its agents."""
    deps = context_of(request).deps
    now_ms = deps.clock.wall_ms()
    changed = await deps.store.llms.change(org, llm_id, version, lambda llm: change_llm(llm, body, now_ms), now_ms)
    warn_of_ignored(response, sent, body)
    return changed.wire()


@router.get("/v2/list-retell-llms")
async def list_page(request: Request, org: Org, page: Paging) -> dict[str, Any]:
    """List the newest version of each Retell LLM by last change."""
    return envelope(await context_of(request).deps.store.llms.page(org, page), Llm.wire)


@router.get("/list-retell-llms")
async def list_all(
    request: Request,
    org: Org,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
    pagination_key: str | None = None,
    pagination_key_version: QueryVersion | None = None,
) -> list[dict[str, Any]]:
    """List full Retell LLMs, one entry per version; the page starts after `pagination_key`."""
    after = None if pagination_key is None else (pagination_key, pagination_key_version)
    llms = await context_of(request).deps.store.llms.all_versions(org, limit=limit, after=after)
    if llms is None:
        raise InvalidRequest(
            "pagination_key names no Retell LLM", field="pagination_key", fix="use the llm_id of the last item"
        )
    return [llm.wire() for llm in llms]


@router.delete("/delete-retell-llm/{llm_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, llm_id: str, *, force_delete: bool = False) -> None:
    """Delete a Retell LLM with all its versions; one that an agent uses only by force."""
    await context_of(request).deps.store.llms.delete(org, llm_id, is_forced=force_delete)
