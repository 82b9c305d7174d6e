"""MCP servers through the guarded way out: one of the protocol's own package, and those that misbehave."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from retold.domain.mcp import McpAddress, McpAnswer
from retold.errors import AddressRefused, ConnectFailed, OutboundError, SessionOver
from retold.outbound import Outbound
from retold.outbound.mcp import MAX_ANSWER_BYTES
from retold.responders.tools.mcp_sessions import McpSessions
from support.mcp_server import running_kitchen
from support.patience import PATIENCE_S
from support.web_server import Answer, WebRequest, answer, loopback_outbound, web_server

pytestmark = pytest.mark.anyio


def test_a_server_that_asks_nobody_loads_nothing_for_it() -> None:
    program = (
        "import sys, retold.app.build, retold.cli; print(*{'mcp', '_quickjs', 'httpx2', 'jsonschema'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout.strip() == ""


async def test_a_real_server_tells_its_tools_and_runs_them() -> None:
    with anyio.fail_after(PATIENCE_S):
        async with running_kitchen() as kitchen:
            address = McpAddress(f"{kitchen.url}?table=4", (("X-Key", "k1"), ("Host", "elsewhere")))
            async with loopback_outbound().connect_mcp(address) as server:
                tools = {tool.name: tool for tool in await server.tools()}
                found = await server.call("find_table", {"size": "four"})
                day = await server.call("day", {})
                broken = await server.call("find_table", {"size": "none"})
                unknown = await server.call("nobody", {})
    assert set(tools) == {"find_table", "day", "wait"}
    assert tools["find_table"].wire()["inputSchema"]["required"] == ["size"]
    assert tools["find_table"].description == "Says where a table stands."
    assert found.document == {"size": "four", "place": "by the window"}
    assert (day.text, day.is_error) == ("Tuesday", False)
    assert broken.is_error
    assert "find_table" in broken.text
    assert unknown.is_error
    for _, query, headers in kitchen.requests:
        assert query == "table=4"
        assert headers["x-key"] == "k1"
        assert headers["host"].startswith("127.0.0.1:")
        assert headers["accept-encoding"] == "identity"


async def test_a_use_that_is_given_up_leaves_the_session_as_it_was() -> None:
    with anyio.fail_after(PATIENCE_S):
        async with running_kitchen() as kitchen, loopback_outbound().connect_mcp(McpAddress(kitchen.url)) as server:
            with anyio.move_on_after(0.2) as given_up:
                await server.call("wait", {})
            assert given_up.cancelled_caught
            assert (await server.call("day", {})).text == "Tuesday"


async def opening_at(url: str, outbound: Outbound | None = None, timeout_s: float = PATIENCE_S) -> OutboundError:
    with pytest.raises(OutboundError) as caught, anyio.fail_after(timeout_s):
        async with (outbound or loopback_outbound()).connect_mcp(McpAddress(url)) as server:
            await server.tools()
    return caught.value


async def test_a_forbidden_address_is_refused() -> None:
    assert isinstance(await opening_at("http://127.0.0.1:9/mcp", Outbound([], lambda: None)), AddressRefused)
    assert isinstance(await opening_at("file:///etc/passwd"), AddressRefused)


async def test_nobody_there() -> None:
    refused = await opening_at("http://127.0.0.1:1/mcp")
    assert isinstance(refused, ConnectFailed)
    assert "no answer" in str(refused)


JSON: dict[str, Any] = {"Content_Type": "application/json", "Mcp_Session_Id": "s1"}


def reply(request: WebRequest, result: dict[str, Any]) -> bytes:
    return answer({"jsonrpc": "2.0", "id": request.json["id"], "result": result}, **JSON)


def of_2025(other: Callable[[WebRequest], Answer]) -> Callable[[WebRequest], Answer]:
    """A server of the protocol of 2025, with sessions; what is not the handshake is for `other`."""

    def answered(request: WebRequest) -> Answer:
        if request.method == "GET":
            return answer("", 405)
        method = request.json.get("method") if request.body else request.method
        match method:
            case "server/discover":
                return answer("", 404)
            case "initialize":
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}
                return reply(request, {"protocolVersion": "2025-06-18", **about})
            case "notifications/initialized" | "notifications/cancelled" | "DELETE":
                return answer("", 202)
            case _:
                return other(request)

    return answered


async def came_of(respond: Callable[[WebRequest], Answer]) -> McpAnswer | OutboundError:
    """What the use of a tool comes to."""
    async with web_server(of_2025(respond)) as web:
        try:
            with anyio.fail_after(PATIENCE_S):
                async with loopback_outbound().connect_mcp(McpAddress(web.url)) as server:
                    return await server.call("look", {"a": 1})
        except OutboundError as failure:
            return failure


async def test_a_server_of_2025_is_asked_in_a_session_which_is_closed() -> None:
    def look(request: WebRequest) -> bytes:
        content = [{"type": "text", "text": '{"free": 3}'}, {"type": "image", "data": "AA==", "mimeType": "image/png"}]
        return reply(request, {"content": content[: 1 if request.json["params"]["arguments"] else 2]})

    with anyio.fail_after(PATIENCE_S):
        async with web_server(of_2025(look)) as web:
            async with loopback_outbound().connect_mcp(McpAddress(web.url)) as server:
                one = await server.call("look", {"a": 1})
                two = await server.call("look", {})
            [goodbye] = [request for request in web.requests if request.method == "DELETE"]
    assert one == McpAnswer('{"free": 3}', document={"free": 3})
    assert two == McpAnswer('{"free": 3}\n[image]')
    assert goodbye.headers["mcp-session-id"] == "s1"


async def test_a_session_that_is_forgotten_is_told_apart() -> None:
    assert isinstance(await came_of(lambda _: answer("", 404)), SessionOver)


TEXT: dict[str, Any] = {"Content_Type": "text/plain"}
PACKED: dict[str, Any] = {**JSON, "Content_Encoding": "gzip"}


def misshapen(request: WebRequest) -> bytes:
    return reply(request, {"content": "none"})


@pytest.mark.parametrize(
    ("said", "error"),
    [
        pytest.param(answer("", 500), "status 500", id="500"),
        pytest.param(answer("", 401), "status 401", id="401"),
        pytest.param(b"", "no answer", id="nothing"),
        pytest.param(answer("{", **JSON), "Failed to parse", id="no JSON"),
        pytest.param(answer("hello", **TEXT), "content type", id="text"),
        pytest.param(misshapen, "not one of MCP", id="another shape"),
        pytest.param(answer("", 302, Location="http://10.0.0.1/"), "Redirect", id="elsewhere"),
        pytest.param(answer(gzip.compress(b"{}"), **PACKED), "packed", id="packed"),
        pytest.param(answer(b" " * (MAX_ANSWER_BYTES + 1), **JSON), "too large", id="endless"),
    ],
)
async def test_an_answer_that_is_none_is_a_failure(said: bytes | Callable[[WebRequest], bytes], error: str) -> None:
    came = await came_of(lambda request: said if isinstance(said, bytes) else said(request))
    if isinstance(came, McpAnswer):
        assert came.is_error
        assert error in came.text
    else:
        assert isinstance(came, ConnectFailed)
        assert error in str(came)


@pytest.mark.parametrize(
    ("said", "error"), [(b"", "no answer"), (answer(b" " * (MAX_ANSWER_BYTES + 1), **JSON), "large")]
)
async def test_a_call_whose_session_breaks_is_told_at_once_and_gets_another(said: bytes, error: str) -> None:
    sessions, uses = McpSessions(), 0

    def look(request: WebRequest) -> bytes:
        nonlocal uses
        uses += 1
        return said if uses == 1 else reply(request, {"content": [{"type": "text", "text": "fine"}]})

    async with web_server(of_2025(look)) as web, anyio.create_task_group() as tasks:
        sessions.attach(tasks)
        connect, address = loopback_outbound().connect_mcp, McpAddress(web.url)
        with anyio.fail_after(PATIENCE_S):
            with pytest.raises(ConnectFailed, match=error):
                await sessions.call(connect, address, "look", {"a": 1})
            assert (await sessions.call(connect, address, "look", {"a": 1})).text == "fine"
        tasks.cancel_scope.cancel()
    assert "DELETE" in {request.method for request in web.requests}


async def test_a_server_that_keeps_silent_is_left_at_the_deadline() -> None:
    async with web_server(lambda _: None) as web:
        with pytest.raises(TimeoutError), anyio.fail_after(0.5):
            async with loopback_outbound().connect_mcp(McpAddress(web.url)):
                pass


async def test_a_server_that_lists_no_tools_says_so() -> None:
    def refused(request: WebRequest) -> bytes:
        error = {"code": -32601, "message": "Method not found"}
        return answer({"jsonrpc": "2.0", "id": request.json["id"], "error": error}, **JSON)

    with anyio.fail_after(PATIENCE_S):
        async with (
            web_server(of_2025(refused)) as web,
            loopback_outbound().connect_mcp(McpAddress(web.url)) as server,
        ):
            with pytest.raises(ConnectFailed, match="lists no tools: Method not found"):
                await server.tools()


async def test_tools_are_listed_to_the_last_page_and_no_further() -> None:
    def listed(request: WebRequest) -> bytes:
        tool = {"name": f"tool_{len(request.body)}", "inputSchema": {"type": "object"}}
        return reply(request, {"tools": [tool], "nextCursor": "more"})

    with anyio.fail_after(PATIENCE_S):
        async with (
            web_server(of_2025(listed)) as web,
            loopback_outbound().connect_mcp(McpAddress(web.url)) as server,
        ):
            assert len(await server.tools()) == 20
    asked = [request.json for request in web.requests if request.method == "POST"]
    assert asked[-1]["params"]["cursor"] == "more"
