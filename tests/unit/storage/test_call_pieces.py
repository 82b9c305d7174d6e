"""What block summaries tell of ids and numbers: no call is missed, and hardly any is taken for another."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.call_query import Between, TextOp
from retold.storage.call_bits import places
from retold.storage.call_buckets import LAST, bucket_of, buckets_between
from retold.storage.call_pieces import Pieces, calls_with, grams_of, grams_of_piece, row_of

BLOCK_CALLS: Final = 128
SHORT = st.text("ab+1é", max_size=7)
NUMBERS = st.floats(allow_nan=False)


def told(values: list[str]) -> dict[int, bytes]:
    """The rows of these values, each at its place."""
    pieces = Pieces()
    for place, value in enumerate(values):
        pieces.add(place, value)
    return dict(pieces.rows(BLOCK_CALLS))


def calls_of(rows: dict[int, bytes], gram: int) -> set[int]:
    return set(places(calls_with(rows.get(row_of(gram), b""), gram, BLOCK_CALLS)))


@given(st.lists(SHORT, max_size=BLOCK_CALLS), SHORT)
def test_each_call_that_holds_a_piece_is_told_of(values: list[str], piece: str) -> None:
    rows = told(values)
    for op, holds in ((TextOp.CONTAINS, str.__contains__), (TextOp.STARTS_WITH, str.startswith)):
        for gram in grams_of_piece(op, piece):
            assert {place for place, value in enumerate(values) if holds(value, piece)} <= calls_of(rows, gram)
    for gram in grams_of_piece(TextOp.ENDS_WITH, piece):
        assert {place for place, value in enumerate(values) if value.endswith(piece)} <= calls_of(rows, gram)


@given(st.lists(SHORT, min_size=1, max_size=BLOCK_CALLS))
def test_a_gram_is_told_of_its_calls_only(values: list[str]) -> None:
    rows = told(values)
    for gram in grams_of(values[0]):
        assert calls_of(rows, gram) == {place for place, value in enumerate(values) if gram in grams_of(value)}


def test_few_calls_and_many_are_both_given_back() -> None:
    # A gram of all calls is kept as a bitmap, that of one call as its place.
    values = [f"call_{place:03}" for place in range(BLOCK_CALLS)]
    rows = told(values)
    [everywhere] = grams_of_piece(TextOp.CONTAINS, "all")
    [once] = grams_of_piece(TextOp.CONTAINS, "127")
    assert calls_of(rows, everywhere) == set(range(BLOCK_CALLS))
    assert calls_of(rows, once) == {127}
    assert calls_of(rows, *grams_of_piece(TextOp.CONTAINS, "xyz")) == set()


def test_short_pieces_tell_nothing_but_at_the_ends() -> None:
    assert grams_of_piece(TextOp.CONTAINS, "55") == []
    assert len(grams_of_piece(TextOp.ENDS_WITH, "55")) == 1
    assert grams_of("") == []


@given(NUMBERS, NUMBERS)
def test_a_greater_number_is_in_no_lower_bucket(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= bucket_of(low) <= bucket_of(high) <= LAST


@given(NUMBERS, st.one_of(st.none(), NUMBERS), st.one_of(st.none(), NUMBERS))
def test_a_number_in_a_range_is_in_one_of_its_buckets(value: float, lower: float | None, upper: float | None) -> None:
    is_in = (lower is None or value >= lower) and (upper is None or value <= upper)
    assert not is_in or bucket_of(value) in buckets_between(Between(lower, upper))


@pytest.mark.parametrize(
    ("value", "bucket"), [(-5, 0), (0, 0), (1, 16), (1.49, 16), (1.5, 17), (2, 18), (10**400, LAST)]
)
def test_there_are_two_buckets_for_each_power_of_two(value: float, bucket: int) -> None:
    assert bucket_of(value) == bucket
