"""The tools of one call while they run: an interruption ends what the agent says, never what it does.

Each runs in the responder's own task group. What it gives goes to the record at once; the turn that waits for it goes
on with it, and when that turn is over, the next request to the model shows it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from structlog.stdlib import get_logger

from retold.domain.dialogue import Message, ToolUse
from retold.domain.llm import Mcp
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import AgentSwap, EndCall, McpTool, Tool
from retold.domain.mcp import McpToolInfo
from retold.domain.transcript import ToolCallInvocation, ToolCallResult, TranscriptItem
from retold.ports import LanguageModel, ModelUsed, ToolInvoked, ToolReturned
from retold.responders.mind.brain import Successor, TakeOver
from retold.responders.mind.messages import dialogue_of
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.own_server import OwnServer
from retold.responders.mind.turn import Turn
from retold.responders.mind.variables import CallVariables
from retold.responders.tools import mcp
from retold.responders.tools.context import ToolContext, ToolServices
from retold.responders.tools.mcp_sessions import McpSessions
from retold.responders.tools.result import SwapsAgent, ToolResult
from retold.responders.tools.run import run_tool

UNREADABLE = "The arguments are not a JSON object. Use the tool again with arguments that are."
FAILED = "The tool failed because of a fault of this server."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What the tools of an agent work with."""

    model: LanguageModel
    primary: PrimaryModel
    services: ToolServices
    mcps: Sequence[Mcp] = ()
    take_over: TakeOver | None = None


@dataclass(slots=True)
class Run:
    """One tool while it runs, and what it gave."""

    use: ToolUse
    done: anyio.Event = field(default_factory=anyio.Event)
    result: ToolResult | None = None


class ToolRuns:
    """Starts tools and keeps what they give until a model was shown it."""

    def __init__(self, outbox: Outbox, variables: CallVariables) -> None:
        self._outbox = outbox
        self._variables = variables
        self._tasks: TaskGroup | None = None
        self._mcp_sessions = McpSessions()
        self._on_result: Callable[[], None] = lambda: None
        self._ledger: list[ToolCallInvocation | ToolCallResult] = []
        self._unshown: set[str] = set()
        self._successor: Successor | OwnServer | None = None

    def attach(self, tasks: TaskGroup, on_result: Callable[[], None]) -> None:
        """Run tools in this task group from now on, and say when one has given its result."""
        self._tasks, self._on_result = tasks, on_result
        self._mcp_sessions.attach(tasks)

    def detach(self) -> None:
        """Run no more tools: nobody waits for them."""
        self._tasks, self._on_result, self._successor = None, lambda: None, None

    @property
    def has_news(self) -> bool:
        """Whether a tool gave a result that the agent is to talk about, and no model was shown it."""
        return bool(self._unshown)

    @property
    def has_successor(self) -> bool:
        """Whether another agent is to go on with the call."""
        return self._successor is not None

    def take_successor(self) -> Successor | OwnServer | None:
        """Who is to go on with the call, once; whatever becomes of the turn in which a tool said so."""
        successor, self._successor = self._successor, None
        return successor

    def start(self, tool: Tool, use: ToolUse, transcript: Sequence[TranscriptItem], kit: Kit) -> Run:
        """Run a tool; the transcript is that of the turn it is used in."""
        run = self._begin(use, tool.type)
        if use.parsed() is None:
            self._finish(run, ToolResult(UNREADABLE, successful=False), is_news=True)
            return run
        context = ToolContext(
            record=self._variables.record(),
            variables=self._variables.now(),
            transcript=self.complete(transcript),
            model=kit.model,
            primary=kit.primary,
            services=kit.services,
            mcps=kit.mcps,
            mcp_sessions=self._mcp_sessions,
            take_over=kit.take_over,
        )
        assert self._tasks is not None  # noqa: S101 - turns are taken inside the task group only
        self._tasks.start_soon(self._run, run, tool, context)
        return run

    async def described(self, tool: Tool, kit: Kit) -> McpToolInfo | None:
        """What the server of an MCP tool says of it, if that is to be known and can be."""
        if not isinstance(tool, McpTool):
            return None
        connect = kit.services.connect_mcp
        info = await mcp.described(tool, kit.mcps, connect, self._mcp_sessions, self._variables.now())
        return info if info is not None and info.is_plain else None

    def settle(self, use: ToolUse, result: ToolResult, *, kind: str | None = None) -> Run:
        """Record a tool that needs no running, and its result."""
        run = self._begin(use, kind)
        self._finish(run, result, is_news=True)
        return run

    def complete(self, items: Sequence[TranscriptItem], *, without: Collection[str] = ()) -> list[TranscriptItem]:
        """The transcript with what it does not show yet of tools, except those named: it is told a moment later."""
        used = {item.tool_call_id for item in items if isinstance(item, ToolCallInvocation)}
        returned = {item.tool_call_id for item in items if isinstance(item, ToolCallResult)}
        missing = [
            item
            for item in self._ledger
            if item.tool_call_id not in without
            and item.tool_call_id not in (used if isinstance(item, ToolCallInvocation) else returned)
        ]
        return [*items, *missing]

    def dialogue(self, turn: Turn) -> tuple[Message, ...]:
        """What a model is shown of the conversation in this turn, without a prompt: all that tools gave is in it."""
        self._unshown.clear()
        return (*dialogue_of(self.complete(turn.items, without=turn.used)), *turn.added)

    def _begin(self, use: ToolUse, kind: str | None) -> Run:
        self._outbox.put(ToolInvoked(use.id, use.name, use.arguments, kind))
        self._ledger.append(ToolCallInvocation(use.id, use.name, use.arguments))
        return Run(use)

    async def _run(self, run: Run, tool: Tool, context: ToolContext) -> None:
        try:
            result = await self._result(run, tool, context)
            self._finish(run, result, is_news=speaks_after(tool, result))
            if isinstance(result.effect, SwapsAgent) and isinstance(result.effect.successor, OwnServer):
                await result.effect.successor.run(self._outbox)
        except anyio.get_cancelled_exc_class():
            # The task ends here either way, with its call. Raised further, the error would keep the call in memory, as
            # in the session's guard.
            return

    async def _result(self, run: Run, tool: Tool, context: ToolContext) -> ToolResult:
        try:
            return await run_tool(tool, run.use, context)
        except Exception:  # noqa: BLE001 - the border of a tool: whatever is wrong with it, the conversation goes on
            get_logger().exception("tool_failed", tool=tool.name, type=tool.type)
            return ToolResult(FAILED, successful=False)

    def _finish(self, run: Run, result: ToolResult, *, is_news: bool) -> None:
        for part in result.used:
            self._outbox.put(ModelUsed(part.input_tokens, part.output_tokens))
        if result.variables:
            self._outbox.put(self._variables.collect(result.variables))
        self._outbox.put(ToolReturned(run.use.id, result.shown, result.successful))
        self._ledger.append(ToolCallResult(run.use.id, result.shown, result.successful))
        if is_news:
            self._unshown.add(run.use.id)
        if isinstance(result.effect, SwapsAgent):
            self._replace_successor(result.effect.successor)
        run.result = result
        run.done.set()
        self._on_result()

    def _replace_successor(self, successor: Successor | OwnServer) -> None:
        if isinstance(self._successor, OwnServer):
            self._successor.let_go()
        self._successor = successor


def speaks_after(tool: Tool, result: ToolResult) -> bool:
    """Whether the agent is to go on speaking by what the tool gave; also when nobody else does in its place."""
    if isinstance(tool, AgentSwap):
        return not result.successful
    return not isinstance(tool, EndCall) and getattr(tool, "speak_after_execution", None) is not False
