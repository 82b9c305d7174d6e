"""The agent resource: create, get, update, delete and the lists; its versions are in agent_versions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import ApiContext, context_of, warn
from retold.api.paging import Paging, QueryVersion, envelope
from retold.api.unserved import warn_of_agent
from retold.domain.agent import Agent
from retold.domain.agent_list import AgentFilter, ListAgentsRequest
from retold.domain.agent_request import AgentChanges, NewAgent, change_agent, check_llm_url, create_agent
from retold.domain.page import MAX_LIMIT
from retold.errors import InvalidRequest
from retold.ids import OrgId, new_agent_id

router = APIRouter(tags=["agent"], route_class=JsonRoute)


@router.post("/create-agent", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: NewAgent, sent: Sent) -> dict[str, Any]:
    """Create an agent."""
    context = context_of(request)
    agent = create_agent(body, new_agent_id(), context.deps.clock.wall_ms(), check_llm_url)
    agent = await context.deps.store.agents.create(org, agent)
    warn_of_ignored(response, sent, body)
    warn_of_agent(response, context, agent)
    return agent.wire()


@router.get("/get-agent/{agent_id}")
async def retrieve(request: Request, org: Org, agent_id: str, version: str | None = None) -> dict[str, Any]:
    """Get one version of an agent, by default the latest."""
    return (await find_agent(context_of(request), org, agent_id, version)).wire()


@router.patch("/update-agent/{agent_id}")
async def update(  # noqa: PLR0913 - the parts of one request
    request: Request,
    response: Response,
    org: Org,
    agent_id: str,
    *,
    sent: Sent,
    body: AgentChanges,
    version: str | None = None,
) -> dict[str, Any]:
    """Change a draft, by default the latest version; when that is published, a new draft of it."""
    context = context_of(request)
    now_ms = context.deps.clock.wall_ms()
    changed = await context.deps.store.agents.change(
        org, agent_id, version, lambda agent: change_agent(agent, body, now_ms, check_llm_url), now_ms
    )
    warn_of_ignored(response, sent, body)
    warn_of_agent(response, context, changed)
    return changed.wire()


@router.delete("/delete-agent/{agent_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, response: Response, org: Org, agent_id: str) -> None:
    """Delete an agent with all its versions and tags, and unbind its phone numbers; calls in progress go on."""
    deps = context_of(request).deps
    for number in await deps.store.agents.delete(org, agent_id, deps.clock.wall_ms()):
        warn(response, f"phone number {number} was bound to agent {agent_id[:100]} and is not any more")


@router.post("/v2/list-agents")
async def list_page(
    request: Request,
    response: Response,
    org: Org,
    page: Paging,
    *,
    sent: Sent,
    body: ListAgentsRequest | None = None,
) -> dict[str, Any]:
    """List summaries of agents by last change; paging is in the query, conditions are in the body."""
    body = body or ListAgentsRequest()
    found = await context_of(request).deps.store.agents.page(org, page, body.filter_criteria or AgentFilter())
    warn_of_ignored(response, sent, body)
    return envelope(found, lambda item: item[0].summary({name: tag.wire() for name, tag in item[1].items()}))


@router.get("/list-agents")
async def list_all(
    request: Request,
    org: Org,
    *,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
    pagination_key: str | None = None,
    pagination_key_version: QueryVersion | None = None,
    is_latest: bool = False,
) -> list[dict[str, Any]]:
    """List full agents, the last changed first, one entry per version; the page starts after `pagination_key`."""
    after = None if pagination_key is None else (pagination_key, pagination_key_version)
    store = context_of(request).deps.store
    agents = await store.agents.all_versions(org, limit=limit, after=after, is_latest=is_latest)
    if agents is None:
        raise InvalidRequest(
            "pagination_key names no agent", field="pagination_key", fix="use the agent_id of the last item"
        )
    return [agent.wire() for agent in agents]


async def find_agent(context: ApiContext, org: OrgId, agent_id: str, version: str | int | None) -> Agent:
    """The agent or its asked version. Raises NotFound or InvalidRequest."""
    return (await context.deps.store.agents.resolve(org, agent_id, version)).agent
