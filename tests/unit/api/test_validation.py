"""What a client is told of its mistakes, and that the telling costs next to nothing."""

import time
from typing import Any

import pytest
from starlette.responses import Response

from retold.api.body import warn_of_dropped
from retold.api.context import MAX_WARNINGS, WARNING_HEADER
from retold.api.validation import explain, ignored_fields
from retold.domain.agent_request import NewAgent


def cost_ms(sent: dict[str, Any], kept: dict[str, Any]) -> float:
    """Computing time, the best of five: what else the machine does is not ours."""
    costs: list[float] = []
    for _ in range(5):
        response = Response()
        began = time.thread_time()
        warn_of_dropped(response, sent, kept, NewAgent)
        costs.append((time.thread_time() - began) * 1000)
        assert len(response.headers.getlist(WARNING_HEADER)) == min(len(sent.keys() - kept.keys()), MAX_WARNINGS)
    return min(costs)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param({f"begin_messag_delay_msx{n}": 1 for n in range(500)}, {}, id="500 unknown fields"),
        pytest.param({"voice_temperature" * 500 + str(n): 1 for n in range(500)}, {}, id="500 long names"),
        pytest.param({"boosted_keywords": ["a"] * 10_000}, {"boosted_keywords": ["a"] * 10_000}, id="a long list"),
    ],
)
def test_ignored_fields_are_told_within_a_moment(sent: dict[str, Any], kept: dict[str, Any]) -> None:
    # Unbounded, these took seconds to minutes; the bound is wide because machines are shared.
    assert cost_ms(sent, kept) < 250


def test_ignored_fields_are_found_at_any_depth() -> None:
    sent = {"a": [{"b": 1, "c": 2}, 5], "d": {"e": 1}}
    assert list(ignored_fields(sent, {"a": [{"b": 1}, 5]})) == ["a[0].c", "d"]


def test_of_very_many_problems_the_first_are_named() -> None:
    problems = [{"type": "string_type", "loc": ("body", "a", n), "msg": "Input should be x"} for n in range(100_000)]
    began = time.thread_time()
    error = explain(problems, {"a": [1] * 100_000})
    assert time.thread_time() - began < 5
    assert error.field == "a[0]"
    assert "a[10]" in error.message
    assert "a[11]" not in error.message
