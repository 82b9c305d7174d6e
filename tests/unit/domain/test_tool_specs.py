"""How tools are offered to a model."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from retold.domain.llm_tools import Tool
from retold.domain.tool_specs import spec_of

TOOL: TypeAdapter[Tool] = TypeAdapter(Tool)


def filled(text: str) -> str:
    return text.replace("{{shop}}", "the Blue Olive")


def schema_of(**fields: Any) -> dict[str, Any]:
    return dict(spec_of(TOOL.validate_python({"name": "t", **fields}), filled).parameters)


def test_descriptions_are_filled_in_and_a_tool_without_one_has_ours() -> None:
    bye = {"type": "end_call", "name": "bye"}
    written = spec_of(TOOL.validate_python({**bye, "description": "Leave {{shop}}."}), filled)
    assert (written.name, written.description) == ("bye", "Leave the Blue Olive.")
    assert spec_of(TOOL.validate_python(bye), filled).description == "End the call."


def test_a_custom_tool_takes_what_its_author_says() -> None:
    guests = {"type": "integer", "description": "At {{shop}}."}
    asked = {"type": "object", "properties": {"guests": guests, "days": {"enum": ["mo", "tu"]}}}
    schema = schema_of(type="custom", url="https://example.com", parameters=asked)
    assert schema["properties"] == {
        "guests": {"type": "integer", "description": "At the Blue Olive."},
        "days": {"enum": ["mo", "tu"]},
    }
    assert schema_of(type="custom", url="https://example.com") == {"type": "object", "properties": {}}


def test_keys_are_pressed_by_their_digits() -> None:
    schema = schema_of(type="press_digit")
    assert (list(schema["properties"]), schema["required"]) == (["digits"], ["digits"])


@pytest.mark.parametrize(
    ("kind", "properties", "required"),
    [
        ("check_availability_cal", ["start_date", "end_date"], ["start_date", "end_date"]),
        ("book_appointment_cal", ["time", "name", "email", "phone"], ["time", "name", "email"]),
    ],
)
def test_the_calendar_is_asked_in_its_own_words(kind: str, properties: list[str], required: list[str]) -> None:
    schema = schema_of(type=kind, cal_api_key="k", event_type_id=1)
    assert (list(schema["properties"]), schema["required"]) == (properties, required)


def test_a_tool_of_an_mcp_server_takes_what_its_author_says() -> None:
    described = {"type": "mcp", "description": "Look it up."}
    assert "city" in schema_of(**described, input_schema={"city": "string"})["properties"]
    assert schema_of(**described) == {"type": "object", "properties": {}}


def test_variables_are_read_with_their_hints() -> None:
    schema = schema_of(
        type="extract_dynamic_variable",
        description="Read them.",
        variables=[
            {"type": "number", "name": "guests", "description": "How many.", "examples": ["2", "4"], "required": True},
            {"type": "boolean", "name": "dog", "description": "Brings a dog.", "conditional_prompt": "a dog is named"},
            {"type": "enum", "name": "room", "description": "Where.", "choices": ["inside", "garden"]},
        ],
    )
    assert schema["properties"] == {
        "guests": {"type": "number", "description": "How many. Examples: 2, 4."},
        "dog": {"type": "boolean", "description": "Brings a dog. Only when: a dog is named"},
        "room": {"type": "string", "enum": ["inside", "garden"], "description": "Where."},
    }
    assert schema["required"] == ["guests"]
