"""What list-calls v2 and v1 accept, what it means, and the cursors of pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retold.domain.call_filter_v2 import ListCallsV2
from retold.domain.call_query import (
    MAX_INTEGER,
    Between,
    CallField,
    CallKeys,
    CallQuery,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Place,
    place_of,
    without_nulls,
)


def conditions(**filters: Any) -> tuple[Condition, ...]:
    return ListCallsV2.model_validate({"filter_criteria": filters}).query().conditions


def test_nothing_asked_means_the_newest_fifty() -> None:
    query = ListCallsV2.model_validate({}).query()
    assert query == CallQuery(conditions=(), is_ascending=False, limit=50, skip=0, after=None, has_total=False)


def test_null_counts_as_absent() -> None:
    sent = {"limit": None, "filter_criteria": {"agent_id": None, "duration_ms": {"lower_threshold": None}}}
    query = ListCallsV2.model_validate(sent).query()
    assert query.conditions == (FieldIs(CallField.DURATION_MS, Between()),)
    assert without_nulls([None]) == [None]


def test_order_limit_and_cursor_are_taken_over() -> None:
    query = ListCallsV2.model_validate({"sort_order": "ascending", "limit": 2, "pagination_key": "call_1"}).query()
    assert (query.is_ascending, query.limit, query.after) == (True, 2, "call_1")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"agent_id": ["a", "b"]}, FieldIs(CallField.AGENT_ID, OneOf(("a", "b")))),
        ({"version": [3]}, FieldIs(CallField.AGENT_VERSION, OneOf((3,)))),
        ({"call_successful": [True]}, FieldIs(CallField.CALL_SUCCESSFUL, OneOf((True,)))),
        ({"user_sentiment": ["Positive"]}, FieldIs(CallField.USER_SENTIMENT, OneOf(("Positive",)))),
        ({"batch_call_id": []}, FieldIs(CallField.BATCH_CALL_ID, OneOf(()))),
        ({"duration_ms": {"lower_threshold": 5}}, FieldIs(CallField.DURATION_MS, Between(lower=5))),
        (
            {"after_start_timestamp": 5, "before_start_timestamp": 9},
            FieldIs(CallField.START_TIMESTAMP, Between(5, 9, is_upper_outside=True)),
        ),
        ({"before_end_timestamp": 9}, FieldIs(CallField.END_TIMESTAMP, Between(None, 9, is_upper_outside=True))),
        ({"metadata": {"tier": ["gold", 5]}}, KeyIs(CallKeys.METADATA, "tier", OneOf(("gold", 5)))),
        ({"dynamic_variables": {"name": ["x"]}}, KeyIs(CallKeys.DYNAMIC_VARIABLES, "name", OneOf(("x",)))),
    ],
    ids=str,
)
def test_each_filter_is_a_condition(filters: dict[str, Any], expected: Condition) -> None:
    assert conditions(**filters) == (expected,)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="a list"),
        pytest.param({"limit": 0}, id="no calls wanted"),
        pytest.param({"limit": 1001}, id="too many calls wanted"),
        pytest.param({"sort_order": "sideways"}, id="an unknown order"),
        pytest.param({"limit": "5"}, id="a text for a number of calls"),
        pytest.param({"limit": True}, id="yes for a number of calls"),
        pytest.param({"filter_criteria": {"colour": ["red"]}}, id="an unknown filter"),
        pytest.param({"filter_criteria": {"duration_ms": {"lower_threshold": "5"}}}, id="a text for a threshold"),
        pytest.param({"filter_criteria": {"duration_ms": {"lower_threshold": True}}}, id="yes for a threshold"),
        pytest.param({"filter_criteria": {"after_start_timestamp": "5"}}, id="a text for a moment"),
        pytest.param({"filter_criteria": {"version": ["0"]}}, id="a text for a version"),
        pytest.param({"filter_criteria": {"version": [False]}}, id="no for a version"),
        pytest.param({"filter_criteria": {"version": [2**70]}}, id="an endless version"),
        pytest.param({"filter_criteria": {"agent_id": [5]}}, id="a number for a text"),
        pytest.param({"filter_criteria": {"in_voicemail": ["yes"]}}, id="a text for a yes"),
        pytest.param({"filter_criteria": {"agent_id": ["a"] * 1_001}}, id="too many choices"),
    ],
)
def test_what_cannot_be_asked_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        ListCallsV2.model_validate(body)


def test_a_text_stays_a_text_and_a_yes_a_yes() -> None:
    [condition] = conditions(metadata={"a": ["5", 5, 5.5, True]})
    assert isinstance(condition, KeyIs)
    assert isinstance(condition.test, OneOf)
    assert [(type(value), value) for value in condition.test.values] == [
        (str, "5"),
        (int, 5),
        (float, 5.5),
        (bool, True),
    ]


@given(st.integers(0, MAX_INTEGER), st.integers(0, MAX_INTEGER))
def test_a_cursor_names_its_place(sort_ms: int, row_id: int) -> None:
    place = Place(sort_ms, row_id)
    assert place_of(place.cursor()) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "call_0123456789abcdef0123456789a",
        "pagination_key",
        "MS4",
        "MS4tMQ",
        "LjE",
        "Zm9v",
        "!!!!",
        "é",
        "A",
        "MS4yLjM",
    ],
)
def test_other_texts_are_no_cursors(text: str) -> None:
    assert place_of(text) is None


def test_a_cursor_beyond_64_bits_is_none() -> None:
    assert place_of(Place(10**19, 1).cursor()) is None
    assert place_of(Place(9_999_999_999_999_999_999, 1).cursor()) is None
