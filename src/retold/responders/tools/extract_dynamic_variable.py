"""The tool extract_dynamic_variable: what the model read out of the conversation becomes variables."""

from typing import Any

from pydantic import JsonValue

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem
from retold.domain.dialogue import ToolUse
from retold.domain.llm_tools import ExtractDynamicVariable
from retold.domain.variables import text_of
from retold.responders.tools.result import ToolResult

_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "number": (int, float)}


def run(tool: ExtractDynamicVariable, use: ToolUse) -> ToolResult:
    """Take the arguments for the variables' values: the model was asked for just these."""
    found: dict[str, JsonValue] = {}
    wrong: list[str] = []
    arguments = use.parsed() or {}
    for variable in tool.variables:
        value = arguments.get(variable.name)
        if value is None:
            wrong += [f"{variable.name} is missing"] if variable.required else []
        elif _fits(variable, value):
            found[variable.name] = value
        else:
            wanted = " or ".join(variable.choices) if isinstance(variable, EnumAnalysisItem) else f"a {variable.type}"
            wrong.append(f"{variable.name} must be {wanted}")
    noted = ", ".join(f"{name}: {text_of(value)}" for name, value in found.items()) or "nothing"
    problems = f" Not noted: {'; '.join(wrong)}." if wrong else ""
    return ToolResult(f"Noted: {noted}.{problems}", successful=not wrong, variables=found)


def _fits(variable: AnalysisItem | EnumAnalysisItem, value: Any) -> bool:
    if isinstance(variable, EnumAnalysisItem):
        return value in variable.choices
    is_flag = isinstance(value, bool)
    return isinstance(value, _TYPES[variable.type]) and is_flag == (variable.type == "boolean")
