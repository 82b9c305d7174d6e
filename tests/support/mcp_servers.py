"""MCP servers that do what the test says, without a protocol."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from retold.domain.mcp import McpAddress, McpAnswer, McpToolInfo

Answer = Callable[[str, Mapping[str, Any]], Awaitable[McpAnswer]]


async def echo(name: str, arguments: Mapping[str, Any]) -> McpAnswer:
    return McpAnswer(f"{name} {dict(arguments)}", document={"echo": dict(arguments)})


@dataclass
class Servers:
    """Every MCP server there is; it notes what was opened, asked and closed."""

    answer: Answer = echo
    opening_s: float = 0
    closing_s: float = 0
    refusal: Exception | None = None
    opened: list[McpAddress] = field(default_factory=list[McpAddress])
    closed: int = 0
    known: list[McpToolInfo] = field(default_factory=list[McpToolInfo])
    described: int = 0

    @asynccontextmanager
    async def connect(self, address: McpAddress) -> AsyncGenerator["Servers"]:
        await anyio.sleep(self.opening_s)
        if self.refusal is not None:
            raise self.refusal
        self.opened.append(address)
        yield self
        await anyio.sleep(self.closing_s)
        self.closed += 1

    async def tools(self) -> list[McpToolInfo]:
        self.described += 1
        await anyio.sleep(self.opening_s)
        return self.known

    async def call(self, name: str, arguments: Mapping[str, Any]) -> McpAnswer:
        return await self.answer(name, arguments)
