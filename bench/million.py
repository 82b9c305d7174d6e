"""The API on a million ended calls: get, list by every filter, create; and what calls in progress feel of it.

On SQLite and on PostgreSQL, each also on ten thousand calls, to see what grows. To make the calls takes half an hour
the first time; they are kept under .cache/bench (million_data.py). The files of both sizes are read once before
anything is measured: they are in memory as those of a server that has run for a while, where there is room for them.
"""

import random
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple

import orjson

import million_queries
from figures import Figure, Scale, quantile
from million_calls import call_id
from million_data import Place, place_with, read_once
from million_lateness import lateness_ms
from million_queries import Criteria
from plain_http import Answer, PlainConnection, asked_by, plain_connection
from rig import on_core
from support.server import ServerProcess, running_server

PAGE = 50
FAR_PAGE = 1_000
_SETTINGS = {
    "RETOLD_RATE_LIMIT_PER_S": "1000000",
    "RETOLD_CONCURRENCY_LIMIT": "100",
    # None of the calls that are made for the figures ends meanwhile.
    "RETOLD_JOIN_TIMEOUT_MS": "3600000",
}
_AGENT = {"response_engine": {"type": "custom-llm", "llm_websocket_url": "ws://127.0.0.1:9/"}, "voice_id": "default"}


class Times(NamedTuple):
    """What one size of database takes, in milliseconds."""

    get_p50: float
    lists: dict[str, float]
    """The median of each query, by its name."""


async def measure(scale: Scale) -> list[Figure]:
    """A million calls, or `--calls`, and ten thousand; `--quick` five thousand and one."""
    many, few = scale.pick(scale.calls, 5_000), scale.pick(10_000, 1_000)
    figures: list[Figure] = []
    for name in scale.databases:
        is_postgres = name == "PostgreSQL"
        with place_with(few, is_postgres=is_postgres) as place:
            read_once(place)
            small = await _measured(place, few, scale, [])
        found: list[Figure] = []
        with place_with(many, is_postgres=is_postgres) as place:
            read_once(place)
            large = await _measured(place, many, scale, found)
            found += await lateness_ms(place, many, scale)
        found += _growth(small, large)
        figures += [Figure(f"{name}: {one.what}", one.value, one.unit, one.at_most, one.at_least) for one in found]
    return figures


async def _measured(place: Place, calls: int, scale: Scale, figures: list[Figure]) -> Times:
    with (
        on_core(-1),
        running_server(place.data_dir, env={**_SETTINGS, **place.settings}) as server,
        on_core(0),
    ):
        got_ms = await _gets(server, calls, scale, figures)
        lists = await _lists(server, calls, scale, figures)
        await _statistics(server, calls, scale, figures)
        await _creations(server, scale, figures)
    return Times(median(got_ms), lists)


async def _gets(server: ServerProcess, calls: int, scale: Scale, figures: list[Figure]) -> list[float]:
    rng = random.Random(calls)

    async def get(connection: PlainConnection, _: int) -> Answer:
        return await connection.get(f"/v2/get-call/{call_id(rng.randrange(1, calls + 1))}")

    await asked_by(server, 2, scale.pick(500, 50), get)
    alone = await asked_by(server, 1, scale.pick(5_000, 200), get)
    crowd = await asked_by(server, 8, scale.pick(15_000, 400), get)
    figures += [
        Figure("get-call, one connection: p50", quantile(alone.times_ms, 0.5), "ms", at_most=2),
        Figure("get-call, one connection: p99", quantile(alone.times_ms, 0.99), "ms", at_most=8),
        Figure("get-call, eight connections: p99", quantile(crowd.times_ms, 0.99), "ms"),
        Figure("get-call, eight connections: requests a second", crowd.per_s, "/s", at_least=1_500),
    ]
    return alone.times_ms


async def _lists(server: ServerProcess, calls: int, scale: Scale, figures: list[Figure]) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    repeats = scale.pick(20, 3)
    async with plain_connection(server) as connection:
        for _ in range(repeats):
            await _page(connection, {}, times, "no filter")
        far = await _far_key(connection, {}, calls // PAGE)
        for _ in range(repeats):
            await _page(connection, {}, times, "no filter, far page", far)
        groups = {
            "single filter": (million_queries.single, 60),
            "mixed filters": (million_queries.mixed, 60),
            "keyed filter": (million_queries.by_key, 150),
        }
        figures += [
            Figure("list-calls, 50 of all, first page: p95", quantile(times["no filter"], 0.95), "ms", at_most=60),
            Figure(
                f"list-calls, 50 of all, page {FAR_PAGE}: p95",
                quantile(times["no filter, far page"], 0.95),
                "ms",
                at_most=60,
            ),
        ]
        for name, (queries, at_most_ms) in groups.items():
            of_group = await _group(connection, calls, repeats, queries)
            figures += _worst(name, of_group, at_most_ms)
            times |= of_group
    return {name: median(several) for name, several in times.items()}


async def _group(
    connection: PlainConnection,
    calls: int,
    repeats: int,
    queries: Callable[[int, random.Random], Mapping[str, Criteria]],
) -> dict[str, list[float]]:
    """Each query's first page, asked with other values each time, and its thousandth if there is one."""
    times: dict[str, list[float]] = {}
    for repeat in range(repeats):
        for name, criteria in queries(calls, random.Random(repeat)).items():
            await _page(connection, criteria, times, name)
    for name, criteria in queries(calls, random.Random(0)).items():
        far = await _far_key(connection, criteria, FAR_PAGE)
        if far is not None:
            for _ in range(max(3, repeats // 4)):
                await _page(connection, criteria, times, f"{name}; page {FAR_PAGE}", far)
    return times


def _worst(name: str, times: Mapping[str, list[float]], at_most_ms: float) -> list[Figure]:
    p95s = sorted(((quantile(several, 0.95), query) for query, several in times.items()), reverse=True)
    for p95_ms, query in p95s[:12]:
        print(f"    {name}: {query:55} {p95_ms:8.1f} ms", flush=True)
    over = sum(p95_ms > at_most_ms for p95_ms, _ in p95s)
    return [
        Figure(f"list-calls, worst {name}: p95 ({p95s[0][1]})", p95s[0][0], "ms", at_most=at_most_ms),
        Figure(f"list-calls, {name}: queries of {len(p95s)} above {at_most_ms} ms", over, "", at_most=0),
    ]


async def _page(
    connection: PlainConnection, criteria: Criteria, times: dict[str, list[float]], name: str, key: str | None = None
) -> None:
    body = {"filter_criteria": criteria, "limit": PAGE, **({"pagination_key": key} if key else {})}
    answer = await connection.post("/v3/list-calls", body)
    assert answer.status == 200, answer.body[:300]
    times.setdefault(name, []).append(answer.took_ms)


async def _far_key(connection: PlainConnection, criteria: Criteria, page: int) -> str | None:
    """The cursor in front of a page; None when there are not so many."""
    skip = (min(page, FAR_PAGE) - 1) * PAGE - 1
    answer = await connection.post("/v3/list-calls", {"filter_criteria": criteria, "limit": 1, "skip": skip})
    assert answer.status == 200, answer.body[:300]
    key: str | None = orjson.loads(answer.body).get("pagination_key")
    return key


async def _statistics(server: ServerProcess, calls: int, scale: Scale, figures: list[Figure]) -> None:
    rng = random.Random(0)
    known = million_queries.mixed(calls, rng) | million_queries.by_key(calls, rng)
    asked: dict[str, dict[str, Any]] = {
        "all calls, by week": {"interval": "week"},
        **{name: {"filter_criteria": known[name]} for name in ("agent and month", "metadata eq, a twentieth")},
    }
    async with plain_connection(server) as connection:
        for name, body in asked.items():
            answers = [await connection.post("/get-call-statistics", body) for _ in range(scale.pick(10, 2))]
            assert all(one.status == 200 for one in answers), answers[0].body[:300]
            p95_ms = quantile([one.took_ms for one in answers], 0.95)
            figures.append(Figure(f"statistics, {name}: p95", p95_ms, "ms", at_most=1_000))


async def _creations(server: ServerProcess, scale: Scale, figures: list[Figure]) -> None:
    async with plain_connection(server) as connection:
        made: Any = orjson.loads((await connection.post("/create-agent", _AGENT)).body)

    async def create(connection: PlainConnection, number: int) -> Answer:
        metadata = {"customer_id": f"cus_{number:08}", "tier": "gold", "order_value": number}
        return await connection.post("/v2/create-web-call", {"agent_id": made["agent_id"], "metadata": metadata})

    await asked_by(server, 4, 20, create)
    load = await asked_by(server, 4, scale.pick(3_000, 100), create)
    figures += [
        Figure("create-web-call, four at a time: p99", quantile(load.times_ms, 0.99), "ms", at_most=15),
        Figure("create-web-call, four at a time: calls a second", load.per_s, "/s", at_least=300),
    ]


def _growth(small: Times, large: Times) -> list[Figure]:
    both = sorted(small.lists.keys() & large.lists.keys())
    ratios = sorted(((large.lists[name] / small.lists[name], name) for name in both), reverse=True)
    for ratio, name in ratios[:8]:
        print(f"    growth of {name:55} {ratio:6.2f}", flush=True)
    total = sum(large.lists[name] for name in both) / sum(small.lists[name] for name in both)
    return [
        Figure("growth of get-call's median", large.get_p50 / small.get_p50, "times", at_most=1.5),
        Figure("growth of a first page's median", large.lists["no filter"] / small.lists["no filter"], "times", 1.5),
        Figure("growth of the median list, all queries", median(ratio for ratio, _ in ratios), "times", 1.5),
        Figure("growth of all lists together", total, "times", 1.5),
    ]
