"""How the tools of an agent are offered to a model: names, descriptions and the schemas of their arguments; pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem
from retold.domain.dialogue import ToolSpec
from retold.domain.llm_tools import (
    AgentSwap,
    BridgeTransfer,
    CalComTool,
    CancelTransfer,
    CustomTool,
    EndCall,
    ExtractDynamicVariable,
    McpTool,
    PressDigit,
    SendSms,
    Tool,
    TransferCall,
)
from retold.domain.mcp import MAX_SCHEMA_CHARS, McpToolInfo, arguments_schema

_DESCRIPTIONS: Final[tuple[tuple[type, str], ...]] = (
    (EndCall, "End the call."),
    (TransferCall, "Transfer the call to somebody else."),
    (AgentSwap, "Hand the call over to another agent."),
    (PressDigit, "Press keys of the telephone."),
    (SendSms, "Send a text message to the caller."),
    (BridgeTransfer, "Connect the caller with the person you talked to."),
    (CancelTransfer, "Do not connect the caller with the person you talked to."),
)
"""Of tools whose author gave none."""
NO_ARGUMENTS: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}


def spec_of(tool: Tool, fill: Callable[[str], str], *, is_strict: bool = False) -> ToolSpec:
    """A tool as a model sees it; `fill` puts variables into the descriptions, those of arguments too."""
    description = tool.description or next((text for kind, text in _DESCRIPTIONS if isinstance(tool, kind)), "")
    return ToolSpec(tool.name, fill(description), filled_schema(parameters_of(tool), fill), is_strict)


def described_spec(spec: ToolSpec, info: McpToolInfo) -> ToolSpec:
    """The same with what a server says of its tool; variables are none of the server's."""
    description = spec.description or info.description[:MAX_SCHEMA_CHARS]
    return replace(spec, description=description, parameters={"properties": {}, **info.input_schema})


def parameters_of(tool: Tool) -> Mapping[str, Any]:  # noqa: PLR0911 - one arm per kind
    """The JSON schema of a tool's arguments."""
    match tool:
        case CustomTool(parameters=parameters) if parameters is not None:
            return parameters.model_dump(exclude_none=True)
        case ExtractDynamicVariable(variables=variables):
            return variables_schema(variables)
        case PressDigit():
            return _object({"digits": _text("The keys to press: digits, * and #.")}, ["digits"])
        case McpTool(input_schema=described) if described:
            return arguments_schema(described)
        case CalComTool(type="check_availability_cal"):
            return _object(
                {
                    "start_date": _text("The first day to look at, such as 2026-03-28."),
                    "end_date": _text("The last day to look at, such as 2026-03-29."),
                },
                ["start_date", "end_date"],
            )
        case CalComTool():
            return _object(
                {
                    "time": _text("When it begins, in ISO 8601 with the offset from UTC, such as one that is free."),
                    "name": _text("The full name of who comes."),
                    "email": _text("The email address of who comes."),
                    "phone": _text("The phone number of who comes, if it was given."),
                },
                ["time", "name", "email"],
            )
        case _:
            return NO_ARGUMENTS


def variables_schema(variables: list[AnalysisItem | EnumAnalysisItem]) -> dict[str, Any]:
    """The schema of an object that holds these variables."""
    required = [variable.name for variable in variables if variable.required]
    return _object({variable.name: _variable(variable) for variable in variables}, required)


def filled_schema(schema: Mapping[str, Any], fill: Callable[[str], str]) -> dict[str, Any]:
    """A schema whose descriptions have their variables filled in, at any depth."""
    return cast("dict[str, Any]", _filled(schema, fill))


def _filled(part: Any, fill: Callable[[str], str]) -> Any:
    if isinstance(part, Mapping):
        fields = cast("Mapping[str, Any]", part)
        return {
            name: fill(value) if name == "description" and isinstance(value, str) else _filled(value, fill)
            for name, value in fields.items()
        }
    return [_filled(one, fill) for one in cast("list[Any]", part)] if isinstance(part, list) else part


def _variable(variable: AnalysisItem | EnumAnalysisItem) -> dict[str, Any]:
    hints = [variable.description]
    if variable.conditional_prompt:
        hints.append(f"Only when: {variable.conditional_prompt}")
    if isinstance(variable, EnumAnalysisItem):
        return {"type": "string", "enum": variable.choices, "description": " ".join(hints)}
    if variable.examples:
        hints.append(f"Examples: {', '.join(variable.examples)}.")
    return {"type": variable.type, "description": " ".join(hints)}


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}
