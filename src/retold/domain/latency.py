"""Latency statistics as the call object shows them.

Stats shape of `latency.*` (SDK 6.2.13): `p50 p90 p95 p99 max min num values`. Percentiles are nearest-rank.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class LatencyStats(BaseModel):
    """Percentiles of one kind of latency over a call; all in milliseconds, `num` is the number of points."""

    model_config = ConfigDict(frozen=True)

    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    min: float
    num: int
    values: tuple[float, ...]


class CallLatency(BaseModel):
    """The call object's `latency`; a kind without points is absent."""

    model_config = ConfigDict(frozen=True)

    e2e: LatencyStats | None = None
    asr: LatencyStats | None = None
    llm: LatencyStats | None = None
    llm_websocket_network_rtt: LatencyStats | None = None
    tts: LatencyStats | None = None
    knowledge_base: LatencyStats | None = None
    s2s: LatencyStats | None = None


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of ascending, non-empty `ordered`; `share` is 0 to 1."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def stats(values_ms: Sequence[float]) -> LatencyStats | None:
    """Statistics of the points in the order they happened; None when there are none."""
    if not values_ms:
        return None
    rounded = tuple(round(value, 1) for value in values_ms)
    ordered = sorted(rounded)
    return LatencyStats(
        p50=percentile(ordered, 0.50),
        p90=percentile(ordered, 0.90),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
        max=ordered[-1],
        min=ordered[0],
        num=len(rounded),
        values=rounded,
    )
