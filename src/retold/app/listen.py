"""The HTTP listener: uvicorn inside our own task group, with our own signal handling."""

import resource
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

from retold.app.http import HttpConnection, close_slow
from retold.app.websockets import DirectWebSockets

MAX_MESSAGE_BYTES = 1024 * 1024
_BACKLOG = 1024
_CLOSE_TIMEOUT_S = 3.0
_LEAST_CLOSE_TIMEOUT_S = 0.2
_PING_S = 5.0
_STALLED_MS = 60_000
_POLL_S = 0.01
_LOOK_S = 1.0
_DESCRIPTORS_BESIDE = 1_024
"""What recordings, the database and LLM websockets have open beside the connections."""


def bind(host: str, port: int, stalled_ms: int = _STALLED_MS) -> socket.socket:
    """Take the address before anything else is built; port 0 takes a free one. Raises OSError.

    A client that for `stalled_ms` takes nothing of what waits for it is cut off, on Linux.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Its connections inherit it. Uvicorn, once it has closed a connection, waits for the client without end.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stalled_ms)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address by which this machine reaches the listener."""
    host, port = str(listener.getsockname()[0]), int(listener.getsockname()[1])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def listening(
    application: ASGIApp,
    listener: socket.socket,
    left_s: Callable[[float], float] = lambda wanted_s: wanted_s,
    *,
    connection_limit: int = 1_000,
) -> AsyncGenerator[str]:
    """Serve the application on a bound socket; gives its URL, and ends all connections on leaving.

    With more connections than `connection_limit`, those that ask nothing are closed to make room; when none do,
    the requests of the surplus are answered 503. Opening a websocket never is.
    `left_s` says how many seconds are left on leaving, given how many are wanted.
    """
    config = uvicorn.Config(
        application,
        ws=DirectWebSockets,
        # Audio does not compress, and a deflate context per call costs more memory than the call.
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        http=HttpConnection,
        limit_concurrency=connection_limit,
    )
    server = _Server(config)
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as watch:
        tasks.start_soon(server.serve, [listener])
        watch.start_soon(_close_slow, server)
        try:
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await anyio.sleep(_POLL_S)
            yield url_of(listener)
        finally:
            # The server then ends by itself: connections first, the listener last. Uvicorn declares whole seconds.
            timeout_s = max(_LEAST_CLOSE_TIMEOUT_S, left_s(_CLOSE_TIMEOUT_S))
            config.timeout_graceful_shutdown = timeout_s  # pyright: ignore[reportAttributeAccessIssue] - as said
            server.should_exit = True
            watch.cancel_scope.cancel()


async def _close_slow(server: uvicorn.Server) -> None:
    while True:
        await anyio.sleep(_LOOK_S)
        close_slow(server.server_state.connections)


def allow_descriptors(connection_limit: int) -> None:
    """Let this process have as many open files as connections need, if the system's hard limit lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connection_limit + _DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: who runs the program decides what a signal means."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
