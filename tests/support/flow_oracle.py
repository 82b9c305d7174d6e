"""Where a conversation has to go in a flow, from the JSON of a client: a second, simple reading of the rules."""

import operator
from dataclasses import dataclass, field
from typing import Any

from retold.domain import flow_steps as s

Path = tuple[str, ...]
OPERATORS = {"==": operator.eq, "!=": operator.ne, ">": operator.gt, "<=": operator.le}
_TALKING = {"conversation", "subagent"}


@dataclass
class Oracle:
    """Follows one walk, and fails the test when it goes another way than the rules say."""

    flow: dict[str, Any]
    variables: dict[str, int]
    start: Path
    place: Path = ()
    last: Path = ()
    caller_spoke: bool = False
    picked: str | None = None
    """The condition that the model chose."""
    has_picked: bool = False
    returns: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])
    left_out: dict[Path, int] = field(default_factory=dict[Path, int])
    graphs: dict[Path, dict[str, dict[str, Any]]] = field(default_factory=dict[Path, dict[str, dict[str, Any]]])
    transitions: list[s.Entered] = field(default_factory=list[s.Entered])

    def nodes(self, inside: Path) -> dict[str, dict[str, Any]]:
        """The nodes of a graph by id."""
        if inside not in self.graphs:
            graph = self.flow
            if inside:
                name = self.nodes(inside[:-1])[inside[-1]]["component_id"]
                graph = next(part for part in self.flow["components"] if part["name"] == name)
            self.graphs[inside] = {node["id"]: node for node in graph["nodes"]}
        return self.graphs[inside]

    def node(self) -> dict[str, Any]:
        """The node where the walk is."""
        return self.nodes(self.place[:-1])[self.place[-1]]

    def check(self, wants: list[s.Want]) -> None:
        """Whether each want is what had to come, in order."""
        for want in wants:
            match want:
                case s.Entered():
                    assert (want.former, want.new, want.kind) == (self.last, *self._next()), self.place
                    self._enter(want)
                case s.Choose():
                    assert self._next_is_asked(), self.place
                    assert (want.path, [one.condition for one in want.options]) == (self.place, self._prompts())
                case s.SayByPrompt() | s.SayText():
                    assert want.path == self.place
                    assert self._may_speak(want), self.place
                case s.RunTool():
                    assert self.node()["type"] in {"function", "extract_dynamic_variables"}
                case s.EndCall():
                    assert self.node()["type"] == "end"
                case _:
                    assert isinstance(want, s.Wait), want

    # --- the rules ----------------------------------------------------------------------------

    def _ways(self) -> list[tuple[dict[str, Any], Path | None, str]]:
        """Conditions and where they lead, in the order in which they count."""
        node, inside = self.node(), self.place[:-1]
        own = [] if "always_edge" in node else node.get("edges", [])
        ways = [(one["transition_condition"], self._end_of(one, inside), "normal") for one in own]
        setting = node.get("global_node_setting", {})
        came_from = [to for of, to in self.returns if of == self.place]
        if came_from:
            ways += [
                (one["transition_condition"], came_from[-1], "global_go_back") for one in setting["go_back_conditions"]
            ]
        for depth in range(len(self.place) - 1, -1, -1) if self.caller_spoke else ():
            for node_id, other in self.nodes(self.place[:depth]).items():
                path = (*self.place[:depth], node_id)
                is_open = node_id != self.place[depth] and not self.left_out.get(path)
                if "global_node_setting" in other and is_open:
                    ways.append((other["global_node_setting"]["condition"], path, "global"))
        return ways

    def _end_of(self, edge: dict[str, Any], inside: Path) -> Path | None:
        to = edge.get("destination_node_id")
        return None if to is None else (*inside, to)

    def _prompts(self) -> list[str]:
        return [one["prompt"] for one, _to, _kind in self._ways() if one["type"] == "prompt"]

    def _holds(self, condition: dict[str, Any]) -> bool:
        equation = condition["equations"][0]
        value = self.variables.get(equation["left"].strip("{}"))
        if value is None:
            return equation["operator"] == "!="
        return bool(OPERATORS[equation["operator"]](value, int(equation["right"])))

    def _decided(self) -> tuple[Path | None, str] | None:
        """The way by equations, by the model's choice, or by the node's fallback; None when the node stays."""
        if not self.caller_spoke and "skip_response_edge" in self.node():
            return self._end_of(self.node()["skip_response_edge"], self.place[:-1]), "normal"
        for condition, to, kind in self._ways():
            if condition["type"] == "equation" and self._holds(condition):
                return to, kind
        for condition, to, kind in self._ways():
            if condition["type"] == "prompt" and self.has_picked and condition["prompt"] == self.picked:
                return to, kind
        for name in ("else_edge", "always_edge", "skip_response_edge"):
            if name in self.node():
                return self._end_of(self.node()[name], self.place[:-1]), "normal"
        return None

    def _next_is_asked(self) -> bool:
        """Whether the model has to be asked, perhaps after leaving a component."""
        while self.caller_spoke or "skip_response_edge" not in self.node():
            is_by_equation = any(one["type"] == "equation" and self._holds(one) for one, _to, _kind in self._ways())
            if not is_by_equation and self._prompts() and not self.has_picked:
                return True
            decided = self._decided()
            if decided is None or decided[0] is not None:
                return False
            self._leave_component()
        return False

    def _next(self) -> tuple[Path, str]:
        if not self.last:
            return self.start, "normal"
        is_entered = self.last == self.place and self.transitions[-1].kind != "global_go_back"
        if self.node()["type"] == "component" and is_entered:
            inner = (*self.place, next(iter(self.nodes(self.place))))
            return inner, "normal"
        while True:
            decided = self._decided()
            assert decided is not None, self.place
            if decided[0] is not None:
                return decided[0], decided[1]
            self._leave_component()

    def _leave_component(self) -> None:
        assert len(self.place) > 1, self.place
        self.place = self.place[:-1]
        self.caller_spoke, self.has_picked = False, False

    def _enter(self, want: s.Entered) -> None:
        self.transitions.append(want)
        self.left_out = {path: left - 1 for path, left in self.left_out.items() if left > 1}
        if want.kind == "global":
            self.returns.append((want.new, self.place))
        if want.kind == "global_go_back":
            while self.returns.pop()[0] != self.place:
                pass
        self.place = self.last = want.new
        cool_down = self.node().get("global_node_setting", {}).get("cool_down")
        if want.kind == "global" and cool_down:
            self.left_out[want.new] = cool_down
        self.caller_spoke, self.has_picked = False, False

    def _may_speak(self, want: s.SayText | s.SayByPrompt) -> bool:
        node = self.node()
        if isinstance(want, s.SayText):
            return node["instruction"] == {"type": "static_text", "text": want.text} and not self.caller_spoke
        if node["type"] in _TALKING:
            is_stay = self.caller_spoke and self._decided() is None
            return is_stay if not want.is_first and self.transitions[-1].kind != "global_go_back" else True
        return node["type"] == "function" and node["speak_during_execution"]
