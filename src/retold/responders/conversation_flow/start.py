"""Puts the responder of a conversation flow together for one call."""

from collections.abc import Mapping

from retold.domain.agent import Agent
from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_map import FlowMap
from retold.ports import LanguageModel
from retold.responders.conversation_flow.brain import FlowBrain
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.tools.context import ToolServices


def conversation_flow(
    flow: Flow,
    components: Mapping[str, SharedComponent],
    agent: Agent,
    model: LanguageModel,
    variables: CallVariables,
    services: ToolServices,
) -> Mind:
    """A responder that begins in the node that the call names, else where the flow does."""
    node_id = variables.record().current_node_id
    outbox = Outbox()
    runs = ToolRuns(outbox, variables)
    start = None if node_id is None else (node_id,)
    brain = FlowBrain(FlowMap(flow, components), agent, model, variables, runs, services, start)
    return Mind(brain, outbox, runs)
