"""Texts and JSON without the personal data in them."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from retold.domain.pii.categories import HIDDEN, PiiCategory, Span, with_marks
from retold.domain.pii.name_list import NameList
from retold.domain.pii.talk import Turn

_MOST_CHARS: Final = 200_000
"""What tools say at greater length is not searched, and not shown: it would take seconds."""
_LEAST_DIGITS: Final = 3
"""Numbers in JSON with fewer are no personal data."""
_WORD_BREAK: Final = re.compile(r"[_\-.\s]+|(?<=[a-z0-9])(?=[A-Z])")


def scrub(text: str, categories: Collection[PiiCategory], *, names: NameList | None = None) -> str:
    """The text with a mark in place of what is personal in it."""
    from retold.domain.pii.find import find  # noqa: PLC0415 - 1 MB that most servers need not spend

    return with_marks(text, find(text, categories, names=names))


def scrub_json(text: str, categories: Collection[PiiCategory], *, names: NameList | None = None) -> str:
    """JSON text with each value scrubbed, or a text that is not JSON as a text; keys say what their values are."""
    from retold.domain.pii.find import find_in_turns  # noqa: PLC0415 - 1 MB that most servers need not spend

    values = JsonValues(text)
    return values.scrubbed(find_in_turns(values.turns, categories, names=names))


@dataclass(slots=True)
class JsonValues:
    """The values of a JSON text as turns that say what they are: `{"pin": 1234}` says "pin is 1234"."""

    text: str
    turns: list[Turn] = field(default_factory=list[Turn])
    _value: Any = None
    _is_json: bool = True

    def __post_init__(self) -> None:
        if len(self.text) > _MOST_CHARS:
            return
        try:
            self._value = orjson.loads(self.text)
        except orjson.JSONDecodeError:
            self._is_json = False
            self.turns.append(Turn("", self.text, is_alone=True))
            return
        self.turns += [Turn("", prefix + said, is_alone=True) for prefix, said in _leaves(self._value, "")]

    def scrubbed(self, spans: Sequence[Sequence[Span]]) -> str:
        """The text again, with the spans that were found in the turns; unchanged without any."""
        if len(self.text) > _MOST_CHARS:
            return HIDDEN
        if not any(spans):
            return self.text
        if not self._is_json:
            return with_marks(self.text, spans[0])
        of_leaf = iter(spans)

        def replaced(prefix: str, said: str, value: Any) -> Any:
            found = [
                Span(max(0, span.start - len(prefix)), span.end - len(prefix), span.category)
                for span in next(of_leaf)
                if span.end > len(prefix)
            ]
            return with_marks(said, found) if found else value

        return orjson.dumps(_mapped(self._value, "", replaced)).decode()


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """What introduces each value that may be personal, and the value as text, in order."""
    found: list[tuple[str, str]] = []

    def note(prefix: str, said: str, value: Any) -> Any:
        found.append((prefix, said))
        return value

    _mapped(value, key, note)
    yield from found


def _mapped(value: Any, key: str, leaf: Callable[[str, str, Any], Any]) -> Any:
    """The value with `leaf` of each text and number in it."""
    if isinstance(value, dict):
        return {name: _mapped(inner, name, leaf) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, key, leaf) for inner in value]
    said = _said(value)
    if said is None:
        return value
    prefix = f"{_WORD_BREAK.sub(' ', key).lower()} is " if key else ""
    return leaf(prefix, said, value)


def _said(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and len(str(abs(value))) >= _LEAST_DIGITS else None
