"""The one guarded way out: connections to addresses that users name.

A name is resolved once, every address it has is checked, and the connection goes to exactly a checked address, so
that a name server cannot answer differently a moment later. TLS and the Host header keep the name. Redirects are
never followed. The rules themselves are in domain/addresses.py.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
import anyio.to_thread
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from retold.domain.addresses import Target, parse_target, refuse_forbidden
from retold.domain.agent import DEMO_BRAIN_URL
from retold.errors import AddressRefused, ConnectFailed

MAX_MESSAGE_BYTES: Final = 1 << 20
_CLOSE_TIMEOUT_S: Final = 1.0
_PROTOCOL_PING_S: Final = 20.0
_NO_CLOSE_FRAME: Final = 1006
_PING_TIMEOUT: Final = 1011

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the numeric addresses of a host; raises OSError when it has none."""
Dial = Callable[[str, int], Awaitable[socket.socket]]
"""Opens a TCP connection to a numeric address; raises OSError."""


class SocketClosed(Exception):
    """The websocket is closed. `code` is 1006 without a close frame and 1005 for a frame without a code (RFC 6455)."""

    def __init__(self, code: int, reason: str = "", *, is_our_refusal: bool = False) -> None:
        super().__init__(f"closed with code {code}")
        self.code = code
        self.reason = reason
        self.is_our_refusal = is_our_refusal
        """We closed it, because the peer sent a frame that breaks the protocol or the size limit."""


class ClientSocket:
    """An open client websocket that carries text."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str | bytes) -> None:
        """Send one text frame, bytes being UTF-8; waits while the peer does not read. Raises SocketClosed."""
        try:
            await self._connection.send(text, text=True)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        """Wait for one message; bytes when it was a binary frame. Safe to cancel. Raises SocketClosed."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within a second, whether or not the peer agrees."""
        await self._connection.close(code, reason)


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
        self._allowed = tuple(allow_private_hosts)
        self._demo_address = demo_address
        self._resolve = resolve or resolve_host
        self._dial = dial or dial_address
        self._make_tls = make_tls
        self._tls: ssl.SSLContext | None = None

    async def connect_websocket(self, url: str, *, timeout_s: float) -> ClientSocket:
        """Open a websocket to a ws, wss, http, https or demo brain address within the deadline.

        Raises AddressRefused (hopeless) or ConnectFailed (may work later).
        """
        try:
            with anyio.fail_after(timeout_s):
                if url.startswith("retold:"):
                    target = self._demo_target(url)
                    return await self._open(target, [target.host])
                target = parse_target(url)
                addresses = await self._resolve(target.host, target.port)
                refuse_forbidden(target, addresses, self._allowed)
                return await self._open(target, addresses)
        except TimeoutError as error:
            raise ConnectFailed(f"no websocket within {timeout_s:g} s") from error
        except (OSError, EOFError, InvalidHandshake, InvalidURI) as error:
            raise ConnectFailed(f"no websocket: {error}") from error

    def _demo_target(self, url: str) -> Target:
        rest = url.removeprefix(DEMO_BRAIN_URL)
        if not url.startswith(DEMO_BRAIN_URL) or rest[:1] not in {"", "/", "?"}:
            raise AddressRefused(f"the only address with the scheme retold is {DEMO_BRAIN_URL}")
        base = self._demo_address()
        if base is None:
            raise ConnectFailed("the demo brain is not listening")
        return parse_target(base + rest)

    async def _open(self, target: Target, addresses: Sequence[str]) -> ClientSocket:
        tls = await self._tls_context() if target.is_secure else None
        tcp = await self._dial_first(addresses, target.port)
        try:
            connection = await _DirectConnect(
                target.url,
                sock=tcp,
                ssl=tls,
                proxy=None,
                open_timeout=None,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=_PROTOCOL_PING_S,
                max_size=MAX_MESSAGE_BYTES,
                compression=None,
                create_connection=_Connection,
            )
        except BaseException:
            tcp.close()
            raise
        return ClientSocket(connection)

    async def _tls_context(self) -> ssl.SSLContext:
        # Loading the certificate authorities takes tens of milliseconds, so once and in a thread.
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(self._make_tls)
        return self._tls

    async def _dial_first(self, addresses: Sequence[str], port: int) -> socket.socket:
        failure: OSError = OSError("the name has no address")
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            # An address that swallows packets gets its share of the time, not all of it.
            remaining_s = anyio.current_effective_deadline() - anyio.current_time()
            try:
                with anyio.fail_after(remaining_s / left):
                    return await self._dial(address, port)
            except OSError as error:
                failure = error
        raise failure


class _Connection(ClientConnection):
    """A connection that is freed when it is over."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the parser: it and what it parses for hold each other, and would wait for the garbage collector."""
        super().connection_lost(exc)
        self.protocol.parser.close()


class _DirectConnect(connect):
    """A websocket handshake that takes a redirect for the failure it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The numeric addresses of a host, by the system's resolver."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def dial_address(address: str, port: int) -> socket.socket:
    """A TCP connection to a numeric address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        tcp.setblocking(False)
        await asyncio.get_running_loop().sock_connect(tcp, (address, port))
    except BaseException:
        tcp.close()
        raise
    return tcp


def _closed(error: ConnectionClosed) -> SocketClosed:
    if error.sent is not None and not error.rcvd_then_sent:
        # A peer that answers no protocol ping is gone, just as if its connection had been cut.
        if error.sent.code == _PING_TIMEOUT:
            return SocketClosed(_NO_CLOSE_FRAME, error.sent.reason)
        return SocketClosed(error.sent.code, error.sent.reason, is_our_refusal=True)
    if error.rcvd is None:
        return SocketClosed(_NO_CLOSE_FRAME)
    return SocketClosed(error.rcvd.code, error.rcvd.reason)
