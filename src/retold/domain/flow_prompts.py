"""What a language model is told at a node of a flow: how to talk, which way to choose, what a tool needs; pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from retold.domain.dialogue import ToolSpec, ToolUse
from retold.domain.flow_edges import Example, ExampleInvocation, ExampleResult
from retold.domain.flow_map import FlowMap, Path
from retold.domain.flow_nodes import ActingNode, BranchingNode, EndNode, Node, PressDigitNode, SpeakingNode, TalkingNode
from retold.domain.flow_steps import Option, SayByPrompt

Fill = Callable[[str], str]

CHOICE_TOOL: Final = "choose_transition"
CHOICE_ARGUMENT: Final = "transition"
NO_CHOICE: Final = "none"
_STAY: Final = (
    "You have done this already: do not repeat it. Go on with the conversation in the sense of it, and answer what the"
    " caller has said."
)
_REMINDER: Final = "The caller has been silent for a while. Say something short to go on with the conversation."
_JUDGE: Final = (
    "You follow a telephone call between an agent and a caller, and decide whether it goes on to another step.\n"
    "Below are the transitions that are open, each with its condition. Call {tool} with the one whose condition holds"
    " by what was said and done so far, above all by what came last; the first of them if several hold. Call it with"
    ' "{none}" when no condition holds yet.'
)


def talk_prompt(flow: FlowMap, want: SayByPrompt, fill: Fill) -> str:
    """The prompt by which a node talks: what holds in all nodes, then its own instruction and examples."""
    node = flow.node(want.path)
    parts = [flow.flow.global_prompt or "", _task(node)]
    if not want.is_first:
        parts.append(_REMINDER if want.is_reminder else _STAY)
    examples = node.finetune_conversation_examples if isinstance(node, TalkingNode) else None
    parts += [f"An example of how to talk here:\n{_shown(example)}" for example in examples or ()]
    return _joined(parts, fill)


def choice_prompt(flow: FlowMap, path: Path, options: Sequence[Option], fill: Fill) -> str:
    """The prompt by which the model chooses a way, with the examples that teach it."""
    node = flow.node(path)
    ways = [f"{option.label}: {option.condition}" for option in options]
    parts = [
        _JUDGE.format(tool=CHOICE_TOOL, none=NO_CHOICE),
        _task(node),
        "Transitions:\n" + "\n".join([*ways, f"{NO_CHOICE}: no condition holds yet"]),
    ]
    parts += [f"An example that leads to {label}:\n{text}" for label, text in _taught(flow, path, options)]
    return _joined(parts, fill)


def choice_tool(options: Sequence[Option]) -> ToolSpec:
    """The tool by which the model names its choice."""
    labels = [*(option.label for option in options), NO_CHOICE]
    schema = {"type": "string", "enum": labels, "description": "The transition to take."}
    parameters = {"type": "object", "properties": {CHOICE_ARGUMENT: schema}, "required": [CHOICE_ARGUMENT]}
    return ToolSpec(CHOICE_TOOL, "Say which transition the conversation takes.", parameters)


def chosen_label(uses: Sequence[ToolUse], options: Sequence[Option]) -> str | None:
    """What the model chose; None when it chose nothing, or nothing that was open."""
    labels = {option.label for option in options}
    named = [str((use.parsed() or {}).get(CHOICE_ARGUMENT)) for use in uses if use.name == CHOICE_TOOL]
    return next((label for label in named if label in labels), None)


def arguments_prompt(flow: FlowMap, path: Path, tool_name: str, fill: Fill) -> str:
    """The prompt by which the model finds what a tool needs."""
    node = flow.node(path)
    ask = f"Use the tool {tool_name} now, with arguments taken from the conversation. Say nothing."
    instruction = _task(node) if isinstance(node, PressDigitNode) else ""
    return _joined([flow.flow.global_prompt or "", instruction, ask], fill)


def _task(node: Node) -> str:
    """What the agent does at a node."""
    if isinstance(node, TalkingNode | PressDigitNode):
        return f"Your task now:\n{node.instruction.text}" if node.instruction.text.strip() else ""
    name = node.name or node.id
    if isinstance(node, SpeakingNode | ActingNode) and node.instruction is not None and node.instruction.text.strip():
        return f"Your task now:\n{node.instruction.text}"
    if isinstance(node, EndNode):
        return "Your task now: say goodbye in one short sentence; the call ends after it."
    return f"Your task now: {name}. What came of it, if anything, stands in the conversation."


def _taught(flow: FlowMap, path: Path, options: Sequence[Option]) -> Iterator[tuple[str, str]]:
    """What examples lead to: a label and the conversation."""
    node = flow.node(path)
    by_target = {option.target: option.label for option in options if option.edge_id is not None}
    for example in (node.finetune_transition_examples if isinstance(node, BranchingNode) else None) or ():
        to = None if example.destination_node_id is None else (*path[:-1], example.destination_node_id)
        if to is None or to in by_target:
            yield by_target.get(to, NO_CHOICE) if to is not None else NO_CHOICE, _shown(example)
    for option in options:
        setting = flow.node(option.target).global_node_setting if option.is_global and option.target else None
        if setting is not None:
            for example in setting.positive_finetune_examples or ():
                yield option.label, _shown(example)
            for example in setting.negative_finetune_examples or ():
                yield f"something other than {option.label}", _shown(example)


def _shown(example: Example) -> str:
    return "\n".join(
        f"Tool {item.name}: {item.arguments}"
        if isinstance(item, ExampleInvocation)
        else f"Result: {item.content}"
        if isinstance(item, ExampleResult)
        else f"{'Agent' if item.role == 'agent' else 'Caller'}: {item.content}"
        for item in example.transcript
    )


def _joined(parts: Sequence[str], fill: Fill) -> str:
    return fill("\n\n".join(part.strip() for part in parts if part.strip()))
