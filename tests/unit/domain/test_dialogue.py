"""What a model wrote as arguments."""

import pytest

from retold.domain.dialogue import ToolUse


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ('{"a": 1, "b": {"c": []}}', {"a": 1, "b": {"c": []}}),
        ("{}", {}),
        ("", None),
        ("[1]", None),
        ('"text"', None),
        ('{"a": 1', None),
        ("[" * 100_000, None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_arguments_are_an_object_or_nothing(written: str, parsed: object) -> None:
    assert ToolUse("call_1", "tool", written).parsed() == parsed
