"""The agent resource: create, get, update, delete and the lists; its versions are in agent_versions."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import ApiContext, context_of, warn
from retold.api.paging import Paging, envelope
from retold.domain.addresses import parse_target
from retold.domain.agent import DEMO_BRAIN_URL, Agent
from retold.domain.agent_list import AgentFilter, ListAgentsRequest
from retold.domain.agent_request import AgentChanges, NewAgent, change_agent, create_agent
from retold.domain.page import MAX_LIMIT
from retold.domain.response_engine import CustomLlm
from retold.domain.voice import our_voice
from retold.errors import AddressRefused, InvalidRequest
from retold.ids import OrgId, new_agent_id

router = APIRouter(tags=["agent"], route_class=JsonRoute)
log = structlog.stdlib.get_logger()


@router.post("/create-agent", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: NewAgent, sent: Sent) -> dict[str, Any]:
    """Create an agent."""
    context = context_of(request)
    agent = create_agent(body, new_agent_id(), context.deps.clock.wall_ms(), _check_url)
    agent = await context.deps.store.agents.create(org, agent)
    warn_of_ignored(response, sent, body)
    _warn_of_unserved(response, context, agent)
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
        org, agent_id, version, lambda agent: change_agent(agent, body, now_ms, _check_url), now_ms
    )
    warn_of_ignored(response, sent, body)
    _warn_of_unserved(response, context, changed)
    return changed.wire()


@router.delete("/delete-agent/{agent_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, agent_id: str) -> None:
    """Delete an agent with all its versions and tags; calls that are in progress go on."""
    await context_of(request).deps.store.agents.delete(org, agent_id)


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
    pagination_key_version: int | None = None,
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


def _check_url(url: str) -> None:
    """Refuse an LLM websocket address that can never be called; whether it may be is decided at the call."""
    if url.rstrip("/") == DEMO_BRAIN_URL or "{{" in url:
        return
    try:
        parse_target(url)
    except AddressRefused as error:
        raise InvalidRequest(
            f"response_engine.llm_websocket_url: {error}"[:300],
            field="response_engine.llm_websocket_url",
            fix="use an address such as wss://example.com/llm-websocket",
        ) from error


def _warn_of_unserved(response: Response, context: ApiContext, agent: Agent) -> None:
    if agent.opt_in_signed_url:
        warn(response, "opt_in_signed_url is kept and not honoured: files are behind addresses that cannot be guessed")
    if not isinstance(agent.response_engine, CustomLlm):
        kind = agent.response_engine.type
        warn(response, f"response_engine.type {kind} is kept and not run yet: its calls say so and end error_retell")
    deps = context.deps
    if our_voice(agent.voice_id, deps.voices.voice_ids, deps.settings.voice_map) is None:
        warn(response, f"voice_id {agent.voice_id!r} is not installed here and is spoken by the default voice")
        log.warning("voice_unknown", agent_id=agent.agent_id, voice_id=agent.voice_id)
