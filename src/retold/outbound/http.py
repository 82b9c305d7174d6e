"""HTTP on connections that the guard has opened: one request each, then closed.

A connection is not kept for the next request: a server that has closed it meanwhile would cost a request that must not
be sent twice. httpx2 is imported here and nowhere else of the package, so that it loads when it is first needed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import aclosing
from typing import Final

import anyio
import httpcore2
import httpx2

from retold.domain.addresses import WEB_SCHEMES, Target, parse_target
from retold.domain.http_answer import HttpAnswer
from retold.errors import ConnectFailed
from retold.outbound.guard import Guard, Line, let_go

_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say how a message is framed and whom it is for; whoever names an address may not set them."""
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})
"""What a body may be packed in: once. Packed many times over, few bytes would keep the processor busy for long."""


async def ask(
    transport: httpx2.AsyncBaseTransport,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    max_bytes: int,
) -> HttpAnswer:
    """One request and its answer, by the deadline around it. Raises AddressRefused, ConnectFailed."""
    # Straight to the transport: a client would keep cookies, and knows of proxies and passwords in the environment.
    target = parse_target(url, WEB_SCHEMES)
    sent = [
        (name.encode(errors="replace"), value.encode(errors="replace"))
        for name, value in headers.items()
        if name.lower() not in _OURS
    ]
    own = [(b"Accept-Encoding", b"gzip, deflate"), (b"Connection", b"close")]
    try:
        request = httpx2.Request(method, target.web_url, headers=[*own, *sent], content=body)
        response = await transport.handle_async_request(request)
        try:
            return await _read(response, max_bytes)
        finally:
            await response.aclose()
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise ConnectFailed(f"no answer: {error or type(error).__name__}") from error


async def _read(response: httpx2.Response, max_bytes: int) -> HttpAnswer:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise ConnectFailed(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
    body = bytearray()
    async with aclosing(_unpacked(response)) as pieces:
        async for piece in pieces:
            body += piece[: max_bytes + 1 - len(body)]
            if len(body) > max_bytes:
                break
    return HttpAnswer(
        response.status_code, dict(response.headers), bytes(body[:max_bytes]), is_cut=len(body) > max_bytes
    )


async def _unpacked(response: httpx2.Response) -> AsyncGenerator[bytes]:
    async for piece in response.aiter_bytes():
        yield piece


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport of httpx2 that reaches only what the guard lets through."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises AddressRefused and the errors of httpx2; the time limits are those of httpx2."""
        target = parse_target(str(request.url), WEB_SCHEMES)
        with _errors_of_httpx2(request):
            with anyio.fail_after(request.extensions.get("timeout", {}).get("connect")):
                stream = await _Stream.on(await self._guard.open(target), target.host)
            connection = httpcore2.AsyncHTTP11Connection(httpcore2.URL(target.web_url).origin, stream)
            try:
                answer = await connection.handle_async_request(_in_terms_of_httpcore2(request, target))
            except BaseException:  # raised again: also who is cancelled leaves no connection open
                stream.abort()
                raise
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, stream, request), extensions=answer.extensions
        )


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, whose connection is closed with it."""

    def __init__(self, answer: httpcore2.Response, stream: "_Stream", request: httpx2.Request) -> None:
        self._answer = answer
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx2(self._request):
            async for piece in self._answer.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        try:
            await self._answer.aclose()
        finally:
            self._stream.abort()


class _Stream(httpcore2.AsyncNetworkStream):
    """A dialled connection, for httpcore2 to speak HTTP on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, line: Line, host: str) -> "_Stream":
        """Take the connection over; by TLS with the host's name where the address asks for it. Raises OSError."""
        try:
            name = host if line.tls else None
            return cls(*await asyncio.open_connection(sock=line.tcp, ssl=line.tls, server_hostname=name))
        except BaseException:  # raised again: also who is cancelled leaves no connection open
            await let_go(line.tcp)
            raise

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore2's form
        with _errors_of_httpcore2(httpcore2.ReadTimeout, httpcore2.ReadError), anyio.fail_after(timeout):
            return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore2's form
        with _errors_of_httpcore2(httpcore2.WriteTimeout, httpcore2.WriteError), anyio.fail_after(timeout):
            self._writer.write(buffer)
            await self._writer.drain()

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        """Close at once: a server that does not say goodbye would hold the connection for half a minute."""
        self._writer.transport.abort()


def _in_terms_of_httpcore2(request: httpx2.Request, target: Target) -> httpcore2.Request:
    # Whatever a client was told to say, the server is asked for the name that was checked.
    others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    headers = [(b"Host", target.authority.encode()), *others]
    stream, extensions = request.stream, request.extensions
    return httpcore2.Request(request.method, target.web_url, headers=headers, content=stream, extensions=extensions)


@contextlib.contextmanager
def _errors_of_httpcore2(too_late: type[Exception], failed: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError as error:
        raise too_late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


@contextlib.contextmanager
def _errors_of_httpx2(request: httpx2.Request) -> Generator[None]:
    try:
        yield
    except (TimeoutError, httpcore2.TimeoutException) as error:
        raise httpx2.TimeoutException(str(error) or "too late", request=request) from error
    except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise httpx2.TransportError(str(error) or type(error).__name__, request=request) from error
