"""Which schemas a server can be asked to hold to."""

from typing import Any

import pytest

from retold.domain.strict_schema import strict_form

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
OPTIONAL = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_every_object_is_closed_wherever_it_stands() -> None:
    schema = {
        "type": "object",
        "properties": {
            "one": OPEN,
            "many": {"type": "array", "items": OPEN},
            "either": {"anyOf": [OPEN, {"type": "null"}]},
            "named": {"$ref": "#/$defs/thing"},
        },
        "required": ["one", "many", "either", "named"],
        "$defs": {"thing": OPEN},
    }
    strict = strict_form(schema)
    assert strict is not None
    assert strict["additionalProperties"] is False
    assert strict["properties"]["one"] == CLOSED
    assert strict["properties"]["many"]["items"] == CLOSED
    assert strict["properties"]["either"]["anyOf"] == [CLOSED, {"type": "null"}]
    assert strict["$defs"]["thing"] == CLOSED
    assert strict_form(strict) == strict


@pytest.mark.parametrize(
    "schema",
    [
        OPTIONAL,
        OPEN | {"additionalProperties": True},
        OPEN | {"additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": OPTIONAL}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "array", "items": OPTIONAL}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"anyOf": [OPTIONAL]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "required": ["a"], "$defs": {"b": OPTIONAL}},
    ],
    ids=str,
)
def test_what_may_be_left_out_or_added_is_not_held_to(schema: dict[str, Any]) -> None:
    assert strict_form(schema) is None


def test_an_object_without_properties_is_closed() -> None:
    assert strict_form({"type": "object"}) == {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize("value", ["{}", 5, None, ["a"], {"a": 5}, {"type": "object"}], ids=str)
def test_data_and_malformed_schemas_stay_as_they_are(value: object) -> None:
    schema = {"type": "string", "enum": value, "items": 5, "anyOf": [5], "$defs": {"a": 5}}
    assert strict_form(schema) == schema
