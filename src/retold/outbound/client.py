"""What the server goes out with: websockets and HTTP to addresses that users name."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from websockets.exceptions import InvalidHandshake, InvalidURI

from retold.domain.addresses import Target, parse_target
from retold.domain.agent import DEMO_BRAIN_URL
from retold.domain.http_answer import HttpAnswer
from retold.domain.mcp import McpAddress
from retold.errors import AddressRefused, ConnectFailed
from retold.outbound.guard import Dial, Guard, Resolve, dial_address, resolve_host
from retold.outbound.websocket import ClientSocket, open_websocket

if TYPE_CHECKING:
    import httpx2

    from retold.outbound.mcp import McpServer


class Outbound:
    """Opens connections for user-given addresses.

    `allow_private_hosts` is the setting of that name; `demo_address` gives the base address of the built-in demo brain
    (`ws://127.0.0.1:8080/demo-brain/llm-websocket`) once the server listens. The rest exists for tests.
    """

    def __init__(
        self,
        allow_private_hosts: Sequence[str],
        demo_address: Callable[[], str | None],
        *,
        resolve: Resolve | None = None,
        dial: Dial | None = None,
        make_tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._guard = Guard(allow_private_hosts, resolve or resolve_host, dial or dial_address, make_tls)
        self._demo_address = demo_address

    async def connect_websocket(self, url: str, *, timeout_s: float) -> ClientSocket:
        """Open a websocket to a ws, wss, http, https or demo brain address within the deadline.

        Raises AddressRefused (hopeless) or ConnectFailed (may work later).
        """
        try:
            with anyio.fail_after(timeout_s):
                if url.startswith("retold:"):
                    target = self._demo_target(url)
                    line = await self._guard.open_own(target)
                else:
                    target = parse_target(url)
                    line = await self._guard.open(target)
                return await open_websocket(target, line)
        except TimeoutError as error:
            raise ConnectFailed(f"no websocket within {timeout_s:g} s") from error
        except (OSError, EOFError, InvalidHandshake, InvalidURI) as error:
            raise ConnectFailed(f"no websocket: {error}") from error

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        max_bytes: int,
    ) -> HttpAnswer:
        """Ask an http or https address once, without redirects, cookies or proxies, all within the deadline.

        Headers that say how the message is framed and whom it is for are ours; those among `headers` are left out.
        Raises AddressRefused (hopeless) or ConnectFailed (may work later).
        """
        from retold.outbound.http import ask  # noqa: PLC0415 - what no agent uses costs no memory

        try:
            with anyio.fail_after(timeout_s):
                return await ask(self.http_transport(), method, url, headers, body, max_bytes)
        except TimeoutError as error:
            raise ConnectFailed(f"no answer within {timeout_s:g} s") from error

    def http_transport(self) -> "httpx2.AsyncBaseTransport":
        """The same way out for a client of a library; every request through it is guarded alike.

        Raises AddressRefused and the errors of httpx2.
        """
        from retold.outbound.http import GuardedTransport  # noqa: PLC0415 - what no agent uses costs no memory

        return GuardedTransport(self._guard)

    @asynccontextmanager
    async def connect_mcp(self, address: McpAddress) -> "AsyncGenerator[McpServer]":
        """Open a session with an MCP server, within the deadline around it. Raises AddressRefused, ConnectFailed."""
        from retold.outbound.mcp import connected  # noqa: PLC0415 - what no agent uses costs no memory

        async with connected(self.http_transport(), address) as server:
            yield server

    def _demo_target(self, url: str) -> Target:
        rest = url.removeprefix(DEMO_BRAIN_URL)
        if not url.startswith(DEMO_BRAIN_URL) or rest[:1] not in {"", "/", "?"}:
            raise AddressRefused(f"the only address with the scheme retold is {DEMO_BRAIN_URL}")
        base = self._demo_address()
        if base is None:
            raise ConnectFailed("the demo brain is not listening")
        return parse_target(base + rest)
