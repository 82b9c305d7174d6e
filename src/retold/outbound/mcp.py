"""MCP servers that users name: the protocol's own client, on connections that the guard has opened.

The client is a large package, so it loads when the first server is asked, and in a thread: a call that goes on
meanwhile must not stand still for it.
"""

import importlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import anyio.to_thread
import httpx2
import orjson

from retold import __version__
from retold.domain.json_text import parsed
from retold.domain.mcp import McpAddress, McpAnswer, McpToolInfo
from retold.errors import AddressRefused, ConnectFailed, OutboundError, SessionOver

if TYPE_CHECKING:
    from mcp import ClientSession

MAX_ANSWER_BYTES: Final = 4 << 20
"""Of one answer, events and all."""
MAX_PAGES: Final = 20
"""Of a list of tools."""
_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "upgrade"}
)
"""Headers of the connection itself, which whoever names an address may not set."""
_SESSION_OVER: Final = "Session terminated"
"""In the client's words: the server knows the session no more, and did not do what it was asked."""


class McpServer:
    """A server in an open session."""

    def __init__(self, session: "ClientSession", transport: "_Bounded") -> None:
        self._session = session
        self._transport = transport

    async def tools(self) -> list[McpToolInfo]:
        """All tools it describes. Raises ConnectFailed, SessionOver."""
        from mcp import MCPError, types  # noqa: PLC0415 - see the head of this file

        found: list[McpToolInfo] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            request = types.ListToolsRequest(params=types.PaginatedRequestParams(cursor=cursor))
            try:
                page = await self._asked(request, types.ListToolsResult)
            except MCPError as error:
                raise ConnectFailed(f"the server lists no tools: {error.message[:300]}") from error
            found += [McpToolInfo(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def call(self, name: str, arguments: Mapping[str, Any]) -> McpAnswer:
        """Use a tool; that it failed is an answer. Raises ConnectFailed, SessionOver.

        The client's own method would first check the answer against a schema of the server's, whose patterns may run
        for ever.
        """
        from mcp import MCPError, types  # noqa: PLC0415 - see the head of this file

        request = types.CallToolRequest(params=types.CallToolRequestParams(name=name, arguments=dict(arguments)))
        try:
            result = await self._asked(request, types.CallToolResult)
        except MCPError as error:
            return McpAnswer(error.message, is_error=True)
        document = result.structured_content
        texts = [block.text if block.type == "text" else f"[{block.type}]" for block in result.content]
        text = "\n".join(texts) or ("" if document is None else orjson.dumps(document).decode())
        return McpAnswer(text, bool(result.is_error), document if document is not None else parsed(text.encode()))

    async def _asked(self, request: Any, kind: type[Any]) -> Any:
        from mcp import MCPError  # noqa: PLC0415 - see the head of this file
        from mcp.types import CONNECTION_CLOSED  # noqa: PLC0415 - see the head of this file

        self._transport.failure = None
        try:
            return await self._session.send_request(request, kind)
        except MCPError as error:
            if error.message == _SESSION_OVER:
                raise SessionOver(error.message) from error
            if self._transport.failure is not None:
                raise self._transport.failure from error
            if error.code == CONNECTION_CLOSED:
                raise ConnectFailed(error.message) from error
            raise
        except (ValueError, RuntimeError) as error:
            raise ConnectFailed(f"the server's answer is not one of MCP: {_first_line(error)}") from error


@asynccontextmanager
async def connected(guarded: httpx2.AsyncBaseTransport, address: McpAddress) -> AsyncGenerator[McpServer]:
    """A session with a server, within the deadline around it. Raises AddressRefused, ConnectFailed."""
    await anyio.to_thread.run_sync(_load)
    from mcp import Client, types  # noqa: PLC0415 - see the head of this file
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - see the head of this file

    transport = _Bounded(guarded)
    headers = [(name, value) for name, value in address.headers if name.lower() not in _OURS]
    try:
        async with (
            httpx2.AsyncClient(
                transport=transport,
                headers=[*headers, ("Accept-Encoding", "identity")],
                timeout=None,
                trust_env=False,
            ) as http,
            Client(
                streamable_http_client(address.url, http_client=http),
                cache=None,
                client_info=types.Implementation(name="retold", version=__version__),
            ) as client,
        ):
            yield McpServer(client.session, transport)
    except Exception as error:  # the border of a library: whatever went wrong, there is no session any more
        # The client's own tasks wrap it in groups.
        inner = _innermost(error)
        if isinstance(inner, OutboundError):
            raise inner from error
        raise transport.failure or ConnectFailed(_first_line(inner)) from error


class _Bounded(httpx2.AsyncBaseTransport):
    """The guarded transport with a bound on answers; it remembers why a request came to nothing."""

    def __init__(self, guarded: httpx2.AsyncBaseTransport) -> None:
        self._guarded = guarded
        self.failure: AddressRefused | ConnectFailed | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request. Raises the errors of httpx2."""
        try:
            response = await self._guarded.handle_async_request(request)
        except AddressRefused as error:
            self.failure = error
            raise httpx2.TransportError(str(error), request=request) from error
        except httpx2.HTTPError as error:
            self.failure = ConnectFailed(f"no answer: {_first_line(error)}")
            raise
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise self.failed("the answer is packed, which was not asked for", request)
        if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR or response.status_code in {401, 403}:
            self.failure = ConnectFailed(f"the server answers with status {response.status_code}")
        stream = _BoundedBody(cast("httpx2.AsyncByteStream", response.stream), request, self)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def failed(self, why: str, request: httpx2.Request) -> httpx2.TransportError:
        """The error of httpx2 for a failure, which is noted."""
        self.failure = ConnectFailed(why)
        return httpx2.TransportError(why, request=request)


class _BoundedBody(httpx2.AsyncByteStream):
    def __init__(self, body: httpx2.AsyncByteStream, request: httpx2.Request, transport: _Bounded) -> None:
        self._body = body
        self._request = request
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._body:
            size += len(piece)
            if size > MAX_ANSWER_BYTES:
                raise self._transport.failed("the answer is too large", self._request)
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


def _load() -> None:
    importlib.import_module("mcp.client.streamable_http")
    # It logs what servers send, with traces; what goes wrong is told by whoever asked.
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)


def _innermost(error: Exception) -> BaseException:
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup) and inner.exceptions:
        inner = cast("BaseException", inner.exceptions[0])
    return inner


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
