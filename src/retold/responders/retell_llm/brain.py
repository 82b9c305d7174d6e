"""Decides what the agent of a Retell LLM says: the prompt of the state it is in, its tools, and the way it begins."""

from dataclasses import dataclass, replace
from typing import Final

import anyio

from retold.domain.dialogue import ModelRequest, SystemText, ToolUse
from retold.domain.llm import Llm
from retold.domain.llm_models import PrimaryModel
from retold.ports import LanguageModel, StateEntered
from retold.responders.mind.asking import ask
from retold.responders.mind.brain import TakeOver
from retold.responders.mind.tool_runs import Kit, ToolRuns
from retold.responders.mind.toolbox import Toolbox, Used
from retold.responders.mind.turn import Cause, Turn
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.stage import Stage, collected_on, stage_of
from retold.responders.tools.context import ToolServices
from retold.responders.tools.result import EndsCall, ToolResult

MAX_ROUNDS: Final = 8
"""Of tools in one turn; after these the model is offered none and has to speak."""
DEFAULT_MODEL: Final = PrimaryModel(model="gpt-4.1")
"""Of a Retell LLM that names none."""
NOTICES: Final = {
    Cause.OPENING: "The call has just begun. Speak first: greet the caller and begin.",
    Cause.REMINDER: "The caller has been silent for a while. Say something short to go on with the conversation.",
    Cause.NEWS: "Tell the caller what the tool has given, as far as it matters, and go on with the conversation.",
}
MOVED: Final = "The conversation is in the state {name} now."
ONE_WAY: Final = "Only one transition at a time; the conversation is in the state {name} now."


@dataclass(slots=True)
class RetellLlmBrain:
    """A brain for one call, in a state that changes; `model` is what the call speaks with, its backup included."""

    llm: Llm
    model: LanguageModel
    variables: CallVariables
    runs: ToolRuns
    services: ToolServices
    take_over: TakeOver | None = None

    async def take(self, turn: Turn) -> None:
        """See Brain."""
        if turn.cause is Cause.OPENING:
            await self._open(turn)
        else:
            await self._converse(turn)

    async def _open(self, turn: Turn) -> None:
        llm = self.llm
        if llm.start_speaker == "user" or llm.begin_message == "":
            if llm.begin_after_user_silence_ms is None:
                return
            # A caller who says something meanwhile makes this turn void.
            await anyio.sleep(llm.begin_after_user_silence_ms / 1000)
        if llm.begin_message:
            turn.say(self.variables.now().fill(llm.begin_message))
        else:
            await self._converse(turn)

    async def _converse(self, turn: Turn) -> None:
        """Ask the model until it has said what it wanted to."""
        if turn.cause in NOTICES:
            turn.added.append(SystemText(NOTICES[turn.cause]))
        for number in range(MAX_ROUNDS + 1):
            stage, fill = stage_of(self.llm, self.variables.place.state), self.variables.now().fill
            request = self._request(turn, stage)
            answer = await ask(self.model, request if number < MAX_ROUNDS else replace(request, tools=()), turn)
            ways = [use for use in answer.tool_uses if use.name in stage.edges]
            others = tuple(use for use in answer.tool_uses if use.name not in stage.edges)
            if ways:
                self._move(turn, stage, answer.text, ways)
            used = Used((), is_to_go_on=False)
            if others:
                box = Toolbox(stage.tools, self.runs, self._kit, fill)
                used = await box.use(turn, replace(answer, text="" if ways else answer.text, tool_uses=others), request)
            if any(isinstance(effect, EndsCall) for effect in used.effects):
                turn.ends_call = True
                return
            if self.runs.has_successor or not (ways or used.is_to_go_on):
                return

    def _request(self, turn: Turn, stage: Stage) -> ModelRequest:
        fill = self.variables.now().fill
        prompt = (SystemText(fill(stage.prompt)),) if stage.prompt else ()
        return ModelRequest(
            model=self._primary.model,
            # Vendors refuse a request without messages.
            messages=(*prompt, *self.runs.dialogue(turn)) or (SystemText(NOTICES[Cause.OPENING]),),
            tools=stage.specs(fill),
            temperature=self.llm.models.temperature,
            tier=self._primary.tier,
        )

    def _move(self, turn: Turn, stage: Stage, text: str, ways: list[ToolUse]) -> None:
        """Go where the model wants to; the state's prompt and tools hold from its next request on."""
        edge = stage.edges[ways[0].name]
        former, name = self.variables.place.state, edge.destination_state_name
        turn.pause()
        self.variables.enter_state(name)
        turn.outbox.put(StateEntered(former, name))
        contents: list[str] = []
        for number, use in enumerate(ways):
            said = (MOVED if number == 0 else ONE_WAY).format(name=name)
            found = collected_on(edge, use) if number == 0 else {}
            self.runs.settle(use, ToolResult(said, successful=number == 0, variables=found))
            turn.used.add(use.id)
            contents.append(said)
        turn.used_tools(text, ways, contents)

    @property
    def _primary(self) -> PrimaryModel:
        return self.llm.models.primary or DEFAULT_MODEL

    @property
    def _kit(self) -> Kit:
        return Kit(
            model=self.model,
            primary=self._primary,
            services=self.services,
            mcps=self.llm.mcps or (),
            take_over=self.take_over,
        )
