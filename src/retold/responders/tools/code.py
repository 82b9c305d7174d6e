"""The tool `code`: JavaScript that is run on this server, in a sandbox."""

import re
from collections.abc import Iterable
from typing import Final

import orjson

from retold.domain.code_outcome import CodeOutcome
from retold.domain.dialogue import ToolUse
from retold.domain.json_paths import values_at
from retold.domain.llm_tools import CodeTool
from retold.domain.system_variables import NAMES
from retold.domain.variables import Variables, text_of
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import ToolResult

DEFAULT_TIMEOUT_MS: Final = 30_000
_SHOWN_LOG_CHARS: Final = 1_000
_NAMED: Final = re.compile(r"""\bdv\s*(?:\?\.)?\s*(?:\.\s*([\w$]+)|\[\s*["'`]([^"'`\]]{1,200})["'`]\s*\])""")


async def run(tool: CodeTool, use: ToolUse, context: ToolContext) -> ToolResult:
    """Run the code of the tool; what it returns is the result, what it throws is told the model."""
    outcome = await context.services.sandbox.run(
        tool.code,
        variables_for(tool.code, context.variables),
        (tool.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000,
        metadata=context.record.call.metadata,
    )
    if outcome.value_json is None:
        return ToolResult(_failure(use.name, outcome), successful=False)
    value = orjson.loads(outcome.value_json)
    return ToolResult(text_of(value), successful=True, variables=values_at(value, tool.response_variables or {}))


def variables_for(code: str, variables: Variables) -> dict[str, str]:
    """`dv`: all variables that have a value; of those of the system, whose names have no end, also what code names."""
    named = (first or second for first, second in _NAMED.findall(code))
    return _valued((*NAMES, *named), variables) | variables.named()


def _valued(names: Iterable[str], variables: Variables) -> dict[str, str]:
    return {name: value.text for name in names if (value := variables.value(name)) is not None}


def _failure(name: str, outcome: CodeOutcome) -> str:
    said = f"{name} failed: {outcome.error}"
    return f"{said}\nIt wrote: {outcome.log[:_SHOWN_LOG_CHARS]}" if outcome.log else said
