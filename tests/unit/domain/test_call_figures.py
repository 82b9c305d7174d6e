"""Conditions on columns: for each call what the condition says, and nothing where columns do not tell."""

from typing import Any

import pytest

from retold.domain.call_figures import gathered, is_told, mask_of, together
from retold.domain.call_query import (
    CHOICES,
    NUMBERS,
    AgentIs,
    AgentVersions,
    Between,
    CallField,
    CallKeys,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Present,
    Test,
    TextOp,
    TextPart,
    ToolUsed,
    Unlike,
)

ROWS: list[dict[str, Any]] = [
    {
        "row_id": number,
        "sort_ms": 1_000 + number,
        **dict.fromkeys((*CHOICES, *NUMBERS)),
        "agent_id": agent_id,
        "agent_version": version,
        "call_successful": successful,
        "duration_ms": duration_ms,
    }
    for number, (agent_id, version, successful, duration_ms) in enumerate(
        [("a", 0, True, 10), ("a", 1, False, 20.5), ("b", 0, None, None), ("c", 2, True, 30)]
    )
]
# In two parts, of which the second numbers its values anew.
FIGURES = together([gathered(ROWS[:1]), gathered(ROWS[1:])])


def on(field: CallField, test: Test) -> FieldIs:
    return FieldIs(field, test)


@pytest.mark.parametrize(
    ("condition", "calls"),
    [
        (on(CallField.AGENT_ID, OneOf(("a", "c"))), [0, 1, 3]),
        (on(CallField.AGENT_ID, OneOf(())), []),
        (on(CallField.AGENT_ID, Unlike("a")), [2, 3]),
        (on(CallField.AGENT_ID, Between(1, 2)), []),
        (on(CallField.CALL_SUCCESSFUL, OneOf((True,))), [0, 3]),
        (on(CallField.CALL_SUCCESSFUL, OneOf((1,))), []),
        (on(CallField.CALL_SUCCESSFUL, Present(is_present=True)), [0, 1, 3]),
        (on(CallField.CALL_SUCCESSFUL, Present(is_present=False)), [2]),
        (on(CallField.DURATION_MS, OneOf((10, 30.0))), [0, 3]),
        (on(CallField.DURATION_MS, Unlike(10)), [1, 3]),
        (on(CallField.DURATION_MS, Between(10, 30)), [0, 1, 3]),
        (on(CallField.DURATION_MS, Between(10, 30, is_lower_outside=True, is_upper_outside=True)), [1]),
        (on(CallField.DURATION_MS, Between(lower=20.5)), [1, 3]),
        (on(CallField.DURATION_MS, Between(upper=20.5)), [0, 1]),
        (on(CallField.DURATION_MS, Between()), [0, 1, 3]),
        (on(CallField.DURATION_MS, Present(is_present=True)), [0, 1, 3]),
        (on(CallField.DURATION_MS, Present(is_present=False)), [2]),
        (AgentIs((AgentVersions("a"),)), [0, 1]),
        (AgentIs((AgentVersions("a", (1, 2)), AgentVersions("b"))), [1, 2]),
        (AgentIs(()), []),
    ],
    ids=str,
)
def test_a_condition_is_true_of_its_calls(condition: Condition, calls: list[int]) -> None:
    assert is_told(condition)
    mask = mask_of(FIGURES, condition)
    assert mask is not None
    assert mask.nonzero()[0].tolist() == calls


@pytest.mark.parametrize(
    "condition",
    [
        on(CallField.CALL_ID, OneOf(("call_1",))),
        on(CallField.END_TIMESTAMP, Between(1, 2)),
        on(CallField.AGENT_TAG, TextPart(TextOp.CONTAINS, "a")),
        on(CallField.DURATION_MS, TextPart(TextOp.CONTAINS, "1")),
        KeyIs(CallKeys.METADATA, "tier", OneOf(("gold",))),
        ToolUsed(name="book"),
    ],
    ids=str,
)
def test_of_other_conditions_columns_say_nothing(condition: Condition) -> None:
    assert not is_told(condition)


def test_calls_are_taken_with_the_columns_that_are_wanted() -> None:
    found = FIGURES.where(FIGURES.numbers["duration_ms"] > 15, {"agent_id", "duration_ms"})
    assert found.row_ids.tolist() == [1, 3]
    assert [found.values["agent_id"][code - 1] for code in found.codes["agent_id"]] == ["a", "c"]
    assert {*found.codes, *found.numbers} == {"agent_id", "duration_ms"}
