"""How many calls went how: counted, measured, and told by agent version and by time."""

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from retold.domain.call_figures import Figures
from retold.domain.call_query import Scalar
from retold.domain.latency import percentile
from retold.domain.statistics_request import Interval, StatisticsRequest

COUNTED: Final = (
    "call_status",
    "call_type",
    "direction",
    "disconnection_reason",
    "user_sentiment",
    "call_successful",
    "in_voicemail",
)
MEASURED: Final = ("duration_ms", "e2e_latency_p50", "combined_cost")
NEEDED: Final = frozenset(("agent_id", "agent_version", *COUNTED, *MEASURED))
"""The columns that are told of."""
MAX_INTERVALS: Final = 1_000
MAX_AGENT_VERSIONS: Final = 200
"""Those with the most calls are told of."""
_SHARES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
_MONTHS: Final = 12


class TooManyIntervals(ValueError):
    """The calls lie over more intervals than are told of."""


def statistics(figures: Figures, request: StatisticsRequest) -> dict[str, Any]:
    """What is told of these calls, JSON-ready: of all together, of agent versions, and of intervals if wanted.

    Each part has `total_calls`, how many calls have each value of COUNTED (without those that have none), and
    percentiles (nearest rank), extremes, number and sum of MEASURED. Raises TooManyIntervals.
    """
    [whole] = _told(figures, np.zeros(len(figures), np.int64), 1)
    parts: dict[str, Any] = {**whole, "agent_versions": _agent_versions(figures)}
    if request.interval is not None:
        parts["intervals"] = _intervals(figures, request.interval, request.zone)
    return parts


def _agent_versions(figures: Figures) -> list[dict[str, Any]]:
    if not len(figures):
        return []
    versions = figures.numbers["agent_version"].astype(np.int64)
    span = int(versions.max(initial=0)) + 1
    kinds, groups, sizes = np.unique(
        figures.codes["agent_id"].astype(np.int64) * span + versions, return_inverse=True, return_counts=True
    )
    agents = figures.values["agent_id"]
    named = [(agents[int(kind) // span - 1], int(kind) % span) for kind in kinds]
    told = _told(figures, groups, len(kinds))
    frequent = np.argsort(-sizes, kind="stable")[:MAX_AGENT_VERSIONS]
    return [{"agent_id": named[one][0], "agent_version": named[one][1], **told[one]} for one in frequent]


def _intervals(figures: Figures, interval: Interval, zone: tzinfo) -> list[dict[str, Any]]:
    if not len(figures):
        return []
    edges = list(_edges(int(figures.sort_ms.min()), int(figures.sort_ms.max()), interval, zone))
    groups = np.searchsorted(np.array(edges), figures.sort_ms, side="right") - 1
    told = _told(figures, groups, len(edges) - 1)
    between = zip(edges[:-1], edges[1:], told, strict=True)
    return [{"start_timestamp": first, "end_timestamp": end, **one} for first, end, one in between]


def _edges(first_ms: int, last_ms: int, interval: Interval, zone: tzinfo) -> Iterator[int]:
    """Where intervals begin, from that of the first call on, and where the last one ends."""
    start = datetime.fromtimestamp(first_ms / 1000, zone).replace(minute=0, second=0, microsecond=0)
    if interval != "hour":
        start = start.replace(hour=0)
    if interval == "week":
        start -= timedelta(days=start.weekday())
    if interval == "month":
        start = start.replace(day=1)
    for _ in range(MAX_INTERVALS + 1):
        edge_ms = int(start.timestamp() * 1000)
        yield edge_ms
        if edge_ms > last_ms:
            return
        start = _next(start, interval)
    raise TooManyIntervals(
        f"the calls lie over more than {MAX_INTERVALS} intervals; choose a longer interval, or fewer calls by"
        " start_timestamp"
    )


def _next(start: datetime, interval: Interval) -> datetime:
    if interval == "hour":
        # An hour of the clock on the wall may come twice a year: that of the world does not.
        return datetime.fromtimestamp(start.timestamp() + 3600, start.tzinfo)
    if interval == "month":
        return start.replace(year=start.year + start.month // _MONTHS, month=start.month % _MONTHS + 1)
    return start + timedelta(days=1 if interval == "day" else 7)


def _told(figures: Figures, groups: NDArray[np.integer], count: int) -> list[dict[str, Any]]:
    """What is told of each group; `groups` says of each call which it is in."""
    totals = np.bincount(groups, minlength=count)
    told: list[dict[str, Any]] = [{"total_calls": int(total)} for total in totals]
    for name in COUNTED:
        values = figures.values[name]
        width = len(values) + 1
        cells = np.bincount(groups * np.int64(width) + figures.codes[name], minlength=count * width)
        for one, row in zip(told, cells.reshape(count, width), strict=True):
            found = zip(values, row[1:].tolist(), strict=True)
            one[name] = {_shown(value): number for value, number in found if number}
    # Narrow numbers are sorted in a fraction of the time.
    order = np.argsort(groups.astype(np.min_scalar_type(count)), kind="stable")
    ends = np.cumsum(totals)[:-1]
    for name in MEASURED:
        for one, part in zip(told, np.split(figures.numbers[name][order], ends), strict=True):
            one[name] = _measured(np.sort(part[~np.isnan(part)]))
    return told


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measured(ordered: NDArray[np.float64]) -> dict[str, float]:
    if not len(ordered):
        return {"num": 0}
    percentiles = {name: float(percentile(ordered, share)) for name, share in _SHARES.items()}  # pyright: ignore[reportArgumentType] - an array is a sequence
    extremes = {"max": float(ordered[-1]), "min": float(ordered[0])}
    return {**percentiles, **extremes, "num": len(ordered), "sum": round(float(ordered.sum()), 6)}
