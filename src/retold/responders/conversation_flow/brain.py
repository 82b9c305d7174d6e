"""Decides what the agent of a conversation flow says: performs the walk through its nodes (domain/flow_walk.py).

```
a turn --event--> step() --wants--> say | choose | run a tool --event--> step() ... until the caller is waited for
```
The walk outlives the turns. A turn that is given up leaves it where it stands; what it still had to record or to start
is done at the beginning of the next one.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

import anyio

from retold.domain import flow_steps as s
from retold.domain.agent import Agent
from retold.domain.dialogue import AgentText, ModelRequest, SystemText, ToolSpec, ToolUse
from retold.domain.flow_map import FlowMap, Path
from retold.domain.flow_nodes import ActingNode
from retold.domain.flow_prompts import (
    NO_CHOICE,
    arguments_prompt,
    choice_prompt,
    choice_tool,
    chosen_label,
    talk_prompt,
)
from retold.domain.flow_steps import Awaits, Walk
from retold.domain.flow_tools import tool_at, tools_of
from retold.domain.flow_walk import step
from retold.domain.llm_models import PrimaryModel
from retold.domain.llm_tools import McpTool, Tool
from retold.domain.mcp import McpToolInfo
from retold.domain.tool_specs import described_spec, spec_of
from retold.domain.transcript import Utterance
from retold.errors import FlowStuck, ModelFailed
from retold.ids import new_tool_use_id
from retold.ports import ChangeRules, LanguageModel, NodeEntered, Traffic
from retold.responders.conversation_flow.node_run import NodeRun
from retold.responders.conversation_flow.rules import rules_at
from retold.responders.mind.asking import ask
from retold.responders.mind.brain import TakeOver
from retold.responders.mind.floor import heard_words
from retold.responders.mind.tool_runs import Kit, ToolRuns
from retold.responders.mind.toolbox import Toolbox
from retold.responders.mind.turn import Cause, Turn
from retold.responders.mind.variables import CallVariables
from retold.responders.tools.context import ToolServices
from retold.responders.tools.result import EndsCall, ToolResult

MAX_ROUNDS: Final = 8
"""Of tools in one turn of a subagent; after these the model is offered none and has to speak."""
NO_ARGUMENTS: Final = "It could not be said from the conversation with what to use this tool."
DEFAULT_MODEL: Final = PrimaryModel(model="gpt-4.1")
"""Of a flow that names none."""
BEGIN: Final = ("begin", "Begin")
"""Id and name of where a call is before its first node."""
OPENING: Final = "The call has just begun. Speak first."


@dataclass(slots=True)
class FlowBrain:
    """A brain for one call; `model` is what the call speaks with, its backup included."""

    flow: FlowMap
    agent: Agent
    model: LanguageModel
    variables: CallVariables
    runs: ToolRuns
    services: ToolServices
    start: Path | None = None
    """Where the call begins instead of where the flow does."""
    take_over: TakeOver | None = None
    walk: Walk = field(default_factory=Walk)
    _pending: deque[s.Want] = field(default_factory=deque[s.Want])
    _choice: str | None = None
    _run: NodeRun | None = None
    _last: Turn | None = None
    _is_cut: bool = False
    """Whether the last turn was given up before its end."""
    _has_failed: bool = False
    """Whether it was the model that failed."""
    _rules: ChangeRules | None = None

    async def take(self, turn: Turn) -> None:
        """See Brain."""
        is_unheard = self._is_unheard(turn)
        self._last, self._is_cut, self._has_failed = turn, True, False
        try:
            await self._go_on(turn, is_unheard=is_unheard)
        except ModelFailed:
            self._has_failed = True
            raise
        self._is_cut = False

    async def _go_on(self, turn: Turn, *, is_unheard: bool) -> None:
        await self._perform(turn, is_late=True)
        event = self._first_event(turn, is_unheard=is_unheard)
        while event is not None:
            self.walk, wants = step(self.flow, self.walk, event, self.variables.now().value)
            self._pending.extend(wants)
            await self._perform(turn)
            event = None if self.runs.has_successor else await self._next_event(turn)
        # What tools gave meanwhile is in the conversation; nobody has to be told of it by a turn of its own.
        self.runs.dialogue(turn)

    # --- events -------------------------------------------------------------------------------

    def _is_unheard(self, now: Turn) -> bool:
        """Whether the caller spoke on before a word of the last turn was heard, or the model did not get to the end."""
        last = self._last
        if last is None or not (self._is_cut or last.has_spoken):
            return False
        said = [item for item in now.items if isinstance(item, Utterance)]
        return self._has_failed or heard_words(said, last.response_id, last.interrupt_id) == 0

    def _first_event(self, turn: Turn, *, is_unheard: bool) -> s.Event | None:
        if self.walk.awaits is Awaits.BEGIN and turn.cause is not Cause.OPENING:
            # It takes over a call that goes on.
            return s.Began(self.start, is_caller_first=False)
        match turn.cause:
            case Cause.OPENING:
                return s.Began(self.start, is_caller_first=self.flow.flow.start_speaker == "user")
            case Cause.ANSWER:
                return s.CallerSpoke(is_unheard=is_unheard)
            case Cause.REMINDER:
                return s.CallerSilent()
            case Cause.NEWS:
                is_done = self._run is not None and self._run.run.done.is_set()
                return self._tool_done() if self.walk.awaits is Awaits.TOOL and is_done else None

    async def _next_event(self, turn: Turn) -> s.Event | None:
        """Wait for what the walk waits for; None when that is the caller."""
        match self.walk.awaits:
            case Awaits.SPEECH:
                return s.AgentSpoke()
            case Awaits.SPEECH_TO_GO_ON:
                await turn.until_heard()
                return s.AgentSpoke()
            case Awaits.CHOICE:
                return s.Chosen(self._choice)
            case Awaits.TOOL:
                return await self._result(turn)
            case Awaits.CALLER_FIRST:
                return await self._silence(turn)
            case Awaits.BEGIN | Awaits.CALLER | Awaits.NOTHING:
                return None

    async def _result(self, turn: Turn) -> s.Event | None:
        if self._run is None or self._run.number != self.walk.runs:
            return None
        turn.pause()
        await self._run.finish(turn)
        return self._tool_done()

    async def _silence(self, turn: Turn) -> s.Event | None:
        """Begin when the caller, who is to speak first, says nothing for too long."""
        silence_ms = self.flow.flow.begin_after_user_silence_ms
        if turn.cause is not Cause.OPENING or silence_ms is None:
            return None
        # A caller who says something meanwhile makes this turn void.
        await anyio.sleep(silence_ms / 1000)
        return s.CallerSpoke()

    def _tool_done(self) -> s.ToolDone:
        assert self._run is not None  # noqa: S101 - asked after a run only
        return s.ToolDone(self._run.number, self._run.is_successful)

    # --- wants --------------------------------------------------------------------------------

    async def _perform(self, turn: Turn, *, is_late: bool = False) -> None:
        """Do what is wanted, in order; late, only what must not be lost when a turn is given up."""
        while self._pending:
            want = self._pending[0]
            if not is_late or isinstance(want, s.Entered | s.RunTool):
                await self._do(want, turn)
            self._pending.popleft()

    async def _do(self, want: s.Want, turn: Turn) -> None:
        match want:
            case s.Entered():
                self._enter(want, turn)
            case s.SayText() | s.SayByPrompt():
                await self._speak(want, turn)
            case s.Choose():
                self._choice = await self._choose(want, turn)
            case s.RunTool():
                self._run = await self._start(want, turn)
            case s.EndCall():
                turn.ends_call = True
            case s.Wait():
                pass
            case s.GiveUp(names=names):
                raise FlowStuck(f"the flow goes in a circle in which the caller is not waited for: {', '.join(names)}")
            case _:
                assert_never(want)

    def _enter(self, want: s.Entered, turn: Turn) -> None:
        name = self.flow.name(want.new)
        former = (want.former[-1], self.flow.name(want.former)) if want.former else BEGIN
        turn.outbox.put(NodeEntered(*former, want.new[-1], name, want.kind))
        self.variables.enter_node(name)
        rules = rules_at(self.flow.node(want.new), self.agent)
        if rules != (self._rules or rules_at(None, self.agent)):
            turn.outbox.put(rules)
        self._rules = rules

    async def _speak(self, want: s.SayText | s.SayByPrompt, turn: Turn) -> None:
        turn.pause()
        if isinstance(want, s.SayByPrompt):
            await self._talk(want, turn)
        elif text := self.variables.now().fill(want.text).strip():
            turn.say(text)
            turn.added.append(AgentText(text))
        turn.pause()

    async def _talk(self, want: s.SayByPrompt, turn: Turn) -> None:
        """Have the model speak, and use the tools of the node, until it has said what it wanted to."""
        if turn.cause is Cause.OPENING and not turn.added and not turn.items:
            turn.added.append(SystemText(OPENING))
        tools, kit = tools_of(self.flow, want.path), self._kit(want.path)
        described = [await self.runs.described(tool, kit) for tool in tools.values()]
        for number in range(MAX_ROUNDS + 1):
            fill = self.variables.now().fill
            offered = [self._spec(tool, info) for tool, info in zip(tools.values(), described, strict=True)]
            request = self._request(want.path, talk_prompt(self.flow, want, fill), turn)
            request = replace(request, tools=tuple(offered) if number < MAX_ROUNDS else ())
            answer = await ask(self.model, request, turn)
            if not answer.tool_uses:
                if answer.has_text:
                    turn.added.append(AgentText(answer.text.strip()))
                return
            box = Toolbox(tools, self.runs, kit, fill)
            used = await box.use(turn, answer, request)
            if any(isinstance(effect, EndsCall) for effect in used.effects):
                turn.ends_call = True
                return
            if self.runs.has_successor or not used.is_to_go_on:
                return

    async def _choose(self, want: s.Choose, turn: Turn) -> str | None:
        fill = self.variables.now().fill
        tool = choice_tool(want.options)
        request = self._request(want.path, choice_prompt(self.flow, want.path, want.options, fill), turn)
        request = replace(request, tools=(tool,), must_use=tool.name, temperature=0.0)
        answer = await ask(self.model, request, turn, is_silent=True)
        label = chosen_label(answer.tool_uses, want.options)
        turn.outbox.put(Traffic("note", f"transition chosen: {label or NO_CHOICE}"))
        return label

    async def _start(self, want: s.RunTool, turn: Turn) -> NodeRun:
        """Start what a node does, with arguments that the model finds in the conversation, if it needs any."""
        fill, node, kit = self.variables.now().fill, self.flow.node(want.path), self._kit(want.path)
        tool = tool_at(self.flow, want.path)
        info = await self.runs.described(tool, kit)
        spec = self._spec(tool, info)
        use: ToolUse | None = ToolUse(new_tool_use_id(), tool.name, "{}")
        # What a tool of an MCP server takes may not be known: the model gives what it can.
        if spec.parameters.get("properties") or (info is None and isinstance(tool, McpTool)):
            request = self._request(want.path, arguments_prompt(self.flow, want.path, tool.name, fill), turn)
            request = replace(request, tools=(spec,), must_use=tool.name)
            answer = await ask(self.model, request, turn, is_silent=True)
            use = next((use for use in answer.tool_uses if use.name == tool.name), None)
        if use is None:
            use = ToolUse(new_tool_use_id(), tool.name, "{}")
            run = self.runs.settle(use, ToolResult(NO_ARGUMENTS, successful=False), kind=tool.type)
        else:
            run = self.runs.start(tool, use, turn.items, kit)
        if not isinstance(node, ActingNode) or node.wait_for_result:
            turn.used.add(use.id)
        return NodeRun(want.run, run)

    # --- what it works with -------------------------------------------------------------------

    def _request(self, path: Path, prompt: str, turn: Turn) -> ModelRequest:
        primary = self._primary(path)
        system = (SystemText(prompt),) if prompt else ()
        return ModelRequest(
            model=primary.model,
            messages=(*system, *self.runs.dialogue(turn)),
            temperature=self.flow.flow.models.temperature,
            tier=primary.tier,
        )

    def _spec(self, tool: Tool, info: McpToolInfo | None) -> ToolSpec:
        spec = spec_of(tool, self.variables.now().fill, is_strict=self._is_strict)
        return spec if info is None else described_spec(spec, info)

    def _primary(self, path: Path) -> PrimaryModel:
        return self.flow.node(path).primary_model or self.flow.flow.models.primary or DEFAULT_MODEL

    def _kit(self, path: Path) -> Kit:
        mcps = tuple(self.flow.mcps(path[:-1]).values())
        return Kit(
            model=self.model,
            primary=self._primary(path),
            services=self.services,
            mcps=mcps,
            take_over=self.take_over,
        )

    @property
    def _is_strict(self) -> bool:
        return bool(self.flow.flow.tool_call_strict_mode)
