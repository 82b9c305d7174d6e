"""The tool `mcp` and the sessions of a call, with servers that do what the test says."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from retold.domain.dialogue import ToolUse
from retold.domain.llm import Mcp
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import McpTool
from retold.domain.mcp import McpAddress, McpAnswer
from retold.domain.variables import Variables
from retold.errors import AddressRefused, ConnectFailed, SessionOver
from retold.providers.scripted_model import ScriptedModel
from retold.responders.tools.context import ToolContext, ToolServices
from retold.responders.tools.mcp_sessions import McpSessions
from retold.responders.tools.result import ToolResult
from retold.responders.tools.run import run_tool
from support.mcp_servers import Servers, echo
from support.minds import NoSandbox, SlowHttp, no_key
from support.model_server import script
from support.stored import make_record
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

KITCHEN = Mcp(name="kitchen", url="https://mcp.example/{{city}}", headers={"X-Key": "{{key}}"}, timeout_ms=2_000)


@asynccontextmanager
async def call_with(servers: Servers) -> AsyncGenerator[Callable[..., Coroutine[Any, Any, ToolResult]]]:
    """A call; gives what runs an mcp tool in it."""
    sessions = McpSessions()
    services = ToolServices(
        http=SlowHttp(),
        sandbox=NoSandbox(),
        clock=VirtualClock(),
        webhook_key=no_key,
        connect_mcp=servers.connect,
    )

    async def run(arguments: str = "{}", *, mcps: tuple[Mcp, ...] = (KITCHEN,), **fields: Any) -> ToolResult:
        tool = McpTool.model_validate({"type": "mcp", "name": "look", "description": "Looks."} | fields)
        context = ToolContext(
            record=make_record(),
            variables=Variables(of_request={"city": "Sao Paulo", "key": "k1"}),
            transcript=(),
            model=ScriptedModel(script()),
            primary=PrimaryModel(model="gpt-4.1"),
            services=services,
            mcps=mcps,
            mcp_sessions=sessions,
        )
        return await run_tool(tool, ToolUse("tool_1", "look", arguments), context)

    async with anyio.create_task_group() as tasks:
        sessions.attach(tasks)
        yield run
        tasks.cancel_scope.cancel()


async def test_a_tool_is_used_in_one_session_of_the_call_which_is_closed_with_it() -> None:
    servers = Servers()
    async with call_with(servers) as run:
        first = await run('{"table": 4}', mcp_id="kitchen", response_variables={"table": "echo.table"})
        second = await run()
        assert servers.closed == 0
    assert first == ToolResult("look {'table': 4}", successful=True, variables={"table": 4})
    assert second == ToolResult("look {}", successful=True)
    assert servers.opened == [McpAddress("https://mcp.example/Sao%20Paulo", (("X-Key", "k1"),))]
    assert servers.closed == 1


async def test_two_uses_at_once_share_the_session() -> None:
    servers = Servers(opening_s=0.5)
    async with call_with(servers) as run, anyio.create_task_group() as uses:
        uses.start_soon(run)
        uses.start_soon(run)
    assert len(servers.opened) == 1


async def test_a_server_that_does_not_say_goodbye_keeps_the_call_a_second() -> None:
    began_s = anyio.current_time()
    servers = Servers(closing_s=60)
    async with call_with(servers) as run:
        await run()
    assert servers.closed == 0
    assert anyio.current_time() - began_s == pytest.approx(1.0)


async def test_a_tool_that_fails_says_so() -> None:
    async def fail(_name: str, _arguments: Mapping[str, Any]) -> McpAnswer:
        return McpAnswer("no such table", is_error=True, document={"echo": 1})

    async with call_with(Servers(fail)) as run:
        assert await run(response_variables={"e": "echo"}) == ToolResult("no such table", successful=False)


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (AddressRefused("10.0.0.1 is private"), "may not be reached from this server"),
        (ConnectFailed("status 500"), "gave no answer: status 500."),
    ],
)
async def test_a_server_that_cannot_be_reached_is_told_the_model(refusal: Exception, said: str) -> None:
    async with call_with(Servers(refusal=refusal)) as run:
        result = await run()
    assert not result.successful
    assert said in result.content
    assert "10.0.0.1" not in result.content


async def test_the_time_of_the_server_bounds_opening_and_answering() -> None:
    async def hang(_name: str, _arguments: Mapping[str, Any]) -> McpAnswer:
        await anyio.sleep_forever()
        raise AssertionError

    for servers in (Servers(opening_s=60), Servers(hang), Servers(hang, opening_s=1.5)):
        began_s = anyio.current_time()
        async with call_with(servers) as run:
            result = await run()
            assert anyio.current_time() - began_s == pytest.approx(2.0)
        assert result == ToolResult("The tool's server gave no answer: 2 s are over.", successful=False)


async def test_a_session_that_the_server_has_forgotten_is_opened_anew() -> None:
    answers = 0

    async def forget(name: str, arguments: Mapping[str, Any]) -> McpAnswer:
        nonlocal answers
        answers += 1
        if answers == 2:
            raise SessionOver("Session terminated")
        return await echo(name, arguments)

    servers = Servers(forget)
    async with call_with(servers) as run:
        assert (await run()).successful
        assert (await run()).successful
    assert len(servers.opened) == servers.closed == 2


async def test_a_server_that_forgets_every_session_is_asked_no_third_time() -> None:
    async def forget(_name: str, _arguments: Mapping[str, Any]) -> McpAnswer:
        raise SessionOver("Session terminated")

    servers = Servers(forget)
    async with call_with(servers) as run:
        assert not (await run()).successful
    assert len(servers.opened) == 1


async def test_a_failed_session_is_not_used_again() -> None:
    servers = Servers(refusal=ConnectFailed("status 500"))
    async with call_with(servers) as run:
        assert not (await run()).successful
        servers.refusal = None
        assert (await run()).successful


@pytest.mark.parametrize(
    ("mcps", "mcp_id"),
    [((), None), ((KITCHEN,), "cellar"), ((KITCHEN, KITCHEN.model_copy(update={"name": "attic"})), None)],
)
async def test_a_tool_of_no_known_server_is_refused(mcps: tuple[Mcp, ...], mcp_id: str | None) -> None:
    async with call_with(Servers()) as run:
        result = await run(mcps=mcps, mcp_id=mcp_id)
    assert not result.successful
    assert "no MCP server" in result.content


async def test_arguments_that_are_no_object_go_back_to_the_model() -> None:
    async with call_with(Servers()) as run:
        assert not (await run("[1]")).successful


async def test_after_the_call_no_session_is_opened() -> None:
    sessions = McpSessions()
    with pytest.raises(ConnectFailed, match="over"):
        await sessions.call(Servers().connect, McpAddress("https://mcp.example/"), "look", {})
