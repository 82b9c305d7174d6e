"""Edges of a conversation flow, what opens them, and the examples that teach when to take one (SDK 6.2.13)."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from retold.domain.agent_options import LongText, RequestModel, ShortText
from retold.domain.equations import Equations, JoiningOperator

Id = Annotated[str, Field(min_length=1, max_length=200)]


class PromptCondition(RequestModel):
    """Judged by the model; of edges such as `else_edge` the prompt is fixed and says which edge it is."""

    type: Literal["prompt"]
    prompt: LongText


class EquationCondition(RequestModel):
    """Decided by variables, without the model."""

    type: Literal["equation"]
    equations: Equations
    operator: JoiningOperator
    prompt: ShortText | None = None
    """Only of edges with a fixed prompt."""


class EquationPromptCondition(RequestModel):
    """Equations and a prompt, joined by the operator."""

    type: Literal["equation_prompt"]
    equations: Equations
    operator: JoiningOperator
    prompt_condition: PromptCondition | None = None


EdgeCondition = Annotated[PromptCondition | EquationCondition, Discriminator("type")]
GlobalCondition = (
    Annotated[str, Field(min_length=1, max_length=50_000)]
    | Annotated[PromptCondition | EquationCondition | EquationPromptCondition, Discriminator("type")]
)


class Edge(RequestModel):
    """The way from one node to another; inside a component, one without a destination leads out of it."""

    id: Id
    transition_condition: EdgeCondition
    destination_node_id: Id | None = None


class Spoken(RequestModel):
    """What somebody said in an example."""

    role: Literal["agent", "user"]
    content: LongText


class ExampleInvocation(RequestModel):
    """The call of a tool in an example."""

    role: Literal["tool_call_invocation"]
    tool_call_id: ShortText
    name: ShortText
    arguments: LongText


class ExampleResult(RequestModel):
    """What a tool gave in an example."""

    role: Literal["tool_call_result"]
    tool_call_id: ShortText
    content: LongText


class Example(RequestModel):
    """A piece of conversation to learn from."""

    transcript: list[Annotated[Spoken | ExampleInvocation | ExampleResult, Discriminator("role")]]


class ConversationExample(Example):
    """How a node should talk."""

    id: ShortText


class TransitionExample(ConversationExample):
    """When a node should be left, and for which node."""

    destination_node_id: Id | None = None


class GlobalNodeSetting(RequestModel):
    """A node that can be reached from everywhere."""

    condition: GlobalCondition
    go_back_conditions: list[Edge] | None = None
    """Edges back to where the conversation came from; they name no destination."""
    cool_down: Annotated[float, Field(ge=1)] | None = None
    """Transitions during which the node is not entered again."""
    positive_finetune_examples: list[Example] | None = None
    negative_finetune_examples: list[Example] | None = None
