"""Block summaries, the pure part: nothing that is there is missed."""

from hypothesis import given
from hypothesis import strategies as st

from retold.domain.call_query import TextOp
from retold.storage.call_bits import SLICES, packed, places, set_bit, slices_of, slices_of_piece, unpacked
from retold.storage.call_buckets import bucket_of
from retold.storage.call_pieces import calls_with, grams_of, row_of
from retold.storage.call_summary import (
    COLUMNS,
    MAX_KEYS,
    MAX_NAME_CHARS,
    OF_PIECE,
    OF_TOOL,
    BitmapName,
    Summary,
    column_is,
    has_key,
    has_slice,
    is_in_bucket,
    row_of_pieces,
)

BLOCK_CALLS = 512
PLACES = st.sets(st.integers(0, BLOCK_CALLS - 1))
TEXTS = st.text(max_size=30)


@given(PLACES)
def test_a_bitmap_gives_back_the_places_put_in(wanted: set[int]) -> None:
    bitmap = bytearray(BLOCK_CALLS // 8)
    for place in wanted:
        set_bit(bitmap, place)
    stored = packed(bitmap)
    assert len(stored) <= BLOCK_CALLS // 8
    assert list(places(unpacked(stored, BLOCK_CALLS))) == sorted(wanted)


@given(PLACES, PLACES)
def test_bitmaps_are_combined_like_sets(one: set[int], other: set[int]) -> None:
    both = [sum(1 << place for place in several) for several in (one, other)]
    assert set(places(both[0] & both[1])) == one & other
    assert set(places(both[0] | both[1])) == one | other
    assert set(places(both[0] & ~both[1])) == one - other


@given(TEXTS, TEXTS, TEXTS)
def test_a_value_has_all_slices_of_its_pieces(before: str, piece: str, after: str) -> None:
    assert set(slices_of_piece(TextOp.CONTAINS, piece)) <= set(slices_of(before + piece + after))
    assert set(slices_of_piece(TextOp.STARTS_WITH, piece)) <= set(slices_of(piece + after))
    assert set(slices_of_piece(TextOp.ENDS_WITH, piece)) <= set(slices_of(before + piece))


def test_half_a_character_has_slices_too() -> None:
    assert set(slices_of_piece(TextOp.CONTAINS, "\ud800ab")) <= set(slices_of("x\ud800abc"))


def test_pieces_tell_values_apart() -> None:
    values = [f"cus_{number:08}" for number in range(0, 50_000, 7)]
    wanted = set(slices_of_piece(TextOp.ENDS_WITH, "4207"))
    assert len([value for value in values if wanted <= set(slices_of(value))]) < len(values) / 1_000
    assert slices_of_piece(TextOp.CONTAINS, "42") == []
    assert max(slices_of("a rather long text of many pieces")) < SLICES


def bits_of(summary: Summary) -> dict[BitmapName, set[int]]:
    return {
        name: set(places(unpacked(stored, BLOCK_CALLS))) for name, stored in summary.bitmaps() if name.kind != OF_PIECE
    }


def test_a_summary_tells_what_each_call_has() -> None:
    summary = Summary(BLOCK_CALLS)
    for place, (sort_ms, direction) in enumerate([(70, "inbound"), (50, None), (90, "inbound")]):
        known = {"direction": direction, "in_voicemail": True, "duration_ms": sort_ms * 1_000, "to_number": "+1415"}
        summary.add_call(place, sort_ms, {**dict.fromkeys(COLUMNS), **known})
    summary.add_value(1, "metadata", "tier", "gold")
    summary.add_value(2, "metadata", "tier", None)
    for place, is_successful in enumerate([True, False, None]):
        summary.add_tool(place, "book", is_successful=is_successful)
    summary.add_tool(0, "x" * (MAX_NAME_CHARS + 1), is_successful=True)
    assert (summary.first_ms, summary.last_ms, summary.has_all_keys) == (50, 90, True)
    assert set(places(unpacked(summary.calls(), BLOCK_CALLS))) == {0, 1, 2}
    assert bits_of(summary) == {
        column_is("direction", "inbound"): {0, 2},
        column_is("in_voicemail", True): {0, 1, 2},
        is_in_bucket("duration_ms", bucket_of(50_000)): {1},
        is_in_bucket("duration_ms", bucket_of(70_000)): {0, 2},
        has_key("metadata", "tier"): {1, 2},
        has_key(OF_TOOL, "book"): {0, 1, 2},
        has_slice(OF_TOOL, "book", 0): {1},
        has_slice(OF_TOOL, "book", 1): {0},
        **{has_slice("metadata", "tier", number): {1} for number in slices_of("gold")},
    }


def test_a_summary_tells_of_each_gram_of_a_number() -> None:
    summary = Summary(BLOCK_CALLS)
    for place, number in enumerate(["+14155550001", None, "+4930123"]):
        summary.add_call(place, 0, {**dict.fromkeys(COLUMNS), "from_number": number})
    rows = dict(summary.bitmaps())
    for gram in grams_of("+14155550001"):
        row = rows[row_of_pieces("from_number", row_of(gram))]
        assert list(places(calls_with(row, gram, BLOCK_CALLS))) == [0]


def test_a_summary_says_when_there_are_too_many_keys() -> None:
    summary = Summary(BLOCK_CALLS)
    for place in range(2):
        for number in range(MAX_KEYS + 1):
            summary.add_value(place, "metadata", f"key_{number}", "")
    assert not summary.has_all_keys
    told = {has_key("metadata", f"key_{number}"): {0, 1} for number in range(MAX_KEYS)}
    assert bits_of(summary) == told
