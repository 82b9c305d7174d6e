"""The way of a conversation through its flow: where it stands and what happens give where it goes and what is wanted.

Nothing here asks a model, runs a tool or waits: who performs the walk does, and tells what came of it.

    BEGIN --> CALLER_FIRST --(the caller spoke)--> the node acts
      |                                              |
      '----------------------------------------------+--> SPEECH --> CALLER --(the caller spoke)--> which way?
                                                     +--> SPEECH_TO_GO_ON --(said)--> which way?
                                                     +--> TOOL --(its result)--> which way?
    which way? --> by equations or the one edge --> the next node acts
               '-> CHOICE --(the model chose)--> the next node acts, or this one speaks again
"""

from dataclasses import replace
from typing import Final, assert_never

from retold.domain import flow_steps as s
from retold.domain.flow_edges import Edge
from retold.domain.flow_map import FlowMap, Path
from retold.domain.flow_nodes import (
    ActingNode,
    AgentSwapNode,
    BranchNode,
    ComponentNode,
    EndNode,
    Node,
    SmsNode,
    SpeakingNode,
    TalkingNode,
    TransferCallNode,
)
from retold.domain.flow_steps import Awaits, Walk
from retold.domain.flow_ways import decide, edge_called, fallback
from retold.domain.variables import Lookup

MAX_PASSED: Final = 100
"""Nodes that may be entered one after the other without a word of the caller."""
MAX_RETURNS: Final = 32
"""Global nodes entered from within each other that are gone back from; older ones are forgotten."""


def step(flow: FlowMap, walk: Walk, event: s.Event, lookup: Lookup) -> tuple[Walk, list[s.Want]]:
    """Take the walk one event further; what is wanted is to be done in this order.

    An event that does not fit where the walk stands, such as the result of a tool that is waited for no more, changes
    nothing.
    """
    steps = _Steps(flow, walk, lookup)
    steps.take(event)
    return steps.walk, steps.wants


class _Steps:
    """One step; each method moves the walk and adds what is wanted."""

    def __init__(self, flow: FlowMap, walk: Walk, lookup: Lookup) -> None:
        self.walk = walk
        self.wants: list[s.Want] = []
        self._flow = flow
        self._lookup = lookup

    def take(self, event: s.Event) -> None:
        match event:
            case s.Began():
                self._begin(event)
            case s.CallerSpoke():
                self._caller_spoke(event)
            case s.CallerSilent():
                self._caller_silent()
            case s.AgentSpoke():
                self._agent_spoke()
            case s.Chosen():
                self._chosen(event)
            case s.ToolDone():
                self._tool_done(event)
            case _:
                assert_never(event)

    # --- events -------------------------------------------------------------------------------

    def _begin(self, event: s.Began) -> None:
        if self.walk.awaits is not Awaits.BEGIN:
            return
        path = event.path or self._flow.start()
        if not event.is_caller_first:
            self._enter(path, "normal")
            return
        self._move(path, "normal")
        self.walk = replace(self.walk, awaits=Awaits.CALLER_FIRST)
        self.wants.append(s.Wait())

    def _caller_spoke(self, event: s.CallerSpoke) -> None:
        walk = self.walk
        if walk.awaits in {Awaits.BEGIN, Awaits.NOTHING}:
            return
        if walk.awaits is Awaits.TOOL:
            # What the caller says while a tool runs is answered with its result.
            self.wants.append(s.Wait())
            return
        if walk.awaits is Awaits.CALLER_FIRST:
            self.walk = replace(walk, passed=(), has_heard=True)
            self._act()
            return
        if event.is_unheard and walk.before is not None and walk.before.path != walk.path:
            # The caller was still speaking: what led here was judged too early.
            self.wants.append(s.Entered(walk.entered, walk.before.entered, "interrupt_go_back"))
            walk = replace(walk.before, runs=walk.runs)
        self.walk = replace(walk, passed=(), before=walk.without_past(), may_speak=False, has_heard=True)
        self._decide(with_globals=True)

    def _caller_silent(self) -> None:
        if self.walk.awaits in {Awaits.CALLER, Awaits.SPEECH}:
            self._speak(is_first=False, is_reminder=True)

    def _agent_spoke(self) -> None:
        if self.walk.awaits is Awaits.SPEECH_TO_GO_ON:
            node = self._flow.node(self.walk.path)
            if isinstance(node, TalkingNode) and node.skip_response_edge:
                self._follow(node.skip_response_edge)
            else:
                self._decide(with_globals=False)
        elif self.walk.awaits is Awaits.SPEECH:
            self._wait()

    def _chosen(self, event: s.Chosen) -> None:
        if self.walk.awaits is not Awaits.CHOICE:
            return
        way = next((option for option in self.walk.options if option.label == event.label), None)
        if way is None:
            self._without_choice()
        else:
            self._go(way)

    def _tool_done(self, event: s.ToolDone) -> None:
        if self.walk.awaits is not Awaits.TOOL or event.run != self.walk.runs:
            return
        node = self._flow.node(self.walk.path)
        if isinstance(node, SmsNode):
            self._follow(node.success_edge if event.is_successful else node.failed_edge)
        elif isinstance(node, TransferCallNode | AgentSwapNode):
            if event.is_successful:
                self.walk = replace(self.walk, awaits=Awaits.NOTHING)
            else:
                self._follow(node.edge)
        else:
            self._decide(with_globals=False)

    # --- which way ----------------------------------------------------------------------------

    def _decide(self, *, with_globals: bool) -> None:
        decision = decide(self._flow, self.walk, self._lookup, with_globals=with_globals)
        if decision.way is not None:
            self._go(decision.way)
        elif decision.to_ask:
            self.walk = replace(self.walk, awaits=Awaits.CHOICE, options=decision.to_ask)
            self.wants.append(s.Choose(self.walk.path, decision.to_ask))
        else:
            self._without_choice()

    def _without_choice(self) -> None:
        """No condition holds: the fallback of the node, else it speaks."""
        node = self._flow.node(self.walk.path)
        if self.walk.may_speak:
            self._speak(is_first=True)
        elif edge := fallback(node):
            self._follow(edge)
        elif isinstance(node, EndNode):
            self._end(node)
        else:
            self._speak(is_first=False)

    def _go(self, way: s.Option) -> None:
        if way.is_back:
            self._go_back()
        elif way.is_global and way.target is not None:
            back = s.Return(way.target, self.walk.path)
            self.walk = replace(self.walk, returns=(*self.walk.returns, back)[-MAX_RETURNS:])
            self._enter(way.target, "global")
        else:
            self._follow(edge_called(self._flow.node(self.walk.path), way.edge_id or ""))

    def _follow(self, edge: Edge) -> None:
        """To the end of an edge; one without an end leads out of the component, or ends the call."""
        inside = self.walk.path[:-1]
        if edge.destination_node_id is not None:
            self._enter((*inside, edge.destination_node_id), "normal")
        elif inside:
            self.walk = replace(self.walk, path=inside, may_speak=False)
            self._decide(with_globals=False)
        else:
            self._hang_up()

    def _go_back(self) -> None:
        returns = self.walk.returns
        number = max(number for number, one in enumerate(returns) if one.of == self.walk.path)
        self.walk = replace(self.walk, returns=returns[:number])
        if not self._move(returns[number].to, "global_go_back"):
            return
        if isinstance(self._flow.node(self.walk.path), TalkingNode):
            self._speak(is_first=False)
        else:
            self._decide(with_globals=False)

    # --- at a node ----------------------------------------------------------------------------

    def _enter(self, path: Path, kind: s.TransitionType) -> None:
        if self._move(path, kind):
            self._act()

    def _move(self, path: Path, kind: s.TransitionType) -> bool:
        """Stand at a node; False when the walk is over because it goes in a circle."""
        walk = self.walk
        if len(walk.passed) >= MAX_PASSED:
            names = dict.fromkeys(self._flow.name(one) for one in walk.passed[-MAX_PASSED // 2 :])
            self.walk = replace(walk, awaits=Awaits.NOTHING)
            self.wants.append(s.GiveUp(tuple(names)))
            return False
        cooling = {one: left - 1 for one, left in walk.cooling.items() if left > 1}
        setting = self._flow.node(path).global_node_setting
        if kind == "global" and setting is not None and setting.cool_down:
            cooling[path] = int(setting.cool_down)
        self.wants.append(s.Entered(walk.entered, path, kind))
        self.walk = replace(
            walk, path=path, entered=path, cooling=cooling, passed=(*walk.passed, path), options=(), may_speak=False
        )
        return True

    def _act(self) -> None:
        """Do what the node is for."""
        node: Node = self._flow.node(self.walk.path)
        match node:
            case BranchNode():
                self._decide(with_globals=False)
            case ComponentNode():
                self._enter(self._flow.start(self.walk.path), "normal")
            case EndNode():
                self._end(node)
            case TalkingNode():
                if node.skippable and self.walk.has_heard:
                    self.walk = replace(self.walk, may_speak=True)
                    self._decide(with_globals=False)
                else:
                    self._speak(is_first=True)
            case _:
                self._run(node)

    def _run(self, node: Node) -> None:
        """Start what the node does, and go on at once if its result is not waited for."""
        # What a tool did cannot be taken back.
        self.walk = replace(self.walk, runs=self.walk.runs + 1, before=None, awaits=Awaits.TOOL)
        run, said = s.RunTool(self.walk.path, self.walk.runs), self._meanwhile(node)
        # A fixed text is there at once; one that the model has yet to make shall not keep the tool waiting.
        self.wants += [*said, run] if any(isinstance(want, s.SayText) for want in said) else [run, *said]
        if isinstance(node, ActingNode) and not node.wait_for_result:
            if said:
                self.walk = replace(self.walk, awaits=Awaits.SPEECH_TO_GO_ON)
            else:
                self._decide(with_globals=False)

    def _end(self, node: EndNode) -> None:
        self.wants += self._meanwhile(node)
        self._hang_up()

    def _hang_up(self) -> None:
        # A goodbye may be interrupted: then the caller is answered from here.
        self.walk = replace(self.walk, awaits=Awaits.SPEECH)
        self.wants.append(s.EndCall())

    def _speak(self, *, is_first: bool, is_reminder: bool = False) -> None:
        """Have the node talk, then leave it or wait for the caller."""
        node = self._flow.node(self.walk.path)
        is_left = isinstance(node, TalkingNode) and node.skip_response_edge is not None
        self.walk = replace(
            self.walk, awaits=Awaits.SPEECH_TO_GO_ON if is_left else Awaits.SPEECH, options=(), may_speak=False
        )
        if is_first and isinstance(node, TalkingNode) and node.instruction.type == "static_text":
            self.wants.append(s.SayText(self.walk.path, node.instruction.text))
        else:
            self.wants.append(s.SayByPrompt(self.walk.path, is_first=is_first, is_reminder=is_reminder))

    def _meanwhile(self, node: Node) -> list[s.Want]:
        """What the node says while it acts."""
        if not (isinstance(node, SpeakingNode | ActingNode) and node.speak_during_execution):
            return []
        if node.instruction is not None and node.instruction.type == "static_text":
            return [s.SayText(self.walk.path, node.instruction.text)]
        return [s.SayByPrompt(self.walk.path)]

    def _wait(self) -> None:
        self.walk = replace(self.walk, awaits=Awaits.CALLER)
        self.wants.append(s.Wait())
