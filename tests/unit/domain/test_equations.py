"""Equations decide as a reader of a flow would, whatever their variables hold."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter, ValidationError

from retold.domain.equations import MAX_EQUATIONS, Equation, EquationOperator, Equations, all_hold, holds
from retold.domain.variables import Variables

VALUES: dict[str, JsonValue] = {
    "age": "30",
    "name": "Ada Lovelace",
    "empty": "",
    "yes": True,
    "price": 9.5,
    "id": "9007199254740993",
    "date": "2024-03-01",
    "half": "{{unset}}",
}
LOOKUP = Variables(of_request=VALUES).value


def is_true(left: str, operator: EquationOperator, right: str | None = None) -> bool:
    return holds(Equation(left=left, operator=operator, right=right), LOOKUP)


@pytest.mark.parametrize(
    ("left", "operator", "right", "is_held"),
    [
        ("{{age}}", "==", "30", True),
        ("{{age}}", "==", " 30.0 ", True),
        ("{{age}}", "!=", "30.0", False),
        ("{{age}}", ">", "4", True),
        ("{{age}}", ">", "30", False),
        ("{{age}}", ">=", "30", True),
        ("{{age}}", "<", "100", True),
        ("{{age}}", "<=", "29.9", False),
        ("-.5e1", "<", "+4.", True),
        ("{{price}}", "<", "{{age}}", True),
        ("{{id}}", "==", "9007199254740992", False),
        ("{{id}}", ">", "9007199254740992", True),
        ("{{yes}}", "==", "true", True),
        ("{{name}}", "==", "Ada Lovelace", True),
        ("{{name}}", "==", "ada lovelace", False),
        ("Dr. {{name}}", "==", "Dr. Ada Lovelace", True),
        ("{{date}}", ">", "2024-02-29", True),
        ("{{name}}", ">", "5", False),
        ("{{name}}", "<", "5", False),
        ("{{name}}", "contains", "Love", True),
        ("{{name}}", "contains", "love", False),
        ("{{name}}", "not_contains", "Babbage", True),
        ("{{name}}", "not_contains", "{{missing}}", True),
        ("{{age}}", "contains", "3", True),
        ("{{empty}}", "==", "", True),
        ("{{empty}}", "==", None, True),
        ("{{age}}", "==", None, False),
        ("{{empty}}", "exists", None, True),
        ("{{empty}}", "not_exist", None, False),
        ("{{ age }}", "exists", None, True),
        ("{{missing}}", "exists", None, False),
        ("{{missing}}", "not_exist", "ignored", True),
        ("{{half}}", "exists", None, True),
        ("{{a{{missing}}}}", "exists", None, False),
        ("{{missing}}", "==", "{{missing}}", False),
        ("{{missing}}", "==", "", False),
        ("{{missing}}", "!=", "30", True),
        ("30", "!=", "{{missing}}", True),
        ("{{missing}}", ">", "18", False),
        ("{{missing}}", "<", "18", False),
        ("18", ">", "{{missing}}", False),
        ("{{missing}}", "contains", "miss", False),
        ("nan", "==", "NaN", False),
        ("inf", ">", "5", False),
        ("٣", "==", "3", False),
        ("1e9999", "==", "1e9999", True),
    ],
)
def test_each_operator(left: str, operator: EquationOperator, right: str | None, is_held: bool) -> None:
    assert is_true(left, operator, right) is is_held


@pytest.mark.parametrize(
    ("results", "of_all", "of_one"),
    [((), False, False), ((True,), True, True), ((False,), False, False), ((True, False), False, True)],
)
def test_equations_are_joined(results: tuple[bool, ...], of_all: bool, of_one: bool) -> None:
    equations = [Equation(left="a", operator="==" if result else "!=", right="a") for result in results]
    assert all_hold(equations, "&&", LOOKUP) is of_all
    assert all_hold(equations, "||", LOOKUP) is of_one


def test_a_condition_has_at_most_fifty_equations() -> None:
    adapter = TypeAdapter(Equations)
    one = {"left": "{{x}}", "operator": "exists"}
    assert len(adapter.validate_python([one] * MAX_EQUATIONS)) == MAX_EQUATIONS
    with pytest.raises(ValidationError):
        adapter.validate_python([one] * (MAX_EQUATIONS + 1))


def test_what_the_caller_said_is_not_resolved_in_an_equation() -> None:
    lookup = Variables(of_request={"secret": "1"}, collected={"said": "{{secret}}"}).value
    assert not holds(Equation(left="{{said}}", operator="==", right="{{secret}}"), lookup)
    assert holds(Equation(left="{{said}}", operator="exists"), lookup)


SIDES = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["{{a}}", "{{b}}", "{{none}}", "x{{a}}"]),
    st.integers().map(str),
    st.floats().map(str),
)
KNOWN = st.dictionaries(st.sampled_from("ab"), st.text(max_size=5) | st.integers() | st.booleans())


@given(SIDES, SIDES, KNOWN)
def test_operators_and_their_opposites_never_agree(left: str, right: str, known: dict[str, JsonValue]) -> None:
    lookup = Variables(of_request=known).value

    def held(operator: EquationOperator) -> bool:
        return holds(Equation(left=left, operator=operator, right=right), lookup)

    assert held("==") != held("!=")
    assert held("contains") != held("not_contains")
    assert held("exists") != held("not_exist")
    assert not (held(">") and held("<"))
    assert held(">") <= held(">=")
    assert held("<") <= held("<=")
    # What has an order is more, less or the same, and the same only if it is equal.
    assert (held(">=") and held("<=")) == (held("==") and held(">="))


@given(SIDES, SIDES, KNOWN)
def test_sides_can_be_swapped(left: str, right: str, known: dict[str, JsonValue]) -> None:
    lookup = Variables(collected=known).value

    def held(one: str, operator: EquationOperator, other: str) -> bool:
        return holds(Equation(left=one, operator=operator, right=other), lookup)

    assert held(left, "==", right) == held(right, "==", left)
    assert held(left, ">", right) == held(right, "<", left)
    assert held(left, ">=", right) == held(right, "<=", left)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6), st.integers())
def test_numbers_are_compared_as_numbers(one: Decimal, other: int) -> None:
    assert is_true(str(one), "<", str(other)) == (one < other)
