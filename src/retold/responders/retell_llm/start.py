"""Puts the responder of a Retell LLM together for one call."""

from retold.domain.llm import Llm
from retold.ports import LanguageModel
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.brain import RetellLlmBrain
from retold.responders.tools.context import ToolServices


def retell_llm(llm: Llm, model: LanguageModel, variables: CallVariables, services: ToolServices) -> Mind:
    """A responder in the state that the call begins in; `model` is what the call speaks with, its backup included."""
    variables.enter_state(variables.record().current_state or llm.starting_state or "")
    outbox = Outbox()
    runs = ToolRuns(outbox, variables)
    return Mind(RetellLlmBrain(llm, model, variables, runs, services), outbox, runs)
