"""What list-calls accepts."""

import pytest
from pydantic import ValidationError

from retold.domain.call_query import CallQuery


def test_nothing_asked_means_the_newest_fifty() -> None:
    query = CallQuery.parse({})
    assert (query.sort_order, query.limit, query.pagination_key) == ("descending", 50, None)


def test_null_counts_as_absent() -> None:
    assert CallQuery.parse({"limit": None, "filter_criteria": None}) == CallQuery()


def test_lists_and_ranges_are_taken_over() -> None:
    query = CallQuery.parse({"filter_criteria": {"agent_id": ["a"], "duration_ms": {"lower_threshold": 5}}, "limit": 2})
    assert query.filter_criteria.agent_id == ("a",)
    assert query.filter_criteria.duration_ms is not None
    assert query.filter_criteria.duration_ms.lower_threshold == 5
    assert query.limit == 2


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
        pytest.param({"filter_criteria": {"agent_id": ["a"] * 1_001}}, id="too many choices"),
    ],
)
def test_what_cannot_be_asked_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        CallQuery.parse(body)


def test_a_text_stays_a_text_and_a_yes_a_yes() -> None:
    query = CallQuery.parse({"filter_criteria": {"metadata": {"a": ["5", 5, 5.5, True]}}})
    assert query.filter_criteria.metadata is not None
    assert [(type(value), value) for value in query.filter_criteria.metadata["a"]] == [
        (str, "5"),
        (int, 5),
        (float, 5.5),
        (bool, True),
    ]
