"""Calls on virtual time whose agent is a Retell LLM and whose language model follows a script."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import JsonValue

from retold.clock import CallClock, SystemClock
from retold.domain.apologies import apologies_in
from retold.domain.call import Call, CallRecord
from retold.domain.code_outcome import CodeOutcome
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.http_answer import HttpAnswer
from retold.domain.llm import Llm
from retold.domain.llm_tools import AgentSwap
from retold.engine.rules import Rules
from retold.ports import ChangeAgent, LanguageModel, VoiceSettings
from retold.providers.scripted_model import ScriptedModel
from retold.responders.mind.brain import Successor, TakeOver
from retold.responders.mind.own_server import OwnServer
from retold.responders.mind.responder import Mind
from retold.responders.mind.tool_runs import ToolRuns
from retold.responders.mind.variables import CallVariables
from retold.responders.retell_llm.brain import RetellLlmBrain
from retold.responders.retell_llm.start import retell_llm
from retold.responders.tools.context import ToolServices
from support.dialogue import Dialogue
from support.model_server import script
from support.virtual_time import VirtualClock

RECORD = CallRecord(
    call=Call(call_id="call_1", agent_id="agent_1", retell_llm_dynamic_variables={"name": "Ann"}),
    org_id="org_1",
    created_wall_ms=0,
    join_deadline_wall_ms=0,
    files_token="0" * 32,
)


@dataclass
class SlowHttp:
    """A web service that answers after `takes_ms` with `body`; it counts how often it was asked and cut off."""

    body: str = '{"free": "12:30"}'
    status: int = 200
    takes_ms: float = 100.0
    asked: int = 0
    cut_off: int = 0

    async def request(self, method: str, url: str, **_: Any) -> HttpAnswer:  # noqa: ARG002 - whatever is asked
        self.asked += 1
        try:
            await anyio.sleep(self.takes_ms / 1000)
        except anyio.get_cancelled_exc_class():
            self.cut_off += 1
            raise
        return HttpAnswer(self.status, {"content-type": "application/json"}, self.body.encode())


class NoSandbox:
    """Runs no code."""

    async def run(
        self,
        code: str,  # noqa: ARG002 - refused
        variables: Mapping[str, str],  # noqa: ARG002 - refused
        timeout_s: float,  # noqa: ARG002 - refused
        *,
        metadata: Mapping[str, JsonValue] | None = None,  # noqa: ARG002 - refused
    ) -> CodeOutcome:
        return CodeOutcome(None, "no code is run here")


async def no_key(_org_id: str) -> str | None:
    return None


def llm_of(**fields: Any) -> Llm:
    """A Retell LLM with these fields of the API."""
    return Llm.model_validate({"llm_id": "llm_1", "last_modification_timestamp": 0, **fields})


@dataclass
class Thinking:
    """One call; `model.requests` is what the model was asked, `call` the caller and the record."""

    call: Dialogue
    model: ScriptedModel
    http: SlowHttp
    variables: CallVariables

    def roles(self) -> list[str]:
        """The kinds of the transcript's items, in order, the tools with their names or results."""
        shown: list[str] = []
        for item in self.call.report().items:
            wire = item.wire()
            shown.append(wire["role"] + ": " + str(wire.get("name") or wire.get("content")))
        return shown


GERMAN = apologies_in("de-DE", {"de"})
"""What those say who take over when their model fails."""
Others = Mapping[str, Callable[[], Awaitable[Llm | OwnServer | str]]]
"""The agents that a call can be handed over to, by id: their LLMs or servers, or why they cannot take over."""


def mind_of(
    llm: Llm,
    model: LanguageModel,
    variables: CallVariables,
    http: SlowHttp | None = None,
    others: Others | None = None,
    services: ToolServices | None = None,
) -> Mind:
    """The responder of a call with this LLM; with `services` of its own it does not use `http`."""
    known = services or ToolServices(
        http=http or SlowHttp(),
        sandbox=NoSandbox(),
        clock=SystemClock(),
        webhook_key=no_key,
        sms_url="https://sms.example.com",
    )

    def take_over(runs: ToolRuns) -> TakeOver:
        async def look_up(swap: AgentSwap | AgentSwapNode) -> Successor | OwnServer | str:
            found = await (others or {})[swap.agent_id]()
            if isinstance(found, str | OwnServer):
                return found
            change = ChangeAgent(swap.agent_id, 0, voice=VoiceSettings("other"))
            return Successor(change, lambda: RetellLlmBrain(found, model, variables, runs, known, look_up), GERMAN)

        return look_up

    # What looks up others names itself, which only the cycle collector frees.
    return retell_llm(llm, model, variables, known, take_over if others else None)


def thinking(
    llm: Llm,
    *rules: Mapping[str, Any],
    http: SlowHttp | None = None,
    record: Callable[[], CallRecord] = lambda: RECORD,
    turn_rules: Rules | None = None,
    others: Others | None = None,
    services: ToolServices | None = None,
) -> Thinking:
    """A call with this LLM, whose model follows these rules; make it inside the test's event loop."""
    clock, web, model = VirtualClock(), http or SlowHttp(), ScriptedModel(script(*rules))
    variables = CallVariables(record, CallClock(clock), defaults=llm.default_dynamic_variables or {})
    mind = mind_of(llm, model, variables, web, others, services)
    call = Dialogue(rules=turn_rules or Rules(), clock=clock, mind=mind)
    return Thinking(call, model, web, variables)
