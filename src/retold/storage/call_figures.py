"""The columns of statistics (domain/call_figures.py) of a block's calls, as they are stored.

A line of JSON, then column after column, each of the narrowest kind of number that holds it; all of it compressed.
"""

import zlib
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from retold.domain.call_figures import Figures
from retold.domain.call_query import CHOICES, NUMBERS

_EFFORT: Final = 1
"""The columns have few different values, or random ones: more effort makes them hardly smaller."""
_NOTHING: Final = -(2**31 - 1)
"""Stands for no number in a column of whole ones."""
_FRACTIONS, _WHOLE = "<f8", "<i4"
_CODES: Final = ("<u1", "<u2", "<u4")
_RISING: Final = (_WHOLE, "<i8")


def packed(figures: Figures) -> bytes:
    """The columns as bytes."""
    # Ids and places in lists rise by little from call to call: that is what is stored of them.
    columns = [_narrow(np.diff(rising, prepend=0), _RISING) for rising in (figures.row_ids, figures.sort_ms)]
    columns += [_narrow(figures.codes[name], _CODES) for name in CHOICES]
    columns += [_narrow_numbers(figures.numbers[name]) for name in NUMBERS]
    kinds = [column.dtype.str for column in columns]
    head = orjson.dumps({"calls": len(figures), "kinds": kinds, "values": figures.values})
    return zlib.compress(head + b"\n" + b"".join(column.tobytes() for column in columns), _EFFORT)


def unpacked(stored: bytes) -> Figures:
    """What was packed."""
    head, _, rest = zlib.decompress(stored).partition(b"\n")
    told: dict[str, Any] = orjson.loads(head)
    columns: list[Any] = []
    place = 0
    for kind in told["kinds"]:
        columns.append(np.frombuffer(rest, kind, told["calls"], place))
        place += columns[-1].nbytes
    row_ids, sort_ms, *others = columns
    codes, numbers = others[: len(CHOICES)], others[len(CHOICES) :]
    return Figures(
        np.cumsum(row_ids, dtype=np.int64),
        np.cumsum(sort_ms, dtype=np.int64),
        dict(zip(CHOICES, codes, strict=True)),
        told["values"],
        dict(zip(NUMBERS, map(_widened, numbers), strict=True)),
    )


def _narrow(column: NDArray[Any], kinds: tuple[str, ...]) -> NDArray[Any]:
    """Whole numbers as the first kind that can hold them all."""
    greatest = int(column.max(initial=0))
    return column.astype(next(kind for kind in kinds if greatest <= np.iinfo(kind).max))


def _narrow_numbers(column: NDArray[np.float64]) -> NDArray[Any]:
    """Numbers as whole ones, where they all are and are small enough."""
    filled = np.where(np.isnan(column), _NOTHING, column)
    is_whole = np.all((filled == np.floor(filled)) & (np.abs(filled) <= -_NOTHING))
    return filled.astype(_WHOLE) if is_whole else column.astype(_FRACTIONS)


def _widened(column: NDArray[Any]) -> NDArray[np.float64]:
    return column if column.dtype.str == _FRACTIONS else np.where(column == _NOTHING, np.nan, column)
