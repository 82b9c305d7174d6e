"""Hostile clients: ten thousand generated requests and more, and a thousand connections that ask slowly or nothing."""

import time
from contextlib import AsyncExitStack

import anyio
import anyio.to_thread
import httpx2
from anyio.abc import SocketStream

from figures import Figure, Scale, quantile
from rig import work_folder
from support.generated_requests import generate_requests
from support.server import ServerProcess, running_server

GONE_WITHIN_S = 30
HONEST_EVERY_S = 0.05
SLOW = {
    "silent": b"",
    "half a header": b"GET /list-agents HTTP/1.1\r\nHost: x\r\nX-Slow:",
    "half a body": b"POST /create-agent HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{",
}


async def measure(scale: Scale) -> list[Figure]:
    """Errors found by generated requests; how long slow clients stay, and what honest ones feel of them."""
    with (
        work_folder() as folder,
        running_server(folder / "data", env={"RETOLD_FAILED_KEYS_PER_MINUTE": "1000000"}) as server,
    ):
        figures = await _slow_clients(server, scale.pick(400, 20))
        examples, time_s = scale.pick(150, 2, 1_000), 20 if scale.is_quick else None
        generated = await anyio.to_thread.run_sync(
            lambda: generate_requests(server, folder, examples=examples, max_time_s=time_s)
        )
    if generated.failures:
        print(generated.report)
    return [
        *figures,
        Figure("requests generated", generated.requests, "", at_least=10_000),
        Figure("server errors and answers that are not as described", generated.failures, "", at_most=0),
    ]


async def _slow_clients(server: ServerProcess, of_each: int) -> list[Figure]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    stayed_s: list[float] = []
    honest_ms: list[float] = []

    async def watch(stream: SocketStream, since_s: float) -> None:
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            stayed_s.append(time.monotonic() - since_s)

    async with AsyncExitStack() as stack, anyio.create_task_group() as watching, anyio.create_task_group() as asking:
        asking.start_soon(_ask_honestly, server, honest_ms)
        with anyio.move_on_after(GONE_WITHIN_S):
            async with anyio.create_task_group() as slow:
                for begun in SLOW.values():
                    for _ in range(of_each):
                        stream = await stack.enter_async_context(await anyio.connect_tcp(host, int(port)))
                        if begun:
                            await stream.send(begun)
                        slow.start_soon(watch, stream, time.monotonic())
        asking.cancel_scope.cancel()
        watching.cancel_scope.cancel()
    return [
        Figure(
            "slow and silent connections: still there after 30 s", len(SLOW) * of_each - len(stayed_s), "", at_most=0
        ),
        Figure("slow and silent connections: the longest stayed", max(stayed_s, default=-1), "s", at_most=15),
        Figure("honest requests meanwhile: p99", quantile(honest_ms, 0.99), "ms", at_most=200),
    ]


async def _ask_honestly(server: ServerProcess, took_ms: list[float]) -> None:
    async with httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=30) as http:
        while True:
            started_s = time.monotonic()
            answer = await http.get("/list-agents")
            assert answer.status_code == 200, answer.text
            took_ms.append((time.monotonic() - started_s) * 1000)
            await anyio.sleep(HONEST_EVERY_S)
