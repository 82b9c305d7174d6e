"""The sessions of one call with MCP servers: each opened when its server is first used, closed when the call ends.

```
first use --> [ a task of the call's holds the session open ] --> call ends: said goodbye to, for a second at most
other uses ------^                    '-- fails: forgotten; the next use opens another
```
What a server says of its tools is asked once and holds for the call.
A session is held by a task of its own, because the client's own tasks must end in the task that they began in.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from retold.domain.mcp import McpAddress, McpAnswer, McpToolInfo
from retold.errors import AddressRefused, ConnectFailed, SessionOver

GOODBYE_S: Final = 1.0
"""How long the end of a call may wait for a server to take note."""


class McpServer(Protocol):
    """A server in an open session: retold.outbound.mcp.McpServer, or a test's."""

    async def tools(self) -> list[McpToolInfo]:
        """All tools it describes. Raises ConnectFailed, SessionOver."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> McpAnswer:
        """Use a tool; that it failed is an answer. Raises ConnectFailed, SessionOver."""
        ...


ConnectMcp = Callable[[McpAddress], AbstractAsyncContextManager[McpServer]]
"""Opens a session, within the deadline around it. Raises AddressRefused, ConnectFailed."""
Given = TypeVar("Given")


class McpSessions:
    """All sessions of a call; `attach` says where they live."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._open: dict[McpAddress, _Session] = {}
        self._described: dict[McpAddress, Mapping[str, McpToolInfo]] = {}

    def attach(self, tasks: TaskGroup) -> None:
        """Hold sessions open in this task group, until it is cancelled."""
        self._tasks = tasks

    async def call(
        self, connect: ConnectMcp, address: McpAddress, name: str, arguments: Mapping[str, Any]
    ) -> McpAnswer:
        """Use a tool in the server's session, within the deadline around it; in a new one when the old is over.

        Raises AddressRefused, ConnectFailed.
        """
        return await self._ask(connect, address, lambda server: server.call(name, arguments))

    async def tools(self, connect: ConnectMcp, address: McpAddress) -> Mapping[str, McpToolInfo]:
        """The server's tools by name, within the deadline around it. Raises AddressRefused, ConnectFailed."""
        if address not in self._described:
            tools = await self._ask(connect, address, lambda server: server.tools())
            self._described[address] = {tool.name: tool for tool in tools}
        return self._described[address]

    def forgo_tools(self, address: McpAddress) -> None:
        """Do not ask this server again for its tools: that it does not say what they are has cost time enough."""
        self._described[address] = {}

    async def _ask(
        self, connect: ConnectMcp, address: McpAddress, ask: Callable[[McpServer], Awaitable[Given]]
    ) -> Given:
        known = address in self._open
        try:
            return await self._ask_once(connect, address, ask)
        except SessionOver:
            if not known:
                raise
            # It was not done, so it may be asked again.
            return await self._ask_once(connect, address, ask)

    async def _ask_once(
        self, connect: ConnectMcp, address: McpAddress, ask: Callable[[McpServer], Awaitable[Given]]
    ) -> Given:
        session = self._session(connect, address)
        try:
            return await ask(await session.server())
        except (AddressRefused, ConnectFailed):
            if self._open.get(address) is session:
                del self._open[address]
            session.leave()
            raise

    def _session(self, connect: ConnectMcp, address: McpAddress) -> "_Session":
        if address not in self._open:
            if self._tasks is None:
                raise ConnectFailed("the call is over")
            session = self._open[address] = _Session()
            deadline = anyio.current_effective_deadline()
            self._tasks.start_soon(session.hold, connect(address), deadline)
            self._tasks.start_soon(session.until_cancelled)
        return self._open[address]


class _Session:
    """One session, and the task that holds it open."""

    def __init__(self) -> None:
        self._is_settled = anyio.Event()
        self._is_over = anyio.Event()
        self._server: McpServer | None = None
        self._failure: Exception = ConnectFailed("the server did not answer in time")

    async def server(self) -> McpServer:
        """The server, once the session is open. Raises what opening it did."""
        await self._is_settled.wait()
        if self._server is None:
            raise self._failure
        return self._server

    def leave(self) -> None:
        """Close the session."""
        self._is_over.set()

    async def until_cancelled(self) -> None:
        """Notice the end of the call, from which `hold` is shielded."""
        try:
            await self._is_over.wait()
        finally:
            self._is_over.set()

    async def hold(self, connecting: AbstractAsyncContextManager[McpServer], deadline: float) -> None:
        """Open the session by the deadline, hold it until it is left or the call ends, then say goodbye."""
        try:
            with anyio.CancelScope(shield=True, deadline=deadline) as life:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._end_soon, life)
                    async with connecting as self._server:
                        life.deadline = float("inf")
                        self._is_settled.set()
                        await self._is_over.wait()
        except* (AddressRefused, ConnectFailed) as failures:
            self._failure = cast("Exception", failures.exceptions[0])
        finally:
            self._server = None
            self._is_settled.set()
            self._is_over.set()

    async def _end_soon(self, life: anyio.CancelScope) -> None:
        await self._is_over.wait()
        life.deadline = anyio.current_time() + GOODBYE_S
