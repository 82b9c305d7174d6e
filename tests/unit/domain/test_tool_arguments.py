"""Arguments against JSON schemas: what fits passes, and what does not is said in words."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.tool_arguments import fault_in

DEEP: dict[str, Any] = {
    "type": "object",
    "properties": {"people": {"type": "array", "items": {"type": "object", "required": ["age"]}}},
}


@pytest.mark.parametrize(
    ("arguments", "schema", "fault"),
    [
        ({"a": 1}, {}, None),
        ({"a": "x"}, {"properties": {"a": {"type": "string"}}}, None),
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}, "a must be of the type string"),
        ({"a": True}, {"properties": {"a": {"type": "integer"}}}, "a must be of the type integer"),
        ({"a": 2.0}, {"properties": {"a": {"type": "integer"}}}, None),
        ({"a": 2.5}, {"properties": {"a": {"type": "integer"}}}, "a must be of the type integer"),
        ({"a": 2.5}, {"properties": {"a": {"type": "number"}}}, None),
        ({"a": []}, {"properties": {"a": {"type": ["string", "null"]}}}, "a must be of the type string or null"),
        ({"a": None}, {"properties": {"a": {"type": ["string", "null"]}}}, None),
        ({"a": None}, {"properties": {"a": {"type": "string"}}}, None),
        (
            {"a": None},
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            "a must be of the type string",
        ),
        ({}, {"required": ["a"]}, "a is missing"),
        ({"people": [{"age": 1}]}, DEEP, None),
        ({"people": [{"age": 1}, {}]}, DEEP, "people[1].age is missing"),
        ({"people": [3]}, {"properties": {"people": {"type": "array"}}}, None),
        ({"people": [3]}, DEEP, "people[0] must be of the type object"),
        ({"a": "x"}, {"properties": {"a": {"enum": ["y", "z"]}}}, "a must be one of 'y', 'z'"),
        ({"a": 1}, {"properties": {"a": {"enum": [True]}}}, "a must be one of True"),
        ({"a": "y"}, {"properties": {"a": {"enum": ["y", "z"]}}}, None),
        ({"a": "x"}, {"properties": {"a": {"const": "y"}}}, "a must be 'y'"),
        ({"a": 0}, {"properties": {"a": {"minimum": 1}}}, "a must be at least 1"),
        ({"a": 9}, {"properties": {"a": {"maximum": 8}}}, "a must be at most 8"),
        ({"a": ""}, {"properties": {"a": {"minLength": 1}}}, "a must be at least 1 characters long"),
        ({"a": [1, 2]}, {"properties": {"a": {"maxItems": 1}}}, "a must be at most 1 items long"),
        ({"b": 1}, {"properties": {}, "additionalProperties": False}, "b is not known"),
        ({"b": 1}, {"additionalProperties": {"type": "string"}}, "b must be of the type string"),
        ({"a": 1}, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, "a fits none"),
        ({"a": "x"}, {"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}}, None),
        ({"a": "x"}, {"properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 2}]}}}, "a must be at least 2"),
        ([], {"type": "object"}, "the whole must be of the type object"),
    ],
)
def test_the_first_fault_is_named(arguments: Any, schema: dict[str, Any], fault: str | None) -> None:
    found = fault_in(arguments, schema)
    assert found is None if fault is None else found is not None and found.startswith(fault)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing known"},
        {"type": 7},
        {"type": []},
        {"enum": "a"},
        {"required": "a"},
        {"properties": ["a"]},
        {"properties": {"a": 1}},
        {"minimum": "a"},
        {"anyOf": {}},
        {"anyOf": [1]},
        {"$ref": "http://169.254.169.254/schema"},
        {"pattern": "(a+)+$"},
    ],
)
def test_a_schema_that_is_malformed_or_beyond_us_asks_for_nothing(schema: dict[str, Any]) -> None:
    assert fault_in({"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}, schema) is None


def test_what_is_nested_beyond_measure_is_refused() -> None:
    value: Any = []
    schema: dict[str, Any] = {"type": "array"}
    for _ in range(5_000):
        value, schema = [value], {"items": schema}
    assert fault_in(value, schema) == "the arguments are nested too deeply"


leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.text(alphabet="ab", max_size=3)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
types = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries({}, optional={"type": types, "enum": st.lists(leaves, min_size=1, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": types,
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": st.booleans(),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "minimum": st.integers(-2, 2),
            "maxLength": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
        },
    ),
    max_leaves=6,
)


def holds_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(inner is None or holds_null(inner) for inner in value.values())
    return isinstance(value, list) and any(map(holds_null, value))


@given(values.filter(lambda value: not holds_null(value)), schemas)
def test_it_judges_as_a_whole_validator_does(value: Any, schema: dict[str, Any]) -> None:
    assert (fault_in(value, schema) is None) == jsonschema_rs.is_valid(schema, value)
