"""Makes the responder of each call: who decides what its agent says."""

from collections.abc import Mapping
from typing import Final

import structlog

from retold.app.models import NOT_CONFIGURED, LanguageModels
from retold.calls.deps import CallParts
from retold.calls.engines import WholeFlow
from retold.clock import Clock
from retold.domain.llm import Llm
from retold.domain.response_engine import CustomLlm
from retold.domain.system_variables import DEFAULT_ZONE
from retold.errors import ModelLost
from retold.outbound import Outbound
from retold.ports import Responder
from retold.responders.conversation_flow.start import conversation_flow
from retold.responders.custom_llm import CustomLlm as CustomLlmResponder
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.brain import DEFAULT_MODEL
from retold.responders.retell_llm.start import retell_llm
from retold.responders.tools.context import ToolServices
from retold.responders.unserved import Unserved
from retold.settings import Settings

WITHOUT_MODEL: Final = "I am sorry, this server has no language model for me to think with yet. Goodbye."

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
    ) -> None:
        self._settings = settings
        self._models = models
        self._outbound = outbound
        self._clock = clock
        self._services = services

    def responder(self, parts: CallParts) -> Responder:
        """The responder of one call."""
        match parts.engine:
            case None:
                return self._custom_llm(parts)
            case Llm() as llm:
                model = (llm.models.primary or DEFAULT_MODEL).model
                if not self._models.serves(model):
                    return _without_model(model)
                variables = _variables(parts, llm.default_dynamic_variables)
                return retell_llm(llm, self._models.for_call(llm.models.backup), variables, self._services)
            case WholeFlow(flow=flow, components=components):
                model = (flow.models.primary or DEFAULT_MODEL).model
                if not self._models.serves(model):
                    return _without_model(model)
                speaks_with = self._models.for_call(flow.models.backup)
                variables = _variables(parts, flow.default_dynamic_variables)
                return conversation_flow(flow, components, parts.agent, speaks_with, variables, self._services)

    def _custom_llm(self, parts: CallParts) -> Responder:
        engine = parts.agent.response_engine
        assert isinstance(engine, CustomLlm)  # noqa: S101 - calls with another engine have read what it names
        url = engine.llm_websocket_url
        return CustomLlmResponder(url, parts.record().call, self._outbound, self._settings, self._clock)


def _without_model(name: str) -> Responder:
    log.error("model_not_configured", model=name, fix="set RETOLD_LLM__BASE_URL; `retold doctor` asks the model")
    return Unserved(ModelLost(f"{NOT_CONFIGURED} (asked for {name})"), WITHOUT_MODEL)


def _variables(parts: CallParts, defaults: Mapping[str, str] | None) -> CallVariables:
    return CallVariables(parts.record, parts.clock, parts.agent.timezone or DEFAULT_ZONE, defaults or {})
