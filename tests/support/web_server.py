"""A web server on the loopback that notes every request to the byte and answers what the test says, to the byte."""

import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import anyio.abc
import orjson
from anyio.streams.tls import TLSStream

from retold.outbound import Outbound


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


Answer = bytes | None
"""What is sent before the connection is closed; None keeps silent until the client leaves."""


@dataclass
class WebServer:
    """The running server."""

    port: int
    requests: list[WebRequest] = field(default_factory=list[WebRequest])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(body: bytes | str | dict[str, Any] | list[Any], status: int = 200, **headers: str) -> bytes:
    """A whole answer; what is no text or bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


@asynccontextmanager
async def web_server(
    respond: Callable[[WebRequest], Answer], *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[WebServer]:
    """Serve while the block runs."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    server = WebServer(listener.extra_attributes[anyio.abc.SocketAttribute.local_port]())

    async def attend(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            try:
                request = await _received(stream)
                server.requests.append(request)
                said = respond(request)
                if said is None:
                    await stream.receive()
                else:
                    await stream.send(said)
            except (anyio.EndOfStream, anyio.BrokenResourceError, ssl.SSLError):
                return

    async def secured(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with suppress(ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError):
                wrapped = await TLSStream.wrap(stream, server_side=True, ssl_context=tls, standard_compatible=False)
                await attend(wrapped)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, secured if tls else attend)
        yield server
        tasks.cancel_scope.cancel()


def loopback_outbound() -> Outbound:
    """The guarded client of a server that allows this machine's own addresses."""
    return Outbound(["127.0.0.1"], lambda: None)


async def _received(stream: anyio.abc.ByteStream) -> WebRequest:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive()
    method, target, _ = first.split(" ")
    return WebRequest(method, target, headers, body)
