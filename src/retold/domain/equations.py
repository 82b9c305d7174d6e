"""Equations on variables, by which a flow decides without asking a model (SDK 6.2.13 `EquationCondition`)."""

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from retold.domain.agent_options import LongText, RequestModel
from retold.domain.variables import Lookup, fill_whole

EquationOperator = Literal["==", "!=", ">", ">=", "<", "<=", "contains", "not_contains", "exists", "not_exist"]
JoiningOperator = Literal["||", "&&"]
MAX_EQUATIONS = 50
# ASCII digits only, and exponents that keep a comparison cheap.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_ORDERS: Final[dict[str, Callable[[Decimal | str, Decimal | str], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Equation(RequestModel):
    """One comparison; both sides may hold `{{variables}}`. `exists` and `not_exist` look at the left side only."""

    left: LongText
    operator: EquationOperator
    right: LongText | None = None


Equations = Annotated[list[Equation], Field(max_length=MAX_EQUATIONS)]


def all_hold(equations: Sequence[Equation], joined_by: JoiningOperator, lookup: Lookup) -> bool:
    """Whether the equations hold, all of them (`&&`) or one (`||`); none at all never hold."""
    results = (holds(equation, lookup) for equation in equations)
    return any(results) if joined_by == "||" or not equations else all(results)


def holds(equation: Equation, lookup: Lookup) -> bool:
    """Whether one equation holds.

    A side with a variable that is not set equals nothing and contains nothing. Sides that are both numbers are compared
    as numbers, sides of which none is one as text; a number and a text are different and have no order.
    """
    left = fill_whole(equation.left, lookup)
    if equation.operator in {"exists", "not_exist"}:
        return (left is not None) == (equation.operator == "exists")
    right = fill_whole(equation.right or "", lookup)
    match equation.operator:
        case "==" | "!=":
            is_same = left is not None and right is not None and _comparable(left) == _comparable(right)
            return is_same == (equation.operator == "==")
        case "contains" | "not_contains":
            is_in = left is not None and right is not None and right.strip() in left
            return is_in == (equation.operator == "contains")
        case _:
            return left is not None and right is not None and _is_ordered(left, equation.operator, right)


def _is_ordered(left: str, order: str, right: str) -> bool:
    one, other = _comparable(left), _comparable(right)
    return isinstance(one, Decimal) == isinstance(other, Decimal) and _ORDERS[order](one, other)


def _comparable(side: str) -> Decimal | str:
    """A number where the side is one, else its text without the spaces around it."""
    side = side.strip()
    return Decimal(side) if _NUMBER.fullmatch(side) else side
