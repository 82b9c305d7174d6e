"""MCP servers as values: which one a tool means, where it is, how its arguments are told."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.dialogue import ToolSpec
from retold.domain.flow import FlowMcp
from retold.domain.llm import Mcp
from retold.domain.llm_tools import McpTool
from retold.domain.mcp import MAX_SCHEMA_CHARS, McpAddress, McpToolInfo, address_of, arguments_schema, server_named
from retold.domain.tool_specs import described_spec, parameters_of
from retold.domain.variables import Variables

KITCHEN = Mcp(name="kitchen", url="https://mcp.example/")
CELLAR = FlowMcp(name="cellar", mcp_id="mcp_2", url="https://mcp.example/cellar")


@pytest.mark.parametrize(
    ("servers", "mcp_id", "meant"),
    [
        ([KITCHEN, CELLAR], "kitchen", KITCHEN),
        ([KITCHEN, CELLAR], "mcp_2", CELLAR),
        ([KITCHEN, CELLAR], "cellar", CELLAR),
        ([KITCHEN, CELLAR], "attic", None),
        ([KITCHEN, CELLAR], None, None),
        ([KITCHEN], None, KITCHEN),
        ([CELLAR, CELLAR], None, CELLAR),
        ([], None, None),
    ],
)
def test_a_server_is_meant_by_its_id_or_name(servers: list[Mcp], mcp_id: str | None, meant: Mcp | None) -> None:
    assert server_named(servers, mcp_id) is meant


def test_variables_stand_in_the_address_the_query_and_the_headers() -> None:
    mcp = Mcp(
        name="kitchen",
        url="https://{{shop}}.example/mcp",
        query_params={"key": "{{key}}"},
        headers={"X-Note": "{{note}} {{none}}"},
    )
    address = address_of(mcp, Variables(of_request={"shop": "pizza", "key": "a b&c", "note": "a\nb"}))
    assert address == McpAddress("https://pizza.example/mcp?key=a%20b%26c", (("X-Note", "a b {{none}}"),))
    assert address_of(KITCHEN, Variables()) == McpAddress("https://mcp.example/")


def test_a_tool_is_shown_as_the_api_names_its_parts() -> None:
    tool = McpToolInfo("find", "Finds.", {"type": "object"})
    assert tool.wire() == {"name": "find", "description": "Finds.", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize(
    ("described", "properties", "required"),
    [
        ({"size": "How many seats."}, {"size": {"type": "string", "description": "How many seats."}}, []),
        ({"size": '{"type": "integer"}'}, {"size": {"type": "integer"}}, []),
        ({"type": "Which kind."}, {"type": {"type": "string", "description": "Which kind."}}, []),
        ({"size": "[1]"}, {"size": {"type": "string", "description": "[1]"}}, []),
        ({"size": "{not JSON"}, {"size": {"type": "string", "description": "{not JSON"}}, []),
        (
            {"type": "object", "properties": '{"size": {"type": "integer"}}', "required": '["size"]'},
            {"size": {"type": "integer"}},
            ["size"],
        ),
    ],
)
def test_arguments_are_told_by_words_or_by_schemas(
    described: dict[str, str], properties: dict[str, object], required: list[str]
) -> None:
    assert arguments_schema(described) == {"type": "object", "properties": properties, "required": required}


def test_a_model_is_told_the_arguments_of_a_tool() -> None:
    tool = McpTool(type="mcp", name="find", description="Finds.", input_schema={"size": '{"type": "integer"}'})
    assert parameters_of(tool)["properties"] == {"size": {"type": "integer"}}


@given(st.dictionaries(st.text(max_size=5), st.text() | st.sampled_from(["[1]", "{}", " [[", "null", "1"])))
def test_any_texts_make_a_schema_of_an_object(described: dict[str, str]) -> None:
    assert arguments_schema(described)["type"] == "object"


def info(**schema: Any) -> McpToolInfo:
    return McpToolInfo("read", "Reads {{name}}.", schema)


def test_what_a_server_says_of_its_tool_is_offered_as_it_is() -> None:
    offered = ToolSpec("read", "", {"type": "object", "properties": {}}, is_strict=True)
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    assert described_spec(offered, info(**schema)) == ToolSpec("read", "Reads {{name}}.", schema, is_strict=True)
    named = replace(offered, description="Look.")
    assert described_spec(named, info(type="object")) == replace(named, parameters={"type": "object", "properties": {}})


@pytest.mark.parametrize(
    ("schema", "is_plain"),
    [
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"path": {"type": "string"}}}, True),
        ({"type": "object", "properties": []}, False),
        ({"type": "string"}, False),
        ({}, False),
        ({"type": "object", "properties": {"path": {"description": "x" * MAX_SCHEMA_CHARS}}}, False),
    ],
)
def test_only_what_vendors_take_is_offered(schema: dict[str, Any], *, is_plain: bool) -> None:
    assert info(**schema).is_plain is is_plain
