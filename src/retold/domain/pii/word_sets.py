"""Sets of words, written as one text each."""

from typing import Final


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


FILLERS: Final = words(
    "uh um er erm hmm ah eh äh ähm dash hyphen minus space slash comma then and so okay ok that's capital"
    " uppercase lowercase strich raya guion bindestrich"
)
"""Said between the parts of a number without ending it."""
