"""What of a Retell LLM holds while the conversation is in one of its states: prompt, tools and ways out; pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from retold.domain.dialogue import ToolSpec, ToolUse
from retold.domain.llm import Llm, State, StateEdge
from retold.domain.llm_tools import Tool
from retold.domain.tool_specs import NO_ARGUMENTS, filled_schema, spec_of

_PREFIX: Final = "transition_to_"
_MAX_NAME_CHARS: Final = 64
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")

Fill = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Stage:
    """One state with what is general; the general part alone where there are no states."""

    prompt: str
    """As its author wrote it, variables and all."""
    tools: dict[str, Tool]
    edges: dict[str, StateEdge]
    """By the name of the tool that stands for the way."""
    is_strict: bool

    def specs(self, fill: Fill) -> tuple[ToolSpec, ...]:
        """All tools as a model is offered them: general ones, those of the state, the ways out."""
        tools = [spec_of(tool, fill, is_strict=self.is_strict) for tool in self.tools.values()]
        return (*tools, *(self._way(name, edge, fill) for name, edge in self.edges.items()))

    def _way(self, name: str, edge: StateEdge, fill: Fill) -> ToolSpec:
        parameters = NO_ARGUMENTS if edge.parameters is None else edge.parameters.model_dump(exclude_none=True)
        return ToolSpec(name, fill(edge.description), filled_schema(parameters, fill), self.is_strict)


def stage_of(llm: Llm, state_name: str) -> Stage:
    """What holds in this state; in a state that does not exist, what is general."""
    state = next((state for state in llm.states or () if state.name == state_name), State(name="none"))
    prompts = (llm.general_prompt or "", state.state_prompt or "")
    tools = (*(llm.general_tools or ()), *(state.tools or ()))
    return Stage(
        prompt="\n\n".join(prompt.strip() for prompt in prompts if prompt.strip()),
        tools={tool.name: tool for tool in tools},
        edges=_named(
            [edge for edge in state.edges or () if edge.destination_state_name], {tool.name for tool in tools}
        ),
        is_strict=bool(llm.tool_call_strict_mode),
    )


def collected_on(edge: StateEdge, use: ToolUse) -> dict[str, Any]:
    """The variables that a model gave along when it took this way."""
    known = {} if edge.parameters is None else edge.parameters.properties
    arguments = use.parsed() or {}
    return {name: arguments[name] for name in known if arguments.get(name) is not None}


def _named(edges: list[StateEdge], taken: set[str]) -> dict[str, StateEdge]:
    named: dict[str, StateEdge] = {}
    for edge in edges:
        whole = _NOT_IN_NAMES.sub("_", _PREFIX + edge.destination_state_name)[:_MAX_NAME_CHARS]
        name, number = whole, 2
        while name in named or name in taken:
            name = f"{whole[: _MAX_NAME_CHARS - 4]}_{number}"
            number += 1
        named[name] = edge
    return named
