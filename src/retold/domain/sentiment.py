"""How a caller felt, by the words of the VADER lexicon (Hutto and Gilbert, ICWSM 2014): English only."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from retold.domain.analysis import Sentiment

Score = Callable[[str], float]
"""How an utterance sounds: from -1, bad, to 1, good."""

_PLAIN: Final = (
    "yes yeah yep no nope ok okay sure please like want hello hi help cancel cancelled care fine well alright"
    " interested number problem problems pain emergency lost pay paid free dear sir"
)
"""Words that are how people talk on the phone, or what they call about, and say nothing of how they feel."""
_POLITE: Final = re.compile(r"\bno,? (problems?|worries|thanks|thank you)\b", re.IGNORECASE)
"""A "no" that takes nothing back."""
_STRONG: Final = 0.3
"""Utterances below this count for nothing."""
_DECIDED: Final = 0.5
"""What the strong ones must come to together."""


def lexicon() -> Score:
    """The scores of the lexicon. Takes 20 ms and 5 MB, so it is loaded by whoever needs it, when they do."""
    from vader import SentimentIntensityAnalyzer  # noqa: PLC0415 - a server that never analyses calls does without

    analyzer = SentimentIntensityAnalyzer(extra_lexicon=dict.fromkeys(_PLAIN.split(), 0.0), emoji={})
    return lambda text: analyzer.polarity_scores(_POLITE.sub("", text))["compound"]


def sentiment_of(utterances: Sequence[str], language: str, score: Score) -> Sentiment:
    """How the caller of these utterances felt; Unknown for other languages and for who said nothing."""
    if not utterances or not language.startswith("en"):
        return "Unknown"
    scores = [score(text) for text in utterances]
    total = sum(one for one in scores if abs(one) >= _STRONG)
    if abs(total) < _DECIDED:
        return "Neutral"
    return "Positive" if total > 0 else "Negative"
