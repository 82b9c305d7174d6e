"""Whether the transcript of an interrupted agent holds the words that the caller heard, and no others."""

from figures import Figure, Scale
from interruptions import INTERRUPTING, interrupt
from rig import rig

TARGET_PERCENT = 99


async def measure(scale: Scale) -> list[Figure]:
    """100 interruptions at random moments: the transcript against the tones in the caller's playback buffer."""
    async with rig(INTERRUPTING) as ready:
        cuts = await interrupt(ready, scale.pick(20, 2), scale.pick(5, 2), seed=3)
    off = [cut.words_off for cut in cuts]
    name = f"words after a cut, {len(cuts)} cuts"
    return [
        Figure(f"{name}: right to one word", _percent(off, 1), "%", at_least=TARGET_PERCENT),
        Figure(f"{name}: right to the word", _percent(off, 0), "%"),
        Figure(f"{name}: words off at most", max(off), "words"),
        Figure(f"{name}: words heard", sum(cut.heard_words for cut in cuts), "words"),
    ]


def _percent(off: list[int], allowed: int) -> float:
    return 100 * sum(words <= allowed for words in off) / len(off)
