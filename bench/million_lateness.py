"""How late the audio of calls in progress becomes while others ask the API as fast as it answers."""

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

import million_queries
from caller import Sound
from figures import Figure, Scale, quantile
from million_calls import call_id
from million_data import Place
from plain_http import Answer, PlainConnection, plain_connection
from rig import Rig, rig

CALLS = 10
WORD_MS = 240


async def lateness_ms(place: Place, calls: int, scale: Scale) -> list[Figure]:
    """The p99 of the agents' audio against its own beat, without load and with it."""
    seconds = scale.pick(15, 2)
    async with rig({**place.settings, "RETOLD_RATE_LIMIT_PER_S": "1000000"}, data_dir=place.data_dir) as ready:
        quiet = await _spoken(ready, seconds)
        async with _asking(ready, calls):
            loaded = await _spoken(ready, seconds)
    quiet_ms, loaded_ms = quantile(quiet, 0.99), quantile(loaded, 0.99)
    return [
        Figure(f"audio of {CALLS} calls late, p99, nobody asks", quiet_ms, "ms"),
        Figure(f"audio of {CALLS} calls late, p99, while others ask", loaded_ms, "ms"),
        Figure(f"added lateness of {CALLS} calls' audio: p99", max(loaded_ms - quiet_ms, 0), "ms", at_most=10),
    ]


async def _spoken(ready: Rig, seconds: int) -> list[float]:
    """Agents that speak without a pause: how late each chunk comes after the earliest beat of its call."""
    agent_id = await ready.agent(begin_words=(seconds + 4) * 1000 // WORD_MS)
    late_ms: list[float] = []

    async def call() -> None:
        sound = Sound()
        beat_s: list[float] = []
        played_s = 0.0

        def take(at_s: float, chunk: bytes) -> None:
            nonlocal played_s
            beat_s.append(at_s - played_s)
            played_s += len(chunk) / 2 / sound.rate_hz

        async with ready.join(await ready.register(agent_id, sound), sound) as caller:
            caller.on_audio = take
            await anyio.sleep(seconds)
            caller.on_audio = lambda _at_s, _chunk: None
        late_ms.extend((one - min(beat_s)) * 1000 for one in beat_s[len(beat_s) // 10 :])

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(call)
            await anyio.sleep(1 / CALLS)
    return late_ms


@asynccontextmanager
async def _asking(ready: Rig, calls: int) -> AsyncGenerator[None]:
    """One client gets calls, one lists them, one makes them; each asks again as soon as it is answered."""
    rng = random.Random(1)
    agent_id = await ready.agent()
    queries = [
        *million_queries.single(calls, rng).values(),
        *million_queries.mixed(calls, rng).values(),
        *million_queries.by_key(calls, rng).values(),
    ]

    async def get(connection: PlainConnection) -> Answer:
        return await connection.get(f"/v2/get-call/{call_id(rng.randrange(1, calls + 1))}")

    async def show(connection: PlainConnection) -> Answer:
        return await connection.post("/v3/list-calls", {"filter_criteria": rng.choice(queries)})

    async def create(connection: PlainConnection) -> Answer:
        return await connection.post("/v2/create-web-call", {"agent_id": agent_id})

    async with anyio.create_task_group() as tasks:
        for ask in (get, show, create):
            tasks.start_soon(_go_on, ready, ask)
        yield
        tasks.cancel_scope.cancel()


async def _go_on(ready: Rig, ask: Callable[[PlainConnection], Awaitable[Answer]]) -> None:
    async with plain_connection(ready.server) as connection:
        while True:
            answer = await ask(connection)
            assert answer.status < 300, answer.body[:300]
