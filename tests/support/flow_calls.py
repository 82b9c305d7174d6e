"""Calls on virtual time whose agent is a conversation flow and whose language model follows a script."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retold.clock import CallClock
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.flow_check import check_flow
from retold.domain.flow_prompts import CHOICE_ARGUMENT, CHOICE_TOOL
from retold.domain.flow_request import NewFlow, create_flow
from retold.domain.transcript import NodeTransition, ToolCallInvocation, ToolCallResult, Utterance
from retold.engine.rules import rules_for
from retold.providers.scripted_model import ScriptedModel
from retold.responders.conversation_flow.start import conversation_flow
from retold.responders.mind.variables import CallVariables
from retold.responders.tools.context import ToolServices
from support.dialogue import Dialogue
from support.minds import RECORD, NoSandbox, SlowHttp, no_key
from support.model_server import script
from support.stored import make_agent
from support.virtual_time import VirtualClock

JSON = Mapping[str, Any]


def choose(label: str, **when: Any) -> dict[str, Any]:
    """A rule by which the model chooses this option of those it is offered."""
    step = {"use": CHOICE_TOOL, "arguments": {CHOICE_ARGUMENT: label}}
    return {"when": {"offered": CHOICE_TOOL, **when}, "steps": [step]}


STAY = choose("none")


@dataclass
class FlowCall:
    """One call; `model.requests` is what the model was asked, `call` the caller and the record."""

    call: Dialogue
    model: ScriptedModel
    http: SlowHttp
    variables: CallVariables

    def story(self) -> list[str]:
        """What was said and done, in order: transitions as `a > b`, tools as `name(arguments)` and `= result`."""
        return [told for item in self.call.report().items if (told := _told(item)) is not None]

    def transitions(self) -> list[str]:
        """The ids of the nodes entered, each with how it was reached."""
        items = [item for item in self.call.report().items if isinstance(item, NodeTransition)]
        return [f"{item.new_node_id} {item.transition_type}" for item in items]


def flow_call(
    sent: JSON,
    *rules: JSON,
    http: SlowHttp | None = None,
    node_id: str | None = None,
    agent: Agent | None = None,
    services: ToolServices | None = None,
) -> FlowCall:
    """A call with this flow, whose model follows these rules; make it inside the test's event loop."""
    flow = create_flow(NewFlow.model_validate(sent), "flow_1", 1)
    check_flow(flow, {})
    clock, web, model = VirtualClock(), http or SlowHttp(), ScriptedModel(script(*rules))
    record: CallRecord = RECORD.model_copy(update={"current_node_id": node_id})
    variables = CallVariables(lambda: record, CallClock(clock), defaults=flow.default_dynamic_variables or {})
    services = services or ToolServices(http=web, sandbox=NoSandbox(), clock=clock, webhook_key=no_key)
    agent = agent or make_agent()
    mind = conversation_flow(flow, {}, agent, model, variables, services)
    return FlowCall(Dialogue(rules=rules_for(agent), clock=clock, mind=mind), model, web, variables)


def says(text: str) -> dict[str, Any]:
    """An instruction to say just this."""
    return {"type": "static_text", "text": text}


def at(name: str, text: str) -> dict[str, Any]:
    """What the model says while the instruction is about this node."""
    return {"when": {"system": f"Talk about {name}"}, "steps": [{"say": text}]}


async def held(one: FlowCall, *said: tuple[float, str], until_s: float | None = None) -> list[str]:
    """Hold the call, five seconds longer than the caller has something to say."""
    for at_s, text in said:
        one.call.user_says(text, at_s=at_s)
    one.call.user_hangs_up(at_s=said[-1][0] + 5 if until_s is None else until_s)
    await one.call.run()
    return one.story()


def _told(item: object) -> str | None:
    match item:
        case Utterance():
            return f"{item.role}: {item.content}"
        case NodeTransition():
            kind = "" if item.transition_type == "normal" else f" ({item.transition_type})"
            return f"{item.former_node_id} > {item.new_node_id}{kind}"
        case ToolCallInvocation():
            return f"{item.name}({item.arguments})"
        case ToolCallResult():
            return f"= {item.content}"
        case _:
            return None
