"""Which parts of block summaries have the calls that may fulfil a condition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from retold.domain.call_query import (
    AgentIs,
    Between,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Present,
    Scalar,
    TextPart,
    ToolUsed,
)
from retold.storage.call_bits import slices_of, slices_of_piece
from retold.storage.call_buckets import NUMBERS, bucket_of, buckets_between
from retold.storage.call_pieces import TEXTS, grams_of, grams_of_piece, row_of
from retold.storage.call_rows import as_text
from retold.storage.call_summary import (
    FIELDS,
    MAX_NAME_CHARS,
    OF_TOOL,
    BitmapName,
    column_is,
    has_key,
    has_slice,
    is_in_bucket,
    row_of_pieces,
)

_MAX_GRAMS, _MAX_SLICES = 2, 3
"""More of a piece narrow little, and each is read of every block; slices tell less than grams."""


class Part(NamedTuple):
    """Some calls of a block."""

    name: BitmapName
    gram: int | None = None
    """Which of several bitmaps that are stored together."""


Way = tuple[Part, ...]
"""The calls that are in all of these parts."""


@dataclass(frozen=True, slots=True)
class Formula:
    """Which calls may fulfil a condition."""

    ways: tuple[Way, ...]
    """A call is in one of these."""
    key: BitmapName | None = None
    """Of a block that does not tell of all keys, and not of this one, any call may be it."""
    is_absent: bool = False
    """Just the other calls."""

    def names(self) -> set[BitmapName]:
        """What is read."""
        return {part.name for way in self.ways for part in way}


def formula_of(condition: Condition) -> Formula | None:
    """None when summaries know nothing of it."""
    match condition:
        case FieldIs():
            return _of_field(condition)
        case AgentIs(choices=choices):
            return Formula(_one_each(column_is("agent_id", one.agent_id) for one in choices))
        case KeyIs():
            return _of_key(condition)
        case ToolUsed(name=str() as name, is_successful=is_successful) if len(name) <= MAX_NAME_CHARS:
            used = has_key(OF_TOOL, name)
            wanted = used if is_successful is None else has_slice(OF_TOOL, name, int(is_successful))
            return Formula(((Part(wanted),),), used)
        case ToolUsed():
            return None


def _of_field(condition: FieldIs) -> Formula | None:
    column = condition.field.value
    match condition.test:
        case OneOf(values=values) if column in FIELDS:
            return Formula(_one_each(column_is(column, value) for value in values))
        case OneOf(values=values) if column in NUMBERS:
            numbers = [value for value in values if isinstance(value, int | float)]
            return Formula(_one_each(is_in_bucket(column, one) for one in {bucket_of(number) for number in numbers}))
        case Between() as test if column in NUMBERS:
            return Formula(_one_each(is_in_bucket(column, one) for one in buckets_between(test)))
        case OneOf(values=values) if column in TEXTS:
            return _of_grams(column, [grams_of(as_text(value) or "") for value in values])
        case TextPart(op=op, value=piece) if column in TEXTS:
            return _of_grams(column, [grams_of_piece(op, piece)])
        case _:
            return None


def _one_each(names: Iterable[BitmapName]) -> tuple[Way, ...]:
    return tuple((Part(name),) for name in names)


def _of_grams(column: str, choices: list[list[int]]) -> Formula | None:
    """Any of several values or pieces."""
    if not all(choices):
        return None
    ways = (
        tuple(Part(row_of_pieces(column, row_of(gram)), gram) for gram in _spread(one, _MAX_GRAMS)) for one in choices
    )
    return Formula(tuple(ways))


def _of_key(condition: KeyIs) -> Formula:
    having = has_key(condition.keys, condition.key)
    ways: tuple[Way, ...] = ((Part(having),),)
    match condition.test:
        case OneOf(values=values):
            ways = tuple(_slices(condition, _slices_of_value(value)) for value in values)
        case TextPart(op=op, value=piece):
            ways = (_slices(condition, slices_of_piece(op, piece)),)
        case _:
            pass
    return Formula(ways, having, is_absent=condition.test == Present(is_present=False))


def _slices(condition: KeyIs, numbers: Sequence[int]) -> Way:
    """The slices in which a value must be; all that have the key, where slices tell nothing."""
    slices = (Part(has_slice(condition.keys, condition.key, number)) for number in _spread(numbers, _MAX_SLICES))
    return tuple(slices) or (Part(has_key(condition.keys, condition.key)),)


def _spread(several: Sequence[int], most: int) -> Sequence[int]:
    """So many of these, from all over the text: a part of it may be the same in most values."""
    count = min(most, len(several))
    return [several[(number + 1) * len(several) // count - 1] for number in range(count)]


def _slices_of_value(value: Scalar) -> Sequence[int]:
    # A number is compared as one: 5 is found in "5.0" too.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return () if is_number else slices_of(as_text(value) or "")
