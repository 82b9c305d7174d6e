"""Which parts of summaries are asked for a condition."""

import pytest

from retold.domain.call_query import (
    Between,
    CallField,
    CallKeys,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    TextOp,
    TextPart,
    ToolUsed,
    Unlike,
)
from retold.storage.call_formula import formula_of
from retold.storage.call_summary import OF_TOOL, has_key, has_slice

LONG = "call_" + "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "condition",
    [
        FieldIs(CallField.CALL_ID, TextPart(TextOp.CONTAINS, LONG)),
        FieldIs(CallField.CALL_ID, TextPart(TextOp.CONTAINS, "abc")),
        FieldIs(CallField.TO_NUMBER, OneOf(("+14155550007",))),
        KeyIs(CallKeys.METADATA, "customer_id", TextPart(TextOp.ENDS_WITH, LONG)),
        KeyIs(CallKeys.METADATA, "tier", OneOf(("gold",))),
    ],
)
def test_of_the_longest_text_few_parts_are_read(condition: Condition) -> None:
    formula = formula_of(condition)
    assert formula is not None
    [way] = formula.ways
    assert 1 <= len(set(way)) == len(way) <= 3


@pytest.mark.parametrize(
    "condition",
    [
        FieldIs(CallField.CALL_ID, TextPart(TextOp.CONTAINS, "ab")),
        FieldIs(CallField.TO_NUMBER, OneOf(("",))),
        FieldIs(CallField.DURATION_MS, Unlike(5)),
        FieldIs(CallField.AGENT_VERSION, OneOf((1,))),
        ToolUsed(type="custom"),
        ToolUsed(name="x" * 300),
    ],
)
def test_nothing_is_known_of_what_is_not_told(condition: Condition) -> None:
    assert formula_of(condition) is None


def test_no_number_is_between_limits_the_wrong_way_round() -> None:
    formula = formula_of(FieldIs(CallField.COMBINED_COST, Between(50, 1)))
    assert formula is not None
    assert formula.ways == ()


def test_tools_are_asked_for_by_name_and_success() -> None:
    book = has_key(OF_TOOL, "book")
    found = [formula_of(ToolUsed(name="book", is_successful=one)) for one in (None, True, False)]
    names = [book, has_slice(OF_TOOL, "book", 1), has_slice(OF_TOOL, "book", 0)]
    assert [(one.names(), one.key) for one in found if one] == [({name}, book) for name in names]
