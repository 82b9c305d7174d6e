"""Dynamic variables: `{{name}}` in texts and addresses.

Rules of Retell's "Dynamic variables" page: spaces around the name do not count, inner placeholders are resolved
first, an empty value is a value, and a missing one leaves the placeholder as it stands. Nothing is evaluated: what
stands between the braces is looked up as a name, and a value never joins with the text around it to a placeholder.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import JsonValue

_BRACES: Final = re.compile(r"(?:\{\{)+(?!\{)|\}\}")
"""Of three braces that open, the first is text, as in the JSON `{"a":{{{name}}}}`."""
MAX_NESTED = 8
"""Placeholders inside the name of a placeholder; deeper ones are text."""
MAX_FOLLOWED = 4
"""Values whose own placeholders are resolved: a value of a value of a value of a value."""
MAX_READ_CHARS = 300_000
"""Of all values put into one text, twice what the longest prompt holds; placeholders after that stay as they are."""
_CHARS_PER_VALUE: Final = 20
"""What looking a value up costs beside reading it, in characters."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a variable stands for."""

    text: str
    is_template: bool = True
    """Whether placeholders in it are resolved. What came up in the conversation is text: a caller who spells out a
    placeholder must not be told another variable's value."""


Lookup = Callable[[str], Value | None]
"""The value of a variable, None when it is not set."""


def _nothing(_name: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one conversation by where they come from, from what counts least to what counts most.

    A null value is no value: the next weaker source is asked.
    """

    defaults: Mapping[str, JsonValue] = field(default_factory=dict)
    """`default_dynamic_variables` of the Retell LLM or flow."""
    system: Callable[[str], str | None] = _nothing
    """See `system_variables`."""
    of_tag: Mapping[str, JsonValue] = field(default_factory=dict)
    of_contact: Mapping[str, JsonValue] = field(default_factory=dict)
    of_request: Mapping[str, JsonValue] = field(default_factory=dict)
    """`retell_llm_dynamic_variables` of the call."""
    collected: Mapping[str, JsonValue] = field(default_factory=dict)
    """What tools, edges and extractions found during the conversation."""
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    """Set by update-live-call."""

    def value(self, name: str) -> Value | None:
        """The value of a variable, None when no source has one."""
        if (found := self.overrides.get(name)) is not None:
            return Value(text_of(found))
        if (found := self.collected.get(name)) is not None:
            return Value(text_of(found), is_template=False)
        for source in (self.of_request, self.of_contact, self.of_tag):
            if (found := source.get(name)) is not None:
                return Value(text_of(found))
        if (found := self.system(name)) is not None:
            return Value(found, is_template=False)
        found = self.defaults.get(name)
        return None if found is None else Value(text_of(found))

    def fill(self, template: str, *, quoted: Callable[[str], str] = lambda value: value) -> str:
        """Replace each known `{{name}}`; every value passes through `quoted` on its way in."""
        return fill(template, self.value, quoted=quoted)

    def named(self) -> dict[str, str]:
        """The values of all variables except those of the system, which have no end."""
        sources = (self.defaults, self.of_tag, self.of_contact, self.of_request, self.collected, self.overrides)
        names = {name: None for source in sources for name in source}
        return {name: value.text for name in names if (value := self.value(name)) is not None}

    def with_collected(self, found: Mapping[str, JsonValue]) -> "Variables":
        """The same with more that was found during the conversation."""
        return replace(self, collected={**self.collected, **found})

    def with_overrides(self, overrides: Mapping[str, JsonValue]) -> "Variables":
        """The same with what update-live-call set."""
        return replace(self, overrides={**self.overrides, **overrides})


def text_of(value: JsonValue) -> str:
    """A value as text: what is no text becomes JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def substitute(
    template: str, variables: Mapping[str, JsonValue], *, quoted: Callable[[str], str] = lambda value: value
) -> str:
    """The same as `Variables.fill` with variables of one source."""
    return Variables(of_request=variables).fill(template, quoted=quoted)


def fill(template: str, lookup: Lookup, *, quoted: Callable[[str], str] = lambda value: value) -> str:
    """Replace each `{{name}}` that `lookup` knows; every value passes through `quoted` on its way in."""
    return _Filling(lookup).fill(template, MAX_FOLLOWED, quoted)


def fill_whole(template: str, lookup: Lookup) -> str | None:
    """The same, but None when a placeholder of the template stands for nothing."""
    filling = _Filling(lookup)
    text = filling.fill(template, MAX_FOLLOWED, lambda value: value)
    return text if filling.is_whole else None


class _Part:
    """Text up to the next brace that closes: as it is put in, and as it counts in the name of a placeholder."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.name: list[str] = []

    def add(self, shown: str, name: str) -> None:
        self.shown.append(shown)
        self.name.append(name)


class _Filling:
    """One text being filled, and how much may still be put into it."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._left_chars = MAX_READ_CHARS
        self.is_whole = True
        """Whether each placeholder of the text itself, not of the values in it, is known."""

    def fill(self, template: str, depth: int, quoted: Callable[[str], str]) -> str:
        """The template with what is known put in; values are followed `depth` deep."""
        if "{{" not in template:
            return template
        # The text outside all placeholders, and above it a part for each placeholder that is open.
        parts = [_Part()]
        done = 0
        for braces in _BRACES.finditer(template):
            text = template[done : braces.start()]
            parts[-1].add(text, text)
            done = braces.end()
            if braces[0] == "}}":
                self._close(parts, depth, quoted)
            else:
                _open(parts, len(braces[0]) // 2)
        return "{{".join("".join(part.shown) for part in parts) + template[done:]

    def _close(self, parts: list[_Part], depth: int, quoted: Callable[[str], str]) -> None:
        if len(parts) == 1:
            parts[0].add("}}", "}}")
            return
        part = parts.pop()
        name = "".join(part.name)
        value = self._value(name.strip(), depth)
        if value is None:
            self.is_whole = self.is_whole and depth < MAX_FOLLOWED
            parts[-1].add("{{" + "".join(part.shown) + "}}", "{{" + name + "}}")
        else:
            parts[-1].add(quoted(value), value)

    def _value(self, name: str, depth: int) -> str | None:
        value = self._lookup(name) if depth > 0 else None
        # What is read is counted, not what is put in: values that only lead on to others take time as well.
        if value is None or len(value.text) >= self._left_chars:
            return None
        self._left_chars -= len(value.text) + _CHARS_PER_VALUE
        return self.fill(value.text, depth - 1, lambda inner: inner) if value.is_template else value.text


def _open(parts: list[_Part], count: int) -> None:
    for _ in range(count):
        if len(parts) > MAX_NESTED:
            parts[-1].add("{{", "{{")
        else:
            parts.append(_Part())
