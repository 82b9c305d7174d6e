"""What a tool knows of the call it runs in, and what it works with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from retold.clock import Clock
from retold.domain.call import CallRecord
from retold.domain.code_outcome import CodeOutcome
from retold.domain.llm import Mcp
from retold.domain.llm_models import PrimaryModel
from retold.domain.transcript import TranscriptItem
from retold.domain.variables import Variables
from retold.ids import OrgId
from retold.ports import Http, LanguageModel
from retold.responders.mind.brain import TakeOver
from retold.responders.tools.mcp_sessions import ConnectMcp, McpSessions


class Sandbox(Protocol):
    """Runs JavaScript that is trusted with nothing."""

    async def run(
        self,
        code: str,
        variables: Mapping[str, str],
        timeout_s: float,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CodeOutcome:
        """Run the body of an async function with `dv` as the variables; what exceeds a limit is an error, not raised.

        Cancelling ends the process.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServices:
    """What a server has for the tools of all calls; None for what it was not given."""

    http: Http
    sandbox: Sandbox
    clock: Clock
    webhook_key: Callable[[OrgId], Awaitable[str | None]]
    """The key of an organisation that signs what it is sent."""
    connect_mcp: ConnectMcp | None = None
    """Opens a session with an MCP server that a user names."""
    sms_url: str | None = None
    """Where text messages are handed in."""
    sms_api_key: str | None = None
    sms_from_number: str | None = None
    """Whose number they come from when the call has none."""
    cal_base_url: str = "https://api.cal.com"
    """Where Cal.com's API is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """One moment of one call, for one run of a tool."""

    record: CallRecord
    """The call as it stands now."""
    variables: Variables
    transcript: Sequence[TranscriptItem]
    """What was said and done so far, this tool's invocation included."""
    model: LanguageModel
    primary: PrimaryModel
    """The model that the agent speaks with, for tools that ask one too."""
    services: ToolServices
    mcps: Sequence[Mcp] = ()
    """The MCP servers of the agent."""
    mcp_sessions: McpSessions = field(default_factory=McpSessions)
    """Those of the call that are open."""
    take_over: TakeOver | None = None
    """Looks up another agent to hand the call over to."""
