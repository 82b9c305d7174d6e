"""Which words are names of people; read from names.txt when the first text is searched for them."""

from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class NameList:
    """Words in lower case. Those that are words or places too are names only with a capital and in company."""

    first: frozenset[str]
    first_or_word: frozenset[str]
    last: frozenset[str]
    last_or_word: frozenset[str]

    def is_first(self, word: str) -> bool:
        """Whether it is given to people, whatever else it may mean."""
        return word in self.first or word in self.first_or_word

    def is_last(self, word: str) -> bool:
        """The same of names of families; of a double name one part is enough."""
        return word in self.last or word in self.last_or_word

    def is_any(self, word: str) -> bool:
        """Whether anybody is called so."""
        return self.is_first(word) or self.is_last(word)


@cache
def name_list() -> NameList:
    """The list that comes with the package, about 4,000 names."""
    text = (resources.files("retold.domain.pii") / "names.txt").read_text(encoding="utf-8")
    sections = [part.partition("\n")[2].split() for part in text.split("\n## ")[1:]]
    return NameList(*(frozenset(section) for section in sections))
