"""What list-calls v3 accepts, and what it means."""

from typing import Any

import pytest
from pydantic import ValidationError

from retold.domain.call_filter import ListCallsV3
from retold.domain.call_query import (
    AgentIs,
    AgentVersions,
    Between,
    CallField,
    CallKeys,
    CallQuery,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Present,
    TextOp,
    TextPart,
    ToolUsed,
    Unlike,
)


def text(op: str) -> dict[str, Any]:
    return {"type": "string", "op": op, "value": "abc"}


def number(op: str) -> dict[str, Any]:
    return {"type": "number", "op": op, "value": 5}


RANGE = {"type": "range", "op": "bt", "value": [1, 2.5]}
YES = {"type": "boolean", "op": "eq", "value": True}


def test_everything_beside_the_filters_is_taken_over() -> None:
    sent = {
        "sort_order": "ascending",
        "limit": 7,
        "skip": 3,
        "pagination_key": "x",
        "include_total": True,
        "filter_criteria": None,
    }
    assert ListCallsV3.model_validate(sent).query() == CallQuery((), True, 7, 3, "x", True)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"call_id": text("eq")}, FieldIs(CallField.CALL_ID, OneOf(("abc",)))),
        ({"to_number": text("ne")}, FieldIs(CallField.TO_NUMBER, Unlike("abc"))),
        ({"to_number": text("sw")}, FieldIs(CallField.TO_NUMBER, TextPart(TextOp.STARTS_WITH, "abc"))),
        ({"to_number": text("ew")}, FieldIs(CallField.TO_NUMBER, TextPart(TextOp.ENDS_WITH, "abc"))),
        ({"from_number": text("co")}, FieldIs(CallField.FROM_NUMBER, TextPart(TextOp.CONTAINS, "abc"))),
        ({"duration_ms": number("eq")}, FieldIs(CallField.DURATION_MS, OneOf((5,)))),
        ({"duration_ms": number("ne")}, FieldIs(CallField.DURATION_MS, Unlike(5))),
        ({"duration_ms": number("gt")}, FieldIs(CallField.DURATION_MS, Between(lower=5, is_lower_outside=True))),
        ({"duration_ms": number("ge")}, FieldIs(CallField.DURATION_MS, Between(lower=5))),
        ({"duration_ms": number("lt")}, FieldIs(CallField.DURATION_MS, Between(upper=5, is_upper_outside=True))),
        ({"duration_ms": number("le")}, FieldIs(CallField.DURATION_MS, Between(upper=5))),
        ({"combined_cost": RANGE}, FieldIs(CallField.COMBINED_COST, Between(1, 2.5))),
        ({"in_voicemail": YES}, FieldIs(CallField.IN_VOICEMAIL, OneOf((True,)))),
        (
            {"call_status": {"type": "enum", "op": "in", "value": ["ended", "error"]}},
            FieldIs(CallField.CALL_STATUS, OneOf(("ended", "error"))),
        ),
        (
            {"disconnection_reason": {"type": "enum", "op": "in", "value": ["call_take_over", "dial_busy"]}},
            FieldIs(CallField.DISCONNECTION_REASON, OneOf(("call_take_over", "dial_busy"))),
        ),
        ({"agent": [{"agent_id": "a"}]}, AgentIs((AgentVersions("a"),))),
        ({"agent": [{"agent_id": "a", "version": [1.0, 2]}]}, AgentIs((AgentVersions("a", (1, 2)),))),
        ({"agent": [{"agent_id": "a", "version": None}]}, AgentIs((AgentVersions("a"),))),
        (
            {"metadata": [{"key": "k", "type": "present", "op": "np"}]},
            KeyIs(CallKeys.METADATA, "k", Present(is_present=False)),
        ),
        ({"dynamic_variables": [{"key": "k", **text("eq")}]}, KeyIs(CallKeys.DYNAMIC_VARIABLES, "k", OneOf(("abc",)))),
        ({"custom_analysis_data": [{"key": "k", **RANGE}]}, KeyIs(CallKeys.CUSTOM_ANALYSIS_DATA, "k", Between(1, 2.5))),
        ({"custom_attributes": [{"key": "k", **YES}]}, KeyIs(CallKeys.CUSTOM_ATTRIBUTES, "k", OneOf((True,)))),
        ({"tool_calls": [{"name": "book"}]}, ToolUsed(name="book")),
        (
            {"tool_calls": [{"type": "custom", "latency_ms": RANGE, "success": YES}]},
            ToolUsed(type="custom", latency_ms=Between(1, 2.5), is_successful=True),
        ),
    ],
    ids=str,
)
def test_each_filter_is_a_condition(filters: dict[str, Any], expected: Condition) -> None:
    query = ListCallsV3.model_validate({"filter_criteria": filters}).query()
    assert query.conditions == (expected,)


@pytest.mark.parametrize(
    "filters",
    [
        pytest.param({"colour": text("eq")}, id="an unknown filter"),
        pytest.param({"to_number": {**text("eq"), "values": []}}, id="an unknown part of a filter"),
        pytest.param({"to_number": number("eq")}, id="a number where a text is asked"),
        pytest.param({"to_number": text("like")}, id="an unknown comparison"),
        pytest.param({"call_status": {"type": "enum", "op": "in", "value": ["registered"]}}, id="no status of v3"),
        pytest.param({"call_status": {"type": "enum", "op": "in", "value": "ended"}}, id="a text for a list"),
        pytest.param({"duration_ms": {"type": "number", "op": "eq", "value": "5"}}, id="a text for a number"),
        pytest.param({"duration_ms": {"type": "range", "op": "bt", "value": [1]}}, id="half a range"),
        pytest.param({"in_voicemail": {**YES, "value": 1}}, id="a number for a yes"),
        pytest.param({"metadata": [text("eq")]}, id="no key"),
        pytest.param({"metadata": {"k": ["v"]}}, id="the form of v2"),
        pytest.param({"agent": [{"version": [1]}]}, id="a version of no agent"),
        pytest.param({"agent": [{"agent_id": "a", "version": [1.5]}]}, id="half a version"),
        pytest.param({"agent": [{"agent_id": "a", "version": 1}]}, id="a version that is no list"),
        pytest.param({"agent": [{"agent_id": "a"}] * 101}, id="too many agents"),
    ],
)
def test_what_cannot_be_asked_is_refused(filters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ListCallsV3.model_validate({"filter_criteria": filters})
