"""Numbers in block summaries: each falls into one of a few buckets, which are in order, two for each power of two."""

from math import frexp
from typing import Final

from retold.domain.call_query import Between

NUMBERS: Final = ("duration_ms", "combined_cost", "e2e_latency_p50")
"""Columns that are told of."""
_LOWEST, _HIGHEST = -8, 23
"""Powers of two: what is less than the first, or as great as the second, is not told apart."""
_HALF: Final = 0.75
"""`frexp` gives 0.5 to 1."""
LAST: Final = 2 * (_HIGHEST - _LOWEST)


def bucket_of(value: float) -> int:
    """The bucket of a number, from 0 to LAST; of a greater number never a lower one."""
    if value < 2**_LOWEST:
        return 0
    if value >= 2**_HIGHEST:
        return LAST
    fraction, power = frexp(value)
    return 2 * (power - 1 - _LOWEST) + (fraction >= _HALF)


def buckets_between(test: Between) -> range:
    """The buckets of all numbers that pass the test; they have others too."""
    first = 0 if test.lower is None else bucket_of(test.lower)
    last = LAST if test.upper is None else bucket_of(test.upper)
    return range(first, last + 1)
