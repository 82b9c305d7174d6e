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
        pytest.param({"filter_criteria": {"colour": ["red"]}}, id="an unknown filter"),
    ],
)
def test_what_cannot_be_asked_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        CallQuery.parse(body)
