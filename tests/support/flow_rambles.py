"""Random walks through a flow as a call takes them, without sound: a model that chooses by lot, and what follows."""

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel

from retold.clock import CallClock
from retold.domain.dialogue import (
    ModelPart,
    ModelRequest,
    StopPart,
    StopReason,
    SystemText,
    TextPart,
    ToolUse,
    ToolUsePart,
)
from retold.domain.flow_map import FlowMap
from retold.domain.flow_prompts import CHOICE_ARGUMENT, CHOICE_TOOL, NO_CHOICE
from retold.domain.transcript import Utterance, Word
from retold.ports import Act, NodeEntered, Traffic
from retold.responders.conversation_flow.brain import FlowBrain
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.turn import Cause, Turn
from retold.responders.mind.variables import CallVariables
from retold.responders.tools.context import ToolServices
from support.flow_oracle import OPERATORS
from support.minds import RECORD, NoSandbox, SlowHttp, no_key
from support.stored import make_agent
from support.virtual_time import VirtualClock

_WHOLE = 10_000
"""More words than any turn has."""
_CHOSE = "chose"


@dataclass
class ByLot:
    """A ports.LanguageModel that chooses transitions by lot and else says a word."""

    chance: random.Random
    outbox: Outbox
    """Where it notes the conditions that it chose, among what comes of that; they are named after their edges."""
    choices: int = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        choice = next((tool for tool in request.tools if tool.name == CHOICE_TOOL), None)
        if choice is None:
            yield TextPart("Indeed.")
            yield StopPart(StopReason.END)
            return
        label = self.chance.choice(choice.parameters["properties"][CHOICE_ARGUMENT]["enum"])
        prompt = request.messages[0]
        assert isinstance(prompt, SystemText)
        lines = dict(line.split(": ", 1) for line in prompt.text.splitlines() if ": " in line)
        self.choices += 1
        if label != NO_CHOICE:
            self.outbox.put(Traffic(_CHOSE, lines[label]))
        yield ToolUsePart(ToolUse(f"choice{self.choices}", CHOICE_TOOL, f'{{"{CHOICE_ARGUMENT}": "{label}"}}'))
        yield StopPart(StopReason.TOOL_USE)


@dataclass(frozen=True)
class Ramble:
    """What one walk brought about."""

    told: list[NodeEntered | Traffic]
    """The transitions, and before each the condition that was chosen, if one was."""
    turns: int


async def ramble(flow: FlowMap, chance: random.Random, variables: dict[str, int], turns: int) -> Ramble:
    """Take so many turns, or as many as there are until the call ends; each must have something to say."""
    clock, outbox = VirtualClock(), Outbox()
    model = ByLot(chance, outbox)
    held = CallVariables(
        lambda: RECORD, CallClock(clock), defaults={name: str(value) for name, value in variables.items()}
    )
    runs = ToolRuns(outbox, held)
    services = ToolServices(http=SlowHttp(takes_ms=0), sandbox=NoSandbox(), clock=clock, webhook_key=no_key)
    brain = FlowBrain(flow, make_agent(), model, held, runs, services)
    told: list[Act] = []
    taken = 0
    async with anyio.create_task_group() as tasks:
        runs.attach(tasks, lambda: None)
        tasks.start_soon(_collect, outbox, told)
        for number in range(turns):
            heard = Utterance("agent", (Word("Indeed.", 0, 1),), response_id=number - 1, content="Indeed.")
            turn = Turn(Cause.ANSWER if number else Cause.OPENING, number, None, (heard,), outbox)
            turn.hear(_WHOLE)
            await brain.take(turn)
            assert turn.has_spoken or turn.ends_call, "a dead end"
            taken += 1
            if turn.ends_call:
                break
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    shown = [
        act for act in told if isinstance(act, NodeEntered) or (isinstance(act, Traffic) and act.direction == _CHOSE)
    ]
    return Ramble(shown, taken)


async def _collect(outbox: Outbox, told: list[Act]) -> None:
    async for act in outbox.acts():
        told.append(act)  # noqa: PERF401 - whoever reads it does not wait for the end


@dataclass
class Ways:
    """Where a flow lets a conversation go, by the ids of its nodes, which are given once in all of it."""

    sent: dict[str, Any]
    variables: dict[str, int]

    def __post_init__(self) -> None:
        graphs = [self.sent, *self.sent["components"]]
        self.nodes = {node["id"]: node for graph in graphs for node in graph["nodes"]}
        self.home = {node["id"]: graph for graph in graphs for node in graph["nodes"]}
        self.by_name = {part["name"]: part for part in self.sent["components"]}

    def check(self, walk: Ramble) -> None:
        """Whether each transition follows the one before, by a way that was open; every choice was followed."""
        place, chosen = "begin", list[str]()
        for one in walk.told:
            if isinstance(one, Traffic):
                chosen.append(one.text)
                continue
            assert one.former_node_id == place
            assert place == "begin" or self._is_open(one, chosen), (one, chosen)
            assert chosen == [], "a choice that was not followed"
            place = one.new_node_id

    def _is_open(self, one: NodeEntered, chosen: list[str]) -> bool:
        if one.transition_type != "normal":
            return self._is_by_condition(self._conditions(one), chosen)
        here = self.nodes[one.former_node_id]
        if here["type"] == "component" and one.new_node_id == self.by_name[here["component_id"]]["nodes"][0]["id"]:
            return True
        return self._leads(here, one.new_node_id, chosen)

    def _leads(self, node: dict[str, Any], to: str, chosen: list[str]) -> bool:
        """Whether an edge of the node that holds leads there, or out of its component and on from there."""
        if chosen and any(edge["id"] == chosen[0] for edge in node.get("edges", [])):
            name = chosen.pop(0)
            taken = [edge for edge in node["edges"] if edge["id"] == name]
        else:
            taken = [edge for edge in node.get("edges", []) if self._holds(edge["transition_condition"])][:1]
            fallbacks = ("else_edge", "always_edge", "skip_response_edge")
            taken += [node[name] for name in fallbacks if name in node]
        return any(self._ends_at(edge, node, to, chosen) for edge in taken)

    def _ends_at(self, edge: dict[str, Any], node: dict[str, Any], to: str, chosen: list[str]) -> bool:
        if edge.get("destination_node_id") is not None:
            return edge["destination_node_id"] == to
        name = self.home[node["id"]]["name"]
        users = [other for other in self.sent["nodes"] if other.get("component_id") == name]
        return any(self._leads(user, to, chosen) for user in users)

    def _conditions(self, one: NodeEntered) -> list[dict[str, Any]]:
        is_global = one.transition_type == "global"
        setting = self.nodes[one.new_node_id if is_global else one.former_node_id]["global_node_setting"]
        if is_global:
            return [setting["condition"]]
        return [edge["transition_condition"] for edge in setting["go_back_conditions"]]

    def _is_by_condition(self, conditions: list[dict[str, Any]], chosen: list[str]) -> bool:
        if chosen and any(one.get("prompt") == chosen[0] for one in conditions):
            chosen.pop(0)
            return True
        return any(self._holds(one) for one in conditions)

    def _holds(self, condition: dict[str, Any]) -> bool:
        if condition["type"] != "equation":
            return False
        equation = condition["equations"][0]
        value = self.variables[equation["left"].strip("{}")]
        return bool(OPERATORS[equation["operator"]](value, int(equation["right"])))
