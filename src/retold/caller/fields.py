"""Checked access to the mappings of a scenario; every complaint names place, field, value and remedy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from retold.errors import ScenarioInvalid

_REQUIRED: Any = object()
_SHOWN = 60


def wrong(where: str, name: str | None, value: object, remedy: str) -> ScenarioInvalid:
    """The error for a value that cannot be: `step 3: say is 7; give a text`."""
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
    subject = "missing" if value is None else f"{shown}"
    return ScenarioInvalid(f"{where}: {f'`{name}` is {subject}' if name else subject}; {remedy}")


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of a scenario and where it stands."""

    where: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, value: object, where: str, *, known: tuple[str, ...]) -> Self:
        """Check that `value` is a mapping with known names only. Raises ScenarioInvalid."""
        if not isinstance(value, dict):
            raise wrong(where, None, value, f"give fields: {', '.join(known)}")
        for name in value:
            if name not in known:
                raise ScenarioInvalid(f"{where}: unknown field {name!r}; known are {', '.join(known)}")
        return cls(where, value)

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that are there."""
        return frozenset(self.values)

    def get(self, name: str, default: Any = None) -> Any:
        """The value as it is."""
        return self.values.get(name, default)

    def only(self, where: str, *names: str) -> None:
        """Raise ScenarioInvalid when there is a field besides these."""
        for name in sorted(self.names - set(names)):
            raise ScenarioInvalid(f"{where}: `{name}` does not go with {' or '.join(names)}; take it out")

    def text(self, name: str, default: str = _REQUIRED, *, may_be_empty: bool = False) -> str:
        """A text. Raises ScenarioInvalid."""
        if name not in self.values and default is not _REQUIRED:
            return default
        value = self.get(name)
        if not isinstance(value, str) or not (value.strip() or may_be_empty):
            raise wrong(self.where, name, value, "give a text in quotes")
        return value

    def number(self, name: str, default: float) -> float:
        """A finite number. Raises ScenarioInvalid."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise wrong(self.where, name, value, "give a number")
        return float(value)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """One of a few words. Raises ScenarioInvalid."""
        value = self.get(name)
        if value not in choices:
            raise wrong(self.where, name, value, f"give {' or '.join(choices)}")
        return str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text alone; nothing when absent. Raises ScenarioInvalid."""
        value = self.get(name, [])
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            raise wrong(self.where, name, value, "give a list of texts")
        return tuple(str(text) for text in texts)
