"""The tools of an agent's MCP servers, as the servers describe them at this moment."""

from collections.abc import Mapping
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request

from retold.api.agents import find_agent
from retold.api.auth import Org
from retold.api.context import ApiContext, context_of
from retold.calls.engines import Engine, engine_of
from retold.domain.flow import ComponentSettings
from retold.domain.llm import Llm, Mcp
from retold.domain.mcp import McpToolInfo, address_of, server_named
from retold.domain.variables import Variables
from retold.errors import AddressRefused, ConnectFailed, InvalidRequest, NotFound, Unavailable

MAX_S: Final = 30.0
"""Longest wait for a server; the setting of the server may be shorter."""

router = APIRouter(tags=["mcp"])


@router.get("/get-mcp-tools/{agent_id}")
async def get_mcp_tools(
    request: Request,
    org: Org,
    agent_id: str,
    mcp_id: str,
    version: str | None = None,
    component_id: str | None = None,
) -> list[dict[str, Any]]:
    """Ask an MCP server of an agent, by its name, for its tools."""
    context = context_of(request)
    agent = await find_agent(context, org, agent_id, version)
    engine = await engine_of(context.deps.store, org, agent)
    if engine is None:
        raise InvalidRequest("the agent is an LLM server of your own, which has no MCP servers here", field="agent_id")
    mcps, defaults = _of_component(engine, component_id) if component_id else _of_engine(engine)
    mcp = server_named(mcps, mcp_id)
    if mcp is None:
        known = ", ".join(mcp.name for mcp in mcps)[:200] or "none"
        raise NotFound(f"MCP server {mcp_id[:100]!r} not found", field="mcp_id", fix=f"use one of these: {known}")
    return [tool.wire() for tool in await _tools(context, mcp, Variables(defaults=defaults))]


async def _tools(context: ApiContext, mcp: Mcp, variables: Variables) -> list[McpToolInfo]:
    timeout_s = min(mcp.timeout_ms / 1000, MAX_S)
    try:
        with anyio.fail_after(timeout_s):
            async with context.outbound.connect_mcp(address_of(mcp, variables)) as server:
                return await server.tools()
    except AddressRefused as error:
        raise InvalidRequest(f"MCP server {mcp.name[:100]!r}: {error}", field="mcp_id") from error
    except ConnectFailed as error:
        raise Unavailable(f"MCP server {mcp.name[:100]!r}: {error}", field="mcp_id") from error
    except TimeoutError as error:
        message = f"MCP server {mcp.name[:100]!r} did not answer within {timeout_s:g} s"
        raise Unavailable(message, field="mcp_id") from error


def _of_engine(engine: Engine) -> tuple[list[Mcp], Mapping[str, str]]:
    settings = engine if isinstance(engine, Llm) else engine.flow
    return [*(settings.mcps or ())], settings.default_dynamic_variables or {}


def _of_component(engine: Engine, component_id: str) -> tuple[list[Mcp], Mapping[str, str]]:
    """Of a component of the agent's flow, one of its own or a shared one."""
    if isinstance(engine, Llm):
        raise InvalidRequest("the agent has no conversation flow, so no components", field="component_id")
    own = {component.component_id: component for component in engine.flow.components or ()}
    components: dict[str, ComponentSettings] = {**own, **engine.components}
    if component_id not in components:
        raise NotFound(f"component {component_id[:100]!r} not found in the agent's flow", field="component_id")
    return [*(components[component_id].mcps or ())], engine.flow.default_dynamic_variables or {}
