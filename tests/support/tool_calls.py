"""What a tool needs to run in a unit test: a call, services that note what they are asked, a model by script."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, TypeAdapter

from retold.domain.call import Call, CallRecord
from retold.domain.dialogue import ToolUse
from retold.domain.http_answer import HttpAnswer
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import Tool
from retold.domain.model_script import ECHO, Script
from retold.domain.transcript import ToolCallInvocation, TranscriptItem, Utterance, Word
from retold.domain.variables import Variables
from retold.errors import OutboundError
from retold.ids import OrgId
from retold.ports import Http
from retold.providers.model_limits import Deadlines
from retold.providers.scripted_model import ScriptedModel
from retold.responders.tools.context import CodeOutcome, ToolContext, ToolServices
from retold.responders.tools.result import ToolResult
from retold.responders.tools.run import run_tool

NOW_MS = 1_700_000_000_000
"""Tuesday, 14 November 2023, 22:13:20 UTC."""
WEBHOOK_KEY = "key_of_the_webhooks"
TOOL_CALL_ID = "tool_call_1"
_TOOLS: TypeAdapter[Tool] = TypeAdapter(Tool)


class StillClock:
    """A clock that stands still."""

    def wall_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that a tool made."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"")


@dataclass
class FakeHttp:
    """Answers in turn, the last answer for ever; an error is raised."""

    answers: Sequence[HttpAnswer | OutboundError] = ()
    asked: list[Asked] = field(default_factory=list[Asked])

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        max_bytes: int,  # noqa: ARG002 - of the port
    ) -> HttpAnswer:
        self.asked.append(Asked(method, url, headers, body, timeout_s))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, OutboundError):
            raise answer
        return answer


class NoSandbox:
    """Runs nothing."""

    async def run(self, code: str, variables: Mapping[str, str], timeout_s: float) -> CodeOutcome:  # noqa: ARG002 - of the port
        raise AssertionError("no code was expected to run")


def answered(body: object, status: int = 200) -> HttpAnswer:
    """An answer; what is no text becomes JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpAnswer(status, {}, text.encode())


def tool_of(**fields: Any) -> Tool:
    """A tool as the API takes it."""
    return _TOOLS.validate_python(fields)


async def _webhook_key(_org: OrgId) -> str | None:
    return WEBHOOK_KEY


def tool_services(http: Http | None = None, **fields: Any) -> ToolServices:
    """The services of a server; what is not said stands for nothing configured."""
    known: dict[str, Any] = {"sandbox": NoSandbox(), "clock": StillClock(), "webhook_key": _webhook_key}
    return ToolServices(http=http or FakeHttp(), **(known | fields))


def tool_context(
    services: ToolServices,
    *,
    variables: Mapping[str, JsonValue] | None = None,
    call: Mapping[str, Any] | None = None,
    script: Script = ECHO,
) -> ToolContext:
    """One moment of a call in which the caller has asked for a table."""
    fields = {"call_id": "call_1", "agent_id": "agent_1"} | dict(call or {})
    record = CallRecord(
        call=Call.model_validate(fields),
        org_id="org_1",
        created_wall_ms=NOW_MS,
        join_deadline_wall_ms=NOW_MS,
        files_token="0" * 32,
    )
    words = tuple(Word(text, 100.0 * at, 100.0 * at + 80) for at, text in enumerate(["a", "table", "for", "two"]))
    transcript: list[TranscriptItem] = [
        Utterance("user", words, content="a table for two"),
        ToolCallInvocation(TOOL_CALL_ID, "the_tool", "{}"),
    ]
    return ToolContext(
        record=record,
        variables=Variables(of_request=dict(variables or {})),
        transcript=transcript,
        model=ScriptedModel(script, Deadlines(1, 1)),
        primary=PrimaryModel(model="gpt-4.1"),
        services=services,
    )


async def use_tool(tool: Tool, context: ToolContext, arguments: object = None) -> ToolResult:
    """Use a tool as a model does; arguments that are text are sent as they are."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments if arguments is not None else {})
    return await run_tool(tool, ToolUse(TOOL_CALL_ID, tool.name, written), context)
