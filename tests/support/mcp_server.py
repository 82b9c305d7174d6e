"""A real MCP server of the protocol's own package, on the loopback; it notes the head of every request."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send

TABLES = {"four": "by the window", "six": "by the door"}


@dataclass
class KitchenServer:
    """The running server; requests as method, query and headers in lower case."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list[tuple[str, str, dict[str, str]]])


def kitchen() -> MCPServer:
    """A server with a tool that answers, one that fails and one that never answers."""
    server = MCPServer("kitchen", log_level="CRITICAL")

    @server.tool(description="Says where a table stands.")
    def find_table(size: str) -> dict[str, str]:
        return {"size": size, "place": TABLES[size]}

    @server.tool(description="Says what day it is.")
    def day() -> str:
        return "Tuesday"

    @server.tool(description="Never answers.")
    async def wait() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    _ = find_table, day, wait
    return server


@asynccontextmanager
async def running_kitchen() -> AsyncGenerator[KitchenServer]:
    """Serve it while the context is open."""
    running = KitchenServer()
    application = _noting(kitchen().streamable_http_app(), running)
    config = uvicorn.Config(application, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110 - uvicorn tells by no event
            await anyio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        running.url = f"http://127.0.0.1:{port}/mcp"
        try:
            yield running
        finally:
            server.should_exit = True


def _noting(application: ASGIApp, running: KitchenServer) -> ASGIApp:
    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            running.requests.append((scope["method"], scope["query_string"].decode(), headers))
        await application(scope, receive, send)

    return noted
