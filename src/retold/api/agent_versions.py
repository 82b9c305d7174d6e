"""The versions of an agent: drafts, publication, and tags that name a version (the tag routes are our own)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.paging import Paging, QueryVersion, envelope
from retold.api.unknown import unknown_is_404
from retold.domain.agent import Agent, AgentTag
from retold.domain.agent_options import LongText, RequestModel, ShortText
from retold.domain.response_engine import VersionNumber
from retold.domain.version_reference import Tag

router = APIRouter(tags=["agent"], route_class=JsonRoute)


class NewVersion(RequestModel):
    """What create-agent-version takes."""

    base_version: VersionNumber


class Publication(RequestModel):
    """What publish-agent-version takes."""

    version: VersionNumber
    version_title: ShortText | None = None
    version_description: LongText | None = None


class TagAssignment(RequestModel):
    """What assign-agent-tag takes; without a version the tag means the latest."""

    tag: Tag
    version: VersionNumber | None = None
    dynamic_variables: dict[ShortText, LongText] = Field(default_factory=dict)


@router.get("/list-agent-versions/{agent_id}")
async def list_page(request: Request, org: Org, agent_id: str, page: Paging) -> dict[str, Any]:
    """List summaries of the versions of an agent, by default the newest first."""
    found = await context_of(request).deps.store.agents.page_of_versions(org, agent_id, page)
    return envelope(found, Agent.version_summary)


@router.get("/get-agent-versions/{agent_id}")
async def list_all(request: Request, org: Org, agent_id: str) -> list[dict[str, Any]]:
    """List all versions of an agent in full, the newest first."""
    return [agent.wire() for agent in await context_of(request).deps.store.agents.versions(org, agent_id)]


@router.post("/create-agent-version/{agent_id}", status_code=status.HTTP_201_CREATED)
async def create(
    request: Request, response: Response, org: Org, agent_id: str, *, sent: Sent, body: NewVersion
) -> dict[str, Any]:
    """Begin a draft as a copy of a version; with a Retell LLM, that is copied too."""
    deps = context_of(request).deps
    with unknown_is_404():
        agent = await deps.store.agents.create_version(org, agent_id, body.base_version, deps.clock.wall_ms())
    warn_of_ignored(response, sent, body)
    return agent.wire()


@router.delete("/delete-agent-version/{agent_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, agent_id: str, version: QueryVersion) -> None:
    """Delete one version; its number is not given again."""
    with unknown_is_404():
        await context_of(request).deps.store.agents.delete_version(org, agent_id, version)


@router.post("/publish-agent-version/{agent_id}", response_class=Response)
async def publish(request: Request, org: Org, agent_id: str, *, body: Publication) -> None:
    """Publish a draft and its Retell LLM: they cannot change any more. A published version stays as it is."""
    deps = context_of(request).deps
    texts = body.model_dump(exclude={"version"}, exclude_none=True)
    with unknown_is_404():
        await deps.store.agents.publish(org, agent_id, body.version, texts, deps.clock.wall_ms())


@router.post("/publish-agent/{agent_id}", response_class=Response)
async def publish_latest(request: Request, org: Org, agent_id: str) -> None:
    """Publish the latest draft and begin the next one, as SDKs before 5.45 expect."""
    deps = context_of(request).deps
    with unknown_is_404():
        await deps.store.agents.publish_latest(org, agent_id, deps.clock.wall_ms())


@router.post("/assign-agent-tag/{agent_id}")
async def assign_tag(
    request: Request, response: Response, org: Org, agent_id: str, *, sent: Sent, body: TagAssignment
) -> dict[str, Any]:
    """Make a tag, or move it to another version; answers with all tags of the agent. Not part of Retell's API."""
    deps = context_of(request).deps
    tag = AgentTag(body.version, body.dynamic_variables)
    tags = await deps.store.agents.put_tag(org, agent_id, body.tag, tag, deps.clock.wall_ms())
    warn_of_ignored(response, sent, body)
    return {"agent_id": agent_id, "tags": {name: tag.wire() for name, tag in tags.items()}}


@router.delete("/delete-agent-tag/{agent_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete_tag(request: Request, org: Org, agent_id: str, tag: Annotated[str, Query(max_length=64)]) -> None:
    """Delete a tag; its version stays. Not part of Retell's API."""
    await context_of(request).deps.store.agents.delete_tag(org, agent_id, tag)
