"""What follows from a moment of a call: which events, for whom; worked out before the transaction that writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
from pydantic import JsonValue

from retold.calls.engines import WholeFlow, engine_of
from retold.clock import find_zone
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_request import AgentOverride, with_override
from retold.domain.consequences import NO_CONSEQUENCES, Consequences
from retold.domain.system_variables import DEFAULT_ZONE, SessionFacts, system_variable
from retold.domain.tool_request import web_address
from retold.domain.variables import Variables
from retold.domain.webhook_events import Moment, OrgWebhook, Target, new_events, target_of
from retold.errors import RetoldError, StorageError
from retold.ids import OrgId, new_event_id
from retold.storage.store import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VARIABLE = "{{"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told of a call, and what their address is filled in with."""

    target: Target | None
    zone: str = DEFAULT_ZONE
    defaults: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """The `default_dynamic_variables` of the agent's engine."""

    def wants(self, event: str) -> bool:
        """Whether an event of this name is announced at all."""
        return self.target is not None and event in self.target.events

    def follows(self, moment: Moment, record: CallRecord, at_ms: int) -> Consequences:
        """What follows from a moment of this call at wall time `at_ms`; `record` is the call as it may be stored."""
        if self.target is None:
            return NO_CONSEQUENCES
        url = web_address(self.target.url, {}, _variables(record, at_ms, self.zone, self.defaults))
        return Consequences(events=new_events(moment, record, self.target, url=url, at_ms=at_ms, new_id=new_event_id))


NOBODY = Audience(None)


async def audience_of(store: Store, record: CallRecord, fallback: OrgWebhook) -> Audience:
    """Who is told of this call; `fallback` holds for organisations that have set nothing. Raises StorageError."""
    org_id = OrgId(record.org_id)
    org = await store.webhooks.org_webhook(org_id)
    agent = await _agent(store, record)
    target = target_of(agent, org if org.url else OrgWebhook(fallback.url, org.events, org.timeout_ms))
    if target is None:
        return NOBODY
    zone = (agent and agent.timezone) or DEFAULT_ZONE
    if agent is None or _VARIABLE not in target.url:
        return Audience(target, zone)
    return Audience(target, zone, await _defaults(store, org_id, agent, record))


async def _agent(store: Store, record: CallRecord) -> Agent | None:
    """The agent as the call has it; None when it is gone."""
    agent = await store.agents.find(OrgId(record.org_id), record.call.agent_id, record.call.agent_version)
    return None if agent is None else with_override(agent, record.agent_override_json)


async def _defaults(store: Store, org_id: OrgId, agent: Agent, record: CallRecord) -> Mapping[str, JsonValue]:
    try:
        override = AgentOverride.model_validate_json(record.agent_override_json or "{}")
        engine = await engine_of(store, org_id, agent, override)
    except StorageError:
        raise
    except RetoldError:
        # The engine is gone: the call ended with that, and is told of all the same.
        return {}
    if engine is None:
        return {}
    found = engine.flow if isinstance(engine, WholeFlow) else engine
    return dict(found.default_dynamic_variables or {})


def _variables(record: CallRecord, at_ms: int, zone: str, defaults: Mapping[str, JsonValue]) -> Variables:
    call = record.call
    facts = SessionFacts(
        now=_EPOCH + timedelta(milliseconds=at_ms),
        duration_ms=call.duration_ms or max(0, at_ms - (call.start_timestamp or at_ms)),
        zone=zone,
        call_id=call.call_id,
        call_type=call.call_type,
        direction=call.direction,
        from_number=call.from_number,
        to_number=call.to_number,
    )
    return Variables(
        defaults=defaults,
        system=lambda name: system_variable(name, facts, find_zone),
        of_request=call.retell_llm_dynamic_variables or {},
        collected=call.collected_dynamic_variables or {},
        overrides=orjson.loads(record.variable_overrides_json or "{}"),
    )
