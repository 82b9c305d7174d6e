"""The tool `code`, with a sandbox that says what the test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import JsonValue

from retold.domain.code_outcome import CodeOutcome
from retold.domain.dialogue import ToolUse
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import CodeTool
from retold.domain.variables import Variables
from retold.providers.scripted_model import ScriptedModel
from retold.responders.tools.context import ToolContext, ToolServices
from retold.responders.tools.result import ToolResult
from retold.responders.tools.run import run_tool
from support.minds import SlowHttp, no_key
from support.model_server import script
from support.stored import make_record
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

SYSTEM = {"call_id": "call_1", "current_hour": "3.5", "current_time_Europe/Paris": "noon in Paris"}


@dataclass
class Sandbox:
    """Comes to `outcome`, whatever it is asked."""

    outcome: CodeOutcome
    code: str = ""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 0
    metadata: Mapping[str, JsonValue] | None = None

    async def run(
        self,
        code: str,
        variables: Mapping[str, str],
        timeout_s: float,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CodeOutcome:
        self.code, self.variables, self.timeout_s, self.metadata = code, dict(variables), timeout_s, metadata
        return self.outcome


async def run(sandbox: Sandbox, *, variables: Variables | None = None, **fields: Any) -> ToolResult:
    tool = CodeTool.model_validate({"type": "code", "name": "total", "code": "return 1"} | fields)
    context = ToolContext(
        record=make_record(metadata={"tier": "gold"}),
        variables=variables or Variables(),
        transcript=(),
        model=ScriptedModel(script()),
        primary=PrimaryModel(model="gpt-4.1"),
        services=ToolServices(http=SlowHttp(), sandbox=sandbox, clock=VirtualClock(), webhook_key=no_key),
    )
    return await run_tool(tool, ToolUse("tool_1", "total", "{}"), context)


async def test_what_code_returns_is_the_result_and_becomes_variables() -> None:
    sandbox = Sandbox(CodeOutcome('{"total":"$19.00","lines":[{"name":"tea"}]}'))
    result = await run(sandbox, response_variables={"total": "total", "first": "lines[0].name", "none": "nobody"})
    assert result == ToolResult(
        '{"total":"$19.00","lines":[{"name":"tea"}]}',
        successful=True,
        variables={"total": "$19.00", "first": "tea"},
    )


@pytest.mark.parametrize(("value", "content"), [('"hello"', "hello"), ("null", "null"), ("1.5", "1.5")])
async def test_a_plain_value_is_told_plainly(value: str, content: str) -> None:
    assert await run(Sandbox(CodeOutcome(value))) == ToolResult(content, successful=True)


async def test_what_code_throws_is_told_the_model_with_what_it_wrote() -> None:
    failed = await run(Sandbox(CodeOutcome(None, "TypeError: no (line 2)", log="x" * 2_000)))
    assert failed == ToolResult("total failed: TypeError: no (line 2)\nIt wrote: " + "x" * 1_000, successful=False)
    silent = await run(Sandbox(CodeOutcome(None, "the code took longer than 5 s")))
    assert silent == ToolResult("total failed: the code took longer than 5 s", successful=False)


async def test_code_gets_the_metadata_and_its_time() -> None:
    sandbox = Sandbox(CodeOutcome("1"))
    await run(sandbox, timeout_ms=5_000)
    assert (sandbox.code, sandbox.timeout_s, sandbox.metadata) == ("return 1", 5.0, {"tier": "gold"})
    await run(sandbox)
    assert sandbox.timeout_s == 30.0


async def test_code_sees_all_variables_and_those_of_the_system_that_it_names() -> None:
    sandbox = Sandbox(CodeOutcome("1"))
    variables = Variables(system=SYSTEM.get, of_request={"name": "Ann", "call_id": "of the request"})
    await run(sandbox, code='return [dv.name, dv["current_time_Europe/Paris"], dv?.unknown]', variables=variables)
    assert sandbox.variables == {
        "name": "Ann",
        "call_id": "of the request",
        "current_hour": "3.5",
        "current_time_Europe/Paris": "noon in Paris",
    }
