"""Puts the responder of a Retell LLM together for one call."""

from collections.abc import Callable

from retold.domain.apologies import ENGLISH, Apologies
from retold.domain.llm import Llm
from retold.ports import LanguageModel
from retold.responders.mind.brain import TakeOver
from retold.responders.mind.outbox import Outbox
from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.brain import RetellLlmBrain
from retold.responders.tools.context import ToolServices


def retell_llm(
    llm: Llm,
    model: LanguageModel,
    variables: CallVariables,
    services: ToolServices,
    take_over: Callable[[ToolRuns], TakeOver] | None = None,
    apologies: Apologies = ENGLISH,
) -> Mind:
    """A responder in the state that the call begins in; `model` is what the call speaks with, its backup included.

    `take_over` makes what looks up other agents; without it the call cannot be handed over.
    """
    variables.enter_state(variables.record().current_state or llm.starting_state or "")
    outbox = Outbox()
    runs = ToolRuns(outbox, variables)
    others = take_over(runs) if take_over else None
    return Mind(RetellLlmBrain(llm, model, variables, runs, services, others), outbox, runs, apologies)
