"""Places in lists, and the keys that carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.page import Place, parse_place
from retold.errors import InvalidRequest


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_key_leads_back_to_its_place(number: int, item_id: str) -> None:
    place = Place(number, item_id)
    assert parse_place(place.key()) == place


@pytest.mark.parametrize(
    "key", ["", "pagination_key", "é", "MTIz", Place(2**63, "x").key(), "eDp5", Place(1, "a\0").key()]
)
def test_a_key_of_another_list_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="pagination_key"):
        parse_place(key)
