"""The agent resource: create, get, update and the legacy list."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import ApiContext, context_of, warn
from retold.domain.addresses import parse_target
from retold.domain.agent import DEMO_BRAIN_URL, Agent
from retold.domain.agent_request import AgentChanges, NewAgent, change_agent, create_agent
from retold.errors import AddressRefused, InvalidRequest, NotFound
from retold.ids import OrgId, new_agent_id

router = APIRouter(tags=["agent"], route_class=JsonRoute)
log = structlog.stdlib.get_logger()


@router.post("/create-agent", status_code=status.HTTP_201_CREATED)
async def create(request: Request, response: Response, org: Org, body: NewAgent, sent: Sent) -> dict[str, Any]:
    """Create an agent."""
    context = context_of(request)
    agent = create_agent(body, new_agent_id(), context.deps.clock.wall_ms(), _check_url)
    await context.deps.store.save_agent(org, agent)
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
    """Change an agent in place; null clears a field that may be empty."""
    context = context_of(request)
    now_ms = context.deps.clock.wall_ms()
    number = _version_number(version)
    changed = await context.deps.store.change_agent(
        org, agent_id, number, lambda agent: change_agent(agent, body, now_ms, _check_url)
    )
    if changed is None:
        raise _unknown(agent_id, number)
    warn_of_ignored(response, sent, body)
    _warn_of_unserved(response, context, changed)
    return changed.wire()


@router.get("/list-agents")
async def list_all(
    request: Request,
    org: Org,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    pagination_key: str | None = None,
    pagination_key_version: int | None = None,
) -> list[dict[str, Any]]:
    """List full agents, the last changed first, one entry per version; the page starts after `pagination_key`."""
    agents = await context_of(request).deps.store.list_agents(org)
    start = 0
    if pagination_key is not None:
        places = [
            index
            for index, agent in enumerate(agents)
            if agent.agent_id == pagination_key and pagination_key_version in {None, agent.version}
        ]
        if not places:
            raise InvalidRequest(
                "pagination_key names no agent", field="pagination_key", fix="use the agent_id of the last item"
            )
        start = places[-1] + 1
    return [agent.wire() for agent in agents[start : start + limit]]


async def find_agent(context: ApiContext, org: OrgId, agent_id: str, version: str | int | None) -> Agent:
    """The agent or its asked version: a number, `latest` or `latest_published`. Raises NotFound or InvalidRequest."""
    number = _version_number(version)
    agent = await context.deps.store.find_agent(org, agent_id, number)
    if agent is None:
        raise _unknown(agent_id, number)
    return agent


def _unknown(agent_id: str, number: int | None) -> NotFound:
    which = agent_id[:100] if number is None else f"{agent_id[:100]} version {number}"
    return NotFound(
        f"Cannot find requested asset under given api key: no agent {which}",
        field="agent_id",
        fix="GET /list-agents shows which exist",
    )


def _version_number(version: str | int | None) -> int | None:
    # Nothing can be published here, so the latest published version is the latest.
    if version is None or version in {"latest", "latest_published"}:
        return None
    try:
        number = int(version)
    except ValueError:
        number = -1
    if not 0 <= number < 2**31:
        raise InvalidRequest(
            f"version {str(version)[:40]!r} is not known",
            field="version",
            fix="use a number, latest or latest_published",
        )
    return number


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
    if agent.wire().get("opt_in_signed_url"):
        warn(response, "opt_in_signed_url is kept and not honoured: files are behind addresses that cannot be guessed")
    if agent.voice_id not in context.deps.voices.voice_ids:
        warn(response, f"voice_id {agent.voice_id!r} is not installed here and is spoken by the default voice")
        log.warning("voice_unknown", agent_id=agent.agent_id, voice_id=agent.voice_id)
