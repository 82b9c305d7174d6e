"""Resolve, check, dial: the only place where a connection to an address that a user named is opened."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import anyio.to_thread

from retold.domain.addresses import Target, refuse_forbidden

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the numeric addresses of a host; raises OSError when it has none."""
Dial = Callable[[str, int], Awaitable[socket.socket]]
"""Opens a TCP connection to a numeric address; raises OSError."""


@dataclass(frozen=True, slots=True)
class Line:
    """An open TCP connection, and what it is to be secured with where the address asks for TLS."""

    tcp: socket.socket
    tls: ssl.SSLContext | None


class Guard:
    """Opens TCP connections to what users name; `allowed` is the setting RETOLD_ALLOW_PRIVATE_HOSTS."""

    def __init__(
        self, allowed: Sequence[str], resolve: Resolve, dial: Dial, make_tls: Callable[[], ssl.SSLContext]
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._dial = dial
        self._make_tls = make_tls
        self._tls: ssl.SSLContext | None = None

    async def open(self, target: Target) -> Line:
        """A connection to a checked address of the target, within the deadline around it.

        Raises AddressRefused, OSError.
        """
        addresses = await self._resolve(target.host, target.port)
        refuse_forbidden(target, addresses, self._allowed)
        return await self._open(target, addresses)

    async def open_own(self, target: Target) -> Line:
        """The same for a numeric address of this server itself. Raises OSError."""
        return await self._open(target, [target.host])

    async def _open(self, target: Target, addresses: Sequence[str]) -> Line:
        tls = await self._tls_context() if target.is_secure else None
        return Line(await self._dial_first(addresses, target.port), tls)

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


async def let_go(tcp: socket.socket) -> None:
    """Close a connection that could not be made use of.

    A loop that had taken it over closes it in its next turn. Closed before that, its number might already belong to
    another file when the loop closes it.
    """
    with anyio.CancelScope(shield=True):
        await anyio.lowlevel.checkpoint()
    tcp.close()


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
    except BaseException:  # raised again: also who is cancelled leaves no connection open
        tcp.close()
        raise
    return tcp
