"""What we add to a turn: the gap between caller and agent beyond the rules of turn taking and the scripted delays."""

from conversation import converse
from figures import Figure, Scale, quantile
from rig import IDEAL_GAP_MS, rig


async def measure(scale: Scale) -> list[Figure]:
    """At 1 and at 50 calls: from the calls' own latency values, and as the callers heard it."""
    figures: list[Figure] = []
    # One call takes many short turns; fifty take turns as people do, about one in five seconds.
    for calls, turns, speech_ms, reply_words, target_ms in (
        (1, scale.pick(40, 3), 400, 1, 10),
        (scale.pick(50, 4), scale.pick(8, 1), 2_000, 8, 20),
    ):
        async with rig() as ready:
            talks = await converse(ready, calls, turns, speech_ms=speech_ms, reply_words=reply_words)
            records = [await ready.record(talk.call_id) for talk in talks]
        told = [value - IDEAL_GAP_MS for record in records for value in record["latency"]["e2e"]["values"]]
        heard = [gap_ms - IDEAL_GAP_MS for talk in talks for gap_ms in talk.gaps_ms]
        assert len(told) == len(heard) == calls * turns, (len(told), len(heard), calls * turns)
        name = f"latency added per turn, {calls} call{'s' if calls > 1 else ''}"
        figures += [
            Figure(f"{name}: p50", quantile(told, 0.5), "ms"),
            Figure(f"{name}: p95", quantile(told, 0.95), "ms", at_most=target_ms),
            Figure(f"{name}: p50, at the caller", quantile(heard, 0.5), "ms"),
            Figure(f"{name}: p95, at the caller", quantile(heard, 0.95), "ms"),
        ]
    return figures
