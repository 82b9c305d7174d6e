"""What words say about turns: whether more will follow, and whether they ask for the floor. Pure, English."""

import re

from retold.engine.rules import Rules


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[\w']+")

TRAILING_WORDS = _words("and but or because with to from of at the a an my your i'm um uh er than until")
"""Nobody ends a turn with these."""
BACK_CHANNELS = _words(
    "mm hm mhm mmhm hmm uh huh uhuh yeah yep yes ok okay right sure alright aha ah oh i see good great fine cool"
)
"""Said to keep the other talking; during the agent's speech they are no interruption."""
COMMANDS = _words("stop wait no hold sorry actually hello pause cancel excuse")
"""Said to get the floor; one of them is enough."""


def spoken_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def wait_ms(text: str, rules: Rules) -> float:
    """How much silence after these words ends the caller's turn, from their last sound."""
    words = spoken_words(text)
    last = words[-1] if words else ""
    if last in TRAILING_WORDS and not text.rstrip().endswith("?"):
        return rules.wait_trailing_ms
    if last.isdigit() and len(words) > 1:
        return rules.wait_digits_ms
    if text.rstrip()[-1:] in {".", "!", "?"}:
        return rules.wait_complete_ms
    return rules.wait_open_ms


def asks_for_floor(text: str, rules: Rules) -> bool:
    """Whether words over the agent's speech are an interruption: a command, or enough that are no back-channel."""
    words = spoken_words(text)
    if any(word in COMMANDS for word in words):
        return True
    return sum(word not in BACK_CHANNELS for word in words) >= rules.interrupt_words
