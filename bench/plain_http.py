"""An HTTP/1.1 client that costs next to nothing, so that one core of callers can keep one core of server busy."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio
import orjson

from support.server import ServerProcess


class Answer(NamedTuple):
    """One answer, whole."""

    status: int
    body: bytes
    took_ms: float


class PlainConnection:
    """One connection that is kept alive; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api_key: str) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = f"Host: retold\r\nAuthorization: Bearer {api_key}\r\nAccept: application/json\r\n"

    async def get(self, path: str) -> Answer:
        """Ask without a body."""
        return await self._ask(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    async def post(self, path: str, body: object) -> Answer:
        """Ask with a JSON body."""
        sent = orjson.dumps(body)
        head = f"POST {path} HTTP/1.1\r\n{self._headers}Content-Type: application/json\r\n"
        return await self._ask(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)

    async def _ask(self, request: bytes) -> Answer:
        started_s = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"\r\ncontent-length: ")
        body = await self._reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
        return Answer(int(head[9:12]), body, (time.perf_counter() - started_s) * 1000)


@asynccontextmanager
async def plain_connection(server: ServerProcess) -> AsyncGenerator[PlainConnection]:
    """A connection to this server, with its API key."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    try:
        yield PlainConnection(reader, writer, server.api_key)
    finally:
        writer.close()


class Load(NamedTuple):
    """What came of many requests."""

    times_ms: list[float]
    per_s: float


async def asked_by(
    server: ServerProcess, connections: int, requests: int, ask: Callable[[PlainConnection, int], Awaitable[Answer]]
) -> Load:
    """So many requests over so many connections, each as soon as the one before is answered; all must succeed."""
    times_ms: list[float] = []
    left = iter(range(requests))

    async def go_on() -> None:
        async with plain_connection(server) as connection:
            for number in left:
                answer = await ask(connection, number)
                assert answer.status < 300, answer.body[:500]
                times_ms.append(answer.took_ms)

    started_s = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(connections):
            tasks.start_soon(go_on)
    return Load(times_ms, requests / (time.perf_counter() - started_s))
