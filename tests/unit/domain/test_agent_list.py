"""The conditions of list-agents."""

import pytest

from retold.domain.agent_list import TextCondition


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [
        ("eq", "voice", True),
        ("eq", "chat", False),
        ("ne", "chat", True),
        ("ne", "voice", False),
        ("sw", "vo", True),
        ("sw", "oi", False),
        ("ew", "ice", True),
        ("ew", "voi", False),
        ("co", "oic", True),
        ("co", "chat", False),
    ],
)
def test_a_text_compares_as_the_operator_says(op: str, value: str, holds: bool) -> None:
    assert TextCondition.model_validate({"type": "string", "op": op, "value": value}).holds("voice") is holds
