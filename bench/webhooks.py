"""Webhooks: 10,000 events to a receiver that flaps, and fifty receivers of which one never answers.

Calls are made by create-phone-call, which ends each at once, as there is no telephony: the server does for them what it
does at the end of any call. The waits of the long schedule are cut short by replaying what is pending.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx2
import orjson

import process
from figures import Figure, Scale, quantile
from plain_http import Answer, PlainConnection, asked_by
from rig import on_core, work_folder
from support.server import ServerProcess, running_server
from support.webhook_receiver import Received, WebhookReceiver, webhook_receiver

TIMEOUT_MS = 1_000
NEVER = ("hang", "trickle")
"""Behaviours that end only when the server gives up."""
FLAPPING = 20
"""Addresses of the receiver that flaps: four attempts at once go to each."""
FLAPPING_EVERY_S = 0.02
"""Between the ends of calls told to it: fifty a second, two or three thousand calls at a time."""
HEALTHY = 49
CALL_EVERY_S = 0.05
"""Between the ends of calls, all receivers together: twenty a second are some thousand calls at a time."""
CONNECTIONS = 8
QUIET_S = 3.0
"""Without a delivery for so long, nothing is under way: what is pending waits for its next attempt."""
PATIENCE_S = 1_500
NUMBER = "+14155550100"
ENVIRONMENT = {"RETOLD_RATE_LIMIT_PER_S": "1000000", "RETOLD_CONCURRENCY_LIMIT": "100000", "RETOLD_LOG_LEVEL": "error"}


@dataclass(frozen=True, slots=True)
class Post:
    """A server that tells of calls, and who is told."""

    server: ServerProcess
    receiver: WebhookReceiver
    http: httpx2.AsyncClient

    async def agent(self, path: str, timeout_ms: int = 10_000) -> str:
        """An agent whose calls are told of at this path of the receiver, their ends alone."""
        body = {
            "response_engine": {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com"},
            "voice_id": "default",
            "webhook_url": self.receiver.url(path),
            "webhook_events": ["call_ended"],
            "webhook_timeout_ms": timeout_ms,
        }
        return str((await self.http.post("/create-agent", json=body)).raise_for_status().json()["agent_id"])

    async def call(self, agent_ids: Sequence[str], calls: int, *, every_s: float = 0.0) -> set[str]:
        """So many calls, by turns with these agents, one every so often or as fast as it goes; gives their ids."""
        made: set[str] = set()
        began_s = anyio.current_time()

        async def ask(connection: PlainConnection, number: int) -> Answer:
            await anyio.sleep_until(began_s + number * every_s)
            agent_id = agent_ids[number % len(agent_ids)]
            body = {"from_number": NUMBER, "to_number": "+14155550101", "override_agent_id": agent_id}
            answer = await connection.post("/v2/create-phone-call", body)
            made.add(str(orjson.loads(answer.body)["call_id"]))
            return answer

        await asked_by(self.server, CONNECTIONS, calls, ask)
        return made


async def measure(scale: Scale) -> list[Figure]:
    """What is lost, how exact timeouts are, how long others wait for one that is dead, and what memory it takes."""
    return [*await _flapping(scale.pick(10_000, 60)), *await _one_dead(scale.pick(40, 2), scale.pick(500, 10))]


async def _flapping(events: int) -> list[Figure]:
    came: set[str] = set()
    async with _post() as post:
        post.receiver.watch = lambda received: came.add(received.call_id)
        agents = [await post.agent(f"/flap/{number}", TIMEOUT_MS) for number in range(FLAPPING)]
        await post.call(agents, FLAPPING)
        await _until_taken(post, FLAPPING)
        before_mb = process.resident_mb(post.server.process.pid)
        began_ms = post.receiver.clock.monotonic_ms()
        made = await post.call(agents, events, every_s=FLAPPING_EVERY_S)
        await _until_taken(post, FLAPPING + events)
        took_s = (post.receiver.clock.monotonic_ms() - began_ms) / 1000
        grown_mb = process.resident_mb(post.server.process.pid) - before_mb
    receiver = post.receiver
    off_ms = [abs(lasted_ms - TIMEOUT_MS) for name in NEVER for lasted_ms in receiver.lasted_ms.get(name, [])]
    waited = [event_id for event_id in receiver.counts if event_id not in receiver.taken]
    return [
        Figure(f"{events} events, receiver flaps: lost", len(made - came) + len(waited), "events", at_most=0),
        Figure(
            "most deliveries of one event at once",
            max(receiver.most_at_once[one] for one in receiver.counts),
            "",
            at_most=1,
        ),
        Figure("deliveries for each event", sum(receiver.counts.values()) / len(receiver.counts), ""),
        Figure("timeouts measured", len(off_ms), ""),
        Figure("timeouts off by, p99", quantile(off_ms, 0.99), "ms", at_most=250),
        Figure("timeouts off by, at most", max(off_ms, default=-1), "ms", at_most=250),
        Figure("until all had arrived", took_s, "s"),
        Figure("memory of the server grown by", grown_mb, "MB", at_most=20),
    ]


async def _one_dead(calls_each: int, dead_calls: int) -> list[Figure]:
    delays_ms: list[float] = []
    async with _post() as post:

        def watch(received: Received) -> None:
            if received.path.startswith("/ok"):
                delays_ms.append(received.wall_ms - int(received.content["event_timestamp"]))

        dead = await post.agent("/hang")
        healthy = [await post.agent(f"/ok/{number}") for number in range(HEALTHY)]
        await post.call(healthy, HEALTHY)
        await _until_taken(post, HEALTHY)
        await post.call([dead], dead_calls)
        await _until_waiting(post, dead_calls)
        post.receiver.watch = watch
        agents = [*healthy, dead]
        await post.call(agents, calls_each * len(agents), every_s=CALL_EVERY_S)
        await _until_taken(post, HEALTHY * (calls_each + 1))
    return [
        Figure(f"1 of {HEALTHY + 1} receivers dead: events to the others", len(delays_ms), "events"),
        Figure("from the end of their calls to delivery: p50", quantile(delays_ms, 0.5), "ms"),
        Figure("from the end of their calls to delivery: p99", quantile(delays_ms, 0.99), "ms", at_most=1_000),
    ]


async def _until_waiting(post: Post, events: int) -> None:
    """Wait until so many events wait for receivers in trouble: the calls that were made at once are then all over."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            endpoints = (await post.http.get("/list-webhook-endpoints")).raise_for_status().json()
            if sum(endpoint["waiting_count"] for endpoint in endpoints) >= events:
                return
            await anyio.sleep(0.1)


async def _until_taken(post: Post, events: int) -> None:
    """Wait until so many events have arrived; what waits for a later attempt is sent whenever nothing is under way."""
    receiver = post.receiver
    with anyio.move_on_after(PATIENCE_S):
        while len(receiver.taken) < events:
            seen = sum(receiver.counts.values())
            try:
                await receiver.until(lambda seen=seen: sum(receiver.counts.values()) > seen, QUIET_S)
            except TimeoutError:
                (await post.http.post("/replay-webhook-events", json={"state": "pending"})).raise_for_status()


@asynccontextmanager
async def _post() -> AsyncGenerator[Post]:
    with (
        work_folder() as folder,
        on_core(-1),
        running_server(folder / "data", env=ENVIRONMENT) as server,
        on_core(0),
    ):
        async with (
            webhook_receiver(is_kept=False) as receiver,
            httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as http,
        ):
            number = {"phone_number": NUMBER, "termination_uri": "trunk.example.com"}
            (await http.post("/import-phone-number", json=number)).raise_for_status()
            yield Post(server, receiver, http)
