"""A real LLM websocket server on loopback that misbehaves as a test tells it to."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import anyio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from support.patience import PATIENCE_S


class Peer:
    """One connection, seen by the server; `heard` is what the client sent on it, parsed."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def says(self, response_type: str, **fields: Any) -> None:
        """Send one message of the protocol."""
        await self.socket.send(json.dumps({"response_type": response_type, **fields}))

    async def replies(self, response_id: int, content: str, *, complete: bool = True, **more: Any) -> None:
        """Send one `response`."""
        await self.says("response", response_id=response_id, content=content, content_complete=complete, **more)

    async def listens(self, *, until: str | None = None) -> dict[str, Any]:
        """Read, without answering, until a message of this type came; for ever when None."""
        async for frame in self.socket:
            message = self.hear(frame)
            if message["interaction_type"] == until:
                return message
        raise ConnectionError("the client left")

    def hear(self, frame: str | bytes) -> dict[str, Any]:
        """Take down what the client sent."""
        message: dict[str, Any] = json.loads(frame)
        self.heard.append(message)
        return message

    def cuts(self) -> None:
        """Drop the connection without a close frame."""
        self.socket.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]
"""What the server does on one connection; when it returns, the server goes on listening until the client leaves."""


@dataclass
class LlmServer:
    """The running server: how often it was asked, at which path, and what happened on each open connection."""

    port: int = 0
    handshakes: int = 0
    paths: list[str] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    close_codes: list[int | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address to give to an agent."""
        return f"ws://127.0.0.1:{self.port}/llm-websocket"

    async def until(self, is_reached: Callable[[], bool]) -> None:
        """Wait until this holds of what is recorded here."""
        with anyio.fail_after(PATIENCE_S):
            while not is_reached():  # noqa: ASYNC110 - a connection of another library ends without an event
                await anyio.sleep(0.01)


@asynccontextmanager
async def llm_server(
    *behaviours: Behaviour, refuses: int = 0, opens_after_s: float = 0, redirects_to: str | None = None
) -> AsyncGenerator[LlmServer]:
    """Serve: the n-th connection gets the n-th behaviour, the last repeats.

    The first `refuses` handshakes are answered 503; each takes `opens_after_s`.
    """
    record = LlmServer()

    async def shake_hands(socket: ServerConnection, request: Request) -> Response | None:
        record.handshakes += 1
        record.paths.append(request.path)
        await anyio.sleep(opens_after_s)
        if record.handshakes <= refuses:
            return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "not yet\n")
        if redirects_to is not None:
            response = socket.respond(HTTPStatus.FOUND, "elsewhere\n")
            response.headers["Location"] = redirects_to
            return response
        return None

    async def attend(socket: ServerConnection) -> None:
        peer = Peer(socket)
        record.peers.append(peer)
        try:
            if behaviours:
                await behaviours[min(len(record.peers), len(behaviours)) - 1](peer)
            await peer.listens()
        except (ConnectionClosed, ConnectionError):
            pass
        record.close_codes.append(socket.close_code)

    server: Server = await serve(
        attend, "127.0.0.1", 0, process_request=shake_hands, compression=None, max_size=None, close_timeout=0.2
    )
    record.port = next(iter(server.sockets)).getsockname()[1]
    try:
        yield record
    finally:
        server.close(close_connections=True)
        await server.wait_closed()
