"""What every route works with, and how a route tells a client something beside its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from anyio.abc import TaskGroup
from fastapi import Response
from starlette.requests import HTTPConnection

from retold.calls.deps import Deps
from retold.outbound import Outbound

WARNING_HEADER = "X-Retold-Warning"
MAX_WARNINGS = 10
"""More about one request would be noise."""
_MAX_WARNING_CHARS = 300


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The parts of the server that routes use; made by app.py."""

    deps: Deps
    tasks: TaskGroup
    """Where calls run: they outlive the sockets that carry them."""
    speech_state: Callable[[], str]
    """`ready`, `warming` or `unavailable: <what to install>`."""
    outbound: Outbound


def context_of(connection: HTTPConnection) -> ApiContext:
    """The context of the server that got this request."""
    return cast("ApiContext", connection.app.state.context)


def warn(response: Response, text: str) -> None:
    """Add a warning header; at most ten, cut to what a header may hold."""
    if len(response.headers.getlist(WARNING_HEADER)) < MAX_WARNINGS:
        safe = text.encode("ascii", "backslashreplace").decode().replace("\r", " ").replace("\n", " ")
        response.headers.append(WARNING_HEADER, safe[:_MAX_WARNING_CHARS])


def base_url(connection: HTTPConnection) -> str:
    """The address under which this client reaches the server, without a slash at its end."""
    return (context_of(connection).deps.settings.public_url or str(connection.base_url)).rstrip("/")
