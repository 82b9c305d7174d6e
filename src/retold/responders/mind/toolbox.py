"""The tools an agent has at one moment: uses those a model asked for, speaks meanwhile, waits for what they give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio

from retold.domain.dialogue import ModelRequest, SystemText, ToolUse
from retold.domain.llm_tools import SpokenTool, Tool
from retold.errors import ModelFailed
from retold.ports import Traffic
from retold.responders.mind.asking import Answer, ask
from retold.responders.mind.tool_runs import Kit, Run, ToolRuns, speaks_after
from retold.responders.mind.turn import Turn
from retold.responders.tools.result import Effect, EndsCall, ToolResult

UNKNOWN: Final = "There is no tool {name} here. The tools are: {names}."
BRIDGE_S: Final = 2.0
"""So long the model may take over its words while a tool runs once the tool has given its result."""
MEANWHILE: Final = (
    "You are using the tool {name} right now; its result is not there yet. Say one short sentence to the caller that"
    " bridges the wait, and nothing else.{wish}"
)


@dataclass(frozen=True, slots=True)
class Used:
    """What came of the tools of one answer."""

    effects: tuple[Effect, ...]
    """What they want of the call, in their order."""
    is_to_go_on: bool
    """Whether the model is to speak by what they gave."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """`fill` puts variables into what is said while tools run."""

    tools: Mapping[str, Tool]
    runs: ToolRuns
    kit: Kit
    fill: Callable[[str], str]

    async def use(self, turn: Turn, answer: Answer, request: ModelRequest) -> Used:
        """Use the tools of an answer to `request`; returns when all have given a result, which the turn then has.

        Cancelling leaves the tools running.
        """
        turn.pause()
        tools = [self.tools.get(use.name) for use in answer.tool_uses]
        runs = [self._start(turn, tool, use) for tool, use in zip(tools, answer.tool_uses, strict=True)]
        said = answer.text + await self._speak_meanwhile(turn, tools, answer, request, runs)
        for run in runs:
            await run.done.wait()
        results = [run.result for run in runs if run.result is not None]  # all have one by now
        turn.used_tools(said, answer.tool_uses, [result.shown for result in results])
        return Used(
            tuple(result.effect for result in results if result.effect is not None),
            any(tool is None or speaks_after(tool, result) for tool, result in zip(tools, results, strict=True)),
        )

    def _start(self, turn: Turn, tool: Tool | None, use: ToolUse) -> Run:
        turn.used.add(use.id)
        if tool is not None:
            return self.runs.start(tool, use, turn.items, self.kit)
        missing = UNKNOWN.format(name=use.name, names=", ".join(self.tools) or "none")
        return self.runs.settle(use, ToolResult(missing, successful=False))

    async def _speak_meanwhile(
        self, turn: Turn, tools: Sequence[Tool | None], answer: Answer, request: ModelRequest, runs: Sequence[Run]
    ) -> str:
        """Say what bridges the wait, once for all tools; gives what was said."""
        speaking = [tool for tool in tools if isinstance(tool, SpokenTool) and tool.speak_during_execution]
        if fixed := " ".join(text for tool in speaking if _is_static(tool) and (text := self._message(tool))):
            turn.say(fixed)
            turn.pause()
            return f" {fixed}"
        if not speaking or answer.has_text:
            return ""
        wish = self._message(speaking[0])
        notice = MEANWHILE.format(name=speaking[0].name, wish=f" What to say: {wish}" if wish else "")
        bridging = replace(request, messages=(*request.messages, SystemText(notice)), tools=(), must_use=None)
        spoken = len(turn.spoken)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cut_short, runs, tasks.cancel_scope)
            try:
                await ask(self.kit.model, bridging, turn)
            except ModelFailed as failure:
                # The wait is silent then. A caller who were asked to say it again would have the tool used twice.
                turn.outbox.put(Traffic("note", f"nothing to bridge the wait for {speaking[0].name}: {failure}"))
            tasks.cancel_scope.cancel()
        turn.pause()
        return turn.spoken[spoken:]

    def _message(self, tool: SpokenTool) -> str:
        return self.fill(tool.execution_message_description or "").strip()


async def _cut_short(runs: Sequence[Run], bridging: anyio.CancelScope) -> None:
    """End what bridges the wait some time after the wait is over; words before the end of a call are a farewell."""
    for run in runs:
        await run.done.wait()
    if not any(run.result is not None and isinstance(run.result.effect, EndsCall) for run in runs):
        await anyio.sleep(BRIDGE_S)
        bridging.cancel()


def _is_static(tool: SpokenTool) -> bool:
    return tool.execution_message_type == "static_text"
