"""Makes the responder of each call: who decides what its agent says."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from retold.app.models import NOT_CONFIGURED, LanguageModels
from retold.calls.deps import CallParts
from retold.calls.engines import Engine, NextAgent, WholeFlow
from retold.calls.speech_of import language_of
from retold.clock import Clock
from retold.domain.agent import Agent
from retold.domain.apologies import Apologies, apologies_in
from retold.domain.call import Call
from retold.domain.flow_map import FlowMap
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm import Llm
from retold.domain.llm_models import ModelSettings
from retold.domain.llm_tools import AgentSwap
from retold.domain.response_engine import CustomLlm
from retold.domain.system_variables import DEFAULT_ZONE
from retold.domain.variables import text_of
from retold.errors import CallFailed, ModelLost
from retold.outbound import Outbound
from retold.ports import Responder
from retold.responders.conversation_flow.brain import FlowBrain
from retold.responders.conversation_flow.start import conversation_flow
from retold.responders.custom_llm import CustomLlm as CustomLlmResponder
from retold.responders.mind.brain import Brain, Successor
from retold.responders.mind.own_server import OwnServer
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.brain import DEFAULT_MODEL, RetellLlmBrain
from retold.responders.retell_llm.start import retell_llm
from retold.responders.tools.context import ToolServices
from retold.responders.unserved import Unserved
from retold.settings import Settings

WITHOUT_ITS_MODEL: Final = "its language model is not configured on this server"
NOT_REACHED: Final = "its LLM server cannot be reached"

log = structlog.stdlib.get_logger()


class Minds:
    """What the responders of all calls share."""

    def __init__(
        self,
        settings: Settings,
        models: LanguageModels,
        outbound: Outbound,
        clock: Clock,
        services: ToolServices,
        *,
        spoken_languages: frozenset[str],
    ) -> None:
        self._settings = settings
        self._models = models
        self._outbound = outbound
        self._clock = clock
        self._services = services
        self._spoken_languages = spoken_languages

    def responder(self, parts: CallParts) -> Responder:
        """The responder of one call."""
        match parts.engine:
            case None:
                return self._custom_llm(parts.agent, parts.record().call)
            case Llm() as llm:
                variables = _variables(parts, llm.default_dynamic_variables)
                make = partial(retell_llm, llm, self._models.for_call(llm.models.backup))
                models = llm.models
            case WholeFlow(flow=flow, components=components):
                variables = _variables(parts, flow.default_dynamic_variables)
                make = partial(
                    conversation_flow, flow, components, parts.agent, self._models.for_call(flow.models.backup)
                )
                models = flow.models
        missing = self.lacks(models)
        if missing is not None:
            return _without_model(missing, self.apologies(language_of(parts.agent)))
        handing_over, apologies = (
            partial(_HandingOver, self, parts, variables),
            self.apologies(language_of(parts.agent)),
        )
        return make(variables, self._services, handing_over, apologies)

    def apologies(self, language: str) -> Apologies:
        """What an agent of this language says when its model fails."""
        return apologies_in(language, self._spoken_languages)

    def lacks(self, models: ModelSettings) -> str | None:
        """Which model of an agent is not configured here; None when it is."""
        name = (models.primary or DEFAULT_MODEL).model
        return None if self._models.serves(name) else name

    def begin(self, agent: Agent, engine: Engine, one: "_HandingOver") -> Brain:
        """The brain of an agent that takes over, where it begins: what the conversation found out stays."""
        one.variables.zone = agent.timezone or DEFAULT_ZONE
        match engine:
            case Llm() as llm:
                one.variables.defaults = llm.default_dynamic_variables or {}
                one.variables.enter_state(llm.starting_state or "")
                model = self._models.for_call(llm.models.backup)
                return RetellLlmBrain(llm, model, one.variables, one.runs, self._services, one)
            case WholeFlow(flow=flow, components=components):
                one.variables.defaults = flow.default_dynamic_variables or {}
                model = self._models.for_call(flow.models.backup)
                whole = FlowMap(flow, components)
                return FlowBrain(whole, agent, model, one.variables, one.runs, self._services, take_over=one)

    async def own_server(self, found: NextAgent, call: Call) -> OwnServer | str:
        """The LLM server of an agent that takes over this call, connected, or why it does not."""
        agent = found.agent
        call = call.model_copy(
            update={"agent_id": agent.agent_id, "agent_version": agent.version, "agent_name": agent.agent_name}
        )
        server = self._custom_llm(agent, call)
        try:
            await server.open()
        except CallFailed as error:
            # What the address resolves to is for whoever runs the server, not for whoever talks to the agent.
            log.warning("llm_server_not_reached", agent_id=agent.agent_id, error=str(error))
            return NOT_REACHED
        return OwnServer(found.change, server)

    def _custom_llm(self, agent: Agent, call: Call) -> CustomLlmResponder:
        engine = agent.response_engine
        assert isinstance(engine, CustomLlm)  # noqa: S101 - calls with another engine have read what it names
        return CustomLlmResponder(engine.llm_websocket_url, call, self._outbound, self._settings, self._clock)


@dataclass(frozen=True, slots=True)
class _HandingOver:
    """A TakeOver: hands one call over from agent to agent."""

    minds: Minds
    parts: CallParts
    variables: CallVariables
    runs: ToolRuns

    async def __call__(self, swap: AgentSwap | AgentSwapNode) -> Successor | OwnServer | str:
        found = await self.parts.next_agent(swap)
        if found.engine is None:
            return await self.minds.own_server(found, self._call())
        if self.minds.lacks(found.engine.models):
            return WITHOUT_ITS_MODEL
        language = found.change.language
        apologies = None if language is None else self.minds.apologies(language)
        return Successor(found.change, partial(self.minds.begin, found.agent, found.engine, self), apologies)

    def _call(self) -> Call:
        """The call as it stands, with what came up in it."""
        collected = {name: text_of(value) for name, value in self.variables.collected.items() if value is not None}
        return self.parts.record().call.model_copy(update={"collected_dynamic_variables": collected or None})


def _without_model(name: str, apologies: Apologies) -> Responder:
    log.error("model_not_configured", model=name, fix="set RETOLD_LLM__BASE_URL; `retold doctor` asks the model")
    return Unserved(ModelLost(f"{NOT_CONFIGURED} (asked for {name})"), apologies.without_model)


def _variables(parts: CallParts, defaults: Mapping[str, str] | None) -> CallVariables:
    return CallVariables(parts.record, parts.clock, parts.agent.timezone or DEFAULT_ZONE, defaults or {})
