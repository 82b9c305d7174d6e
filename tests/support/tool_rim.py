"""All that tools reach outside the server, as one stand-in that does what the test says and notes when it was asked."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import anyio

from retold.domain.code_outcome import CodeOutcome
from retold.domain.http_answer import HttpAnswer
from retold.domain.llm import Llm
from retold.domain.mcp import McpAddress, McpAnswer, McpToolInfo
from retold.errors import ConnectFailed, NotFound
from retold.responders.tools.context import ToolServices
from support.minds import llm_of, no_key
from support.tool_calls import answered
from support.virtual_time import VirtualClock

CAL_URL: Final = "https://cal.example"
SLOTS: Final = {"2026-03-28": [{"start": "2026-03-28T16:00:00Z"}]}
BOOKED: Final = {"uid": "aBcD", "status": "accepted", "start": "2026-03-28T16:00:00Z"}
BO: Final = llm_of(begin_message="Bo here.", general_prompt="Be Bo.")


class Outcome(StrEnum):
    """What may come of a tool."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNREACHED = "unreached"
    """Nobody is there."""
    TIMEOUT = "timeout"
    """It is asked, and nothing comes."""


@dataclass
class Rim:
    """A web service, a calendar, a sandbox, an MCP server and other agents: what is asked comes to `outcome`.

    `begun_ms` and `done_ms` are the moments, on virtual time, at which something was asked for and was done.
    """

    outcome: Outcome = Outcome.SUCCESS
    takes_s: float = 2.0
    begun_ms: list[float] = field(default_factory=list[float])
    done_ms: list[float] = field(default_factory=list[float])
    cut_off: int = 0

    def services(self) -> ToolServices:
        """What tools work with: this, all of it."""
        return ToolServices(
            http=self,
            sandbox=self,
            clock=VirtualClock(),
            webhook_key=no_key,
            connect_mcp=self.connect,
            sms_url="https://sms.example/send",
            cal_base_url=CAL_URL,
        )

    async def request(self, method: str, url: str, *, timeout_s: float, **_: Any) -> HttpAnswer:
        """Answer as the web service at this address does; raises ConnectFailed as the server's own client does."""
        outcome = await self._work(timeout_s)
        if outcome is Outcome.TIMEOUT:
            raise ConnectFailed(f"no answer within {timeout_s:g} s")
        if outcome is Outcome.UNREACHED:
            raise ConnectFailed("no answer: connection refused")
        if outcome is Outcome.FAILURE:
            return answered({"error": {"message": "no such day"}}, 400)
        if url.startswith(CAL_URL):
            return answered({"data": BOOKED if method == "POST" else SLOTS})
        return answered({"free": "12:30"})

    async def run(self, code: str, variables: Mapping[str, str], timeout_s: float, **_: Any) -> CodeOutcome:  # noqa: ARG002 - of the port
        """Run code as the sandbox does, which stops it when its time is over."""
        outcome = await self._work(timeout_s)
        if outcome is Outcome.TIMEOUT:
            return CodeOutcome(None, f"the code took longer than {timeout_s:g} s")
        if outcome is Outcome.FAILURE:
            return CodeOutcome(None, "TypeError: no such day")
        return CodeOutcome('{"free":"12:30"}')

    @asynccontextmanager
    async def connect(self, _address: McpAddress) -> AsyncGenerator["Rim"]:
        """Open a session with an MCP server; one that cannot be reached is gone by the time a tool is used."""
        yield self

    async def tools(self) -> list[McpToolInfo]:
        """Describe nothing."""
        return []

    async def call(self, name: str, arguments: Mapping[str, Any]) -> McpAnswer:  # noqa: ARG002 - of the port
        """Use a tool of the MCP server; who asks gives up when it has waited too long. Raises ConnectFailed."""
        outcome = await self._work()
        if outcome is Outcome.UNREACHED:
            raise ConnectFailed("connection refused")
        if outcome is Outcome.FAILURE:
            return McpAnswer("There is no such day.", is_error=True)
        return McpAnswer("Half past twelve is free.")

    async def find_agent(self) -> Llm | str:
        """Look another agent up, or say why it cannot take over; raises NotFound."""
        outcome = await self._work()
        if outcome is Outcome.UNREACHED:
            raise NotFound("there is no agent agent_bo")
        return BO if outcome is Outcome.SUCCESS else "it has an LLM server of its own"

    async def _work(self, limit_s: float = float("inf")) -> Outcome:
        """Take the time it takes; when nothing comes, all the time there is."""
        self.begun_ms.append(anyio.current_time() * 1000)
        try:
            await anyio.sleep(limit_s if self.outcome is Outcome.TIMEOUT else self.takes_s)
        except anyio.get_cancelled_exc_class():
            self.cut_off += 1
            raise
        finally:
            self.done_ms.append(anyio.current_time() * 1000)
        return self.outcome
