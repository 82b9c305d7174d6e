"""How fast the agent stops when the caller speaks over it, at default settings, as the caller's socket sees it."""

from figures import Figure, Scale, quantile
from interruptions import INTERRUPTING, interrupt
from rig import rig

TARGET_MS = 300


async def measure(scale: Scale) -> list[Figure]:
    """From the caller's first sample to the last frame of agent audio, or the `clear` that empties the buffer."""
    async with rig(INTERRUPTING) as ready:
        cuts = await interrupt(ready, scale.pick(10, 2), scale.pick(5, 2), seed=2)
    stopped_ms = [cut.stopped_ms for cut in cuts]
    name = f"caller's onset to the agent's last sign, {len(cuts)} times"
    return [
        Figure(f"{name}: p50", quantile(stopped_ms, 0.5), "ms"),
        Figure(f"{name}: p95", quantile(stopped_ms, 0.95), "ms", at_most=TARGET_MS),
        Figure(f"{name}: max", max(stopped_ms), "ms"),
    ]
