"""What statistics know of many calls: a column for each field, an entry for each call."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from retold.domain.call_query import (
    CHOICES,
    NUMBERS,
    AgentIs,
    AgentVersions,
    Between,
    Condition,
    FieldIs,
    OneOf,
    Present,
    Scalar,
    Test,
    TextPart,
    Unlike,
)

Mask = NDArray[np.bool_]
Codes = NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class Figures:
    """Columns of equal length; `row_ids` and `sort_ms` (where a call stands in lists) are int64."""

    row_ids: NDArray[np.int64]
    sort_ms: NDArray[np.int64]
    codes: Mapping[str, Codes]
    """Of each of CHOICES: 0 for no value, else the place of the value in `values`, counted from 1."""
    values: Mapping[str, Sequence[Scalar]]
    numbers: Mapping[str, NDArray[np.float64]]
    """Of each of NUMBERS; not a number where there is none."""

    def __len__(self) -> int:
        """How many calls."""
        return len(self.row_ids)

    def where(self, mask: Mask, names: Collection[str]) -> "Figures":
        """The calls for which this is true, with the columns of these names only."""
        return Figures(
            self.row_ids[mask],
            self.sort_ms[mask],
            {name: column[mask] for name, column in self.codes.items() if name in names},
            self.values,
            {name: column[mask] for name, column in self.numbers.items() if name in names},
        )


def together(several: Sequence[Figures]) -> Figures:
    """All calls of these, one at least, which have the same columns but may number values differently."""
    codes, numbers = several[0].codes, several[0].numbers
    values = {name: list(dict.fromkeys(one for part in several for one in part.values[name])) for name in codes}
    return Figures(
        np.concatenate([one.row_ids for one in several]),
        np.concatenate([one.sort_ms for one in several]),
        {name: np.concatenate([_renumbered(one, name, values[name]) for one in several]) for name in codes},
        values,
        {name: np.concatenate([one.numbers[name] for one in several]) for name in numbers},
    )


def _renumbered(part: Figures, name: str, values: Sequence[Scalar]) -> Codes:
    numbers = {value: number for number, value in enumerate(values, start=1)}
    kind = np.min_scalar_type(len(values))
    return np.array([0, *(numbers[value] for value in part.values[name])], kind)[part.codes[name]]


def mask_of(figures: Figures, condition: Condition) -> Mask | None:
    """For which calls a condition is true; None when these columns do not tell."""
    match condition:
        case FieldIs(test=TextPart()):
            return None
        case FieldIs(field=field, test=test) if field.value in CHOICES:
            return _of_choice(figures, field.value, test)
        case FieldIs(field=field, test=test) if field.value in NUMBERS:
            return _of_number(figures.numbers[field.value], test)
        case AgentIs(choices=choices):
            mask = np.zeros(len(figures), np.bool_)
            for one in choices:
                mask |= _of_agent(figures, one)
            return mask
        case _:
            return None


def is_told(condition: Condition) -> bool:
    """Whether the columns tell for which calls a condition is true."""
    return mask_of(NONE, condition) is not None


def _of_agent(figures: Figures, one: AgentVersions) -> Mask:
    mask = _of_choice(figures, "agent_id", OneOf((one.agent_id,)))
    if one.versions:
        mask &= np.isin(figures.numbers["agent_version"], one.versions)
    return mask


def _of_choice(figures: Figures, name: str, test: Test) -> Mask:
    fulfilled = [test == Present(is_present=False), *(_passes(value, test) for value in figures.values[name])]
    return np.array(fulfilled, np.bool_)[figures.codes[name]]


def _passes(value: Scalar, test: Test) -> bool:
    match test:
        case OneOf(values=values):
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)
        case Unlike(value=other):
            return value != other
        case Present(is_present=is_present):
            return is_present
        case _:
            return False


def _of_number(column: NDArray[np.float64], test: Test) -> Mask:
    is_there = ~np.isnan(column)
    match test:
        case OneOf(values=values):
            return np.isin(column, [one for one in values if isinstance(one, int | float)])
        case Unlike(value=value):
            return is_there & (column != value)
        case Between(lower=lower, upper=upper):
            # What is not a number is in no range.
            if lower is not None:
                is_there &= column > lower if test.is_lower_outside else column >= lower
            if upper is not None:
                is_there &= column < upper if test.is_upper_outside else column <= upper
            return is_there
        case Present(is_present=True):
            return is_there
        case _:
            return ~is_there


def gathered(rows: Sequence[Mapping[Any, Any]]) -> Figures:
    """Columns made of rows that have each field, and `row_id` and `sort_ms`."""
    values: dict[str, dict[Scalar, int]] = {name: {} for name in CHOICES}
    codes = {name: np.array([_number_of(row[name], values[name]) for row in rows], np.uint32) for name in CHOICES}
    return Figures(
        np.array([row["row_id"] for row in rows], np.int64),
        np.array([row["sort_ms"] for row in rows], np.int64),
        codes,
        {name: list(known) for name, known in values.items()},
        {name: np.array([_or_nan(row[name]) for row in rows], np.float64) for name in NUMBERS},
    )


def _number_of(value: Scalar | None, known: dict[Scalar, int]) -> int:
    return 0 if value is None else known.setdefault(value, len(known) + 1)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


NONE: Final = gathered(())
"""Those of no call."""
