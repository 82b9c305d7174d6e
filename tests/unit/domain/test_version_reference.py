"""How a version is named."""

import pytest
from pydantic import TypeAdapter, ValidationError

from retold.domain.version_reference import Tag, parse_version, unknown_agent
from retold.errors import InvalidRequest


@pytest.mark.parametrize(
    ("reference", "means"),
    [
        (None, "latest"),
        (3, 3),
        ("3", 3),
        ("latest", "latest"),
        ("latest_published", "latest_published"),
        ("prod", "prod"),
        ("v1.2-rc", "v1.2-rc"),
    ],
)
def test_a_reference_is_a_number_a_tag_or_one_of_two_words(reference: str | int | None, means: str | int) -> None:
    assert parse_version(reference) == means


@pytest.mark.parametrize("reference", [-1, 2**31, "-1", "9999999999", "99999999999", "", "a b", "x" * 65, "a/b"])
def test_anything_else_is_refused(reference: str | int) -> None:
    with pytest.raises(InvalidRequest, match="is not known"):
        parse_version(reference)


@pytest.mark.parametrize("tag", ["latest", "latest_published", "12", "", "a b"])
def test_a_tag_cannot_be_called_like_another_reference(tag: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Tag).validate_python(tag)
    assert TypeAdapter(Tag).validate_python("prod") == "prod"


def test_an_unknown_version_is_named_with_its_agent() -> None:
    assert unknown_agent("agent_1", "prod").message.endswith("no agent agent_1 version prod")
    assert unknown_agent("agent_1").message.endswith("no agent agent_1")
