"""Puts the responder of a conversation flow together for one call."""

from collections.abc import Callable, Mapping

from retold.domain.agent import Agent
from retold.domain.apologies import ENGLISH, Apologies
from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_map import FlowMap
from retold.ports import LanguageModel
from retold.responders.conversation_flow.brain import FlowBrain
from retold.responders.mind.brain import TakeOver
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.tools.context import ToolServices


def conversation_flow(  # noqa: PLR0913, PLR0917 - what one call is made of
    flow: Flow,
    components: Mapping[str, SharedComponent],
    agent: Agent,
    model: LanguageModel,
    variables: CallVariables,
    services: ToolServices,
    take_over: Callable[[ToolRuns], TakeOver] | None = None,
    apologies: Apologies = ENGLISH,
) -> Mind:
    """A responder that begins in the node that the call names, else where the flow does.

    `take_over` makes what looks up other agents; without it the call cannot be handed over.
    """
    node_id = variables.record().current_node_id
    outbox = Outbox()
    runs = ToolRuns(outbox, variables)
    start = None if node_id is None else (node_id,)
    others = take_over(runs) if take_over else None
    brain = FlowBrain(FlowMap(flow, components), agent, model, variables, runs, services, start, others)
    return Mind(brain, outbox, runs, apologies)
