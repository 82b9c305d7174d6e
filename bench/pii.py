"""How much personal data is found in the suite of tests/data/pii-cases.txt, what else is taken for it, and the time."""

import time

from figures import Figure, Scale
from retold.domain.pii.categories import CATEGORIES
from retold.domain.pii.find import find_in_turns
from retold.domain.pii.transcript import scrub_call
from retold.domain.transcript import TranscriptItem, Utterance, Word
from support.pii_cases import BY_PATTERN, Case, Score, cases, scored

WORD_MS = 400.0
HOUR_MS = 3_600_000.0


async def measure(scale: Scale) -> list[Figure]:
    """Recall by category and precision, held-out cases apart; then the search of an hour of talk."""
    suite = cases()
    chosen = [case for case in suite if case.is_held_out]
    figures = _figures(scored(suite, find_in_turns), "all cases")
    figures += _figures(scored(chosen, find_in_turns), "held out")
    hour = _talk(suite, scale.pick(1, 0) * HOUR_MS + scale.pick(0, 1) * HOUR_MS / 60)
    started_s = time.thread_time()
    scrub_call(hour, CATEGORIES)
    took_s = time.thread_time() - started_s
    minutes = sum(len(item.words) for item in hour if isinstance(item, Utterance)) * WORD_MS / 60_000
    return [*figures, Figure(f"search of {minutes:.0f} minutes of talk", took_s, "s", at_most=5)]


def _figures(score: Score, name: str) -> list[Figure]:
    share_clean = 100 * score.clean_untouched / score.clean
    return [
        *(Figure(f"{name}: found of {category}", score.recall([category]), "%") for category in CATEGORIES),
        Figure(f"{name}: found by pattern", score.recall(BY_PATTERN), "%", at_least=95),
        Figure(f"{name}: found of names and addresses", score.recall(("person_name", "address")), "%", at_least=85),
        Figure(f"{name}: masked words that were personal", score.precision, "%", at_least=95),
        Figure(f"{name}: clean cases left as they are", share_clean, "%", at_least=95),
    ]


def _talk(suite: list[Case], length_ms: float) -> list[TranscriptItem]:
    """The cases one after the other, again and again, until so much time is filled."""
    items: list[TranscriptItem] = []
    at_ms = 0.0
    while at_ms < length_ms:
        for case in suite:
            for turn in case.turns:
                words: list[Word] = []
                for text in turn.text.split():
                    words.append(Word(text, at_ms, at_ms + WORD_MS * 0.8))
                    at_ms += WORD_MS
                role = "agent" if turn.speaker == "agent" else "user"
                items.append(Utterance(role=role, words=tuple(words), content=turn.text))
    return items
