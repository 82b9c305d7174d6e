"""The dynamic variables of one call, as they stand at any moment of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import orjson
from pydantic import JsonValue

from retold.clock import CallClock, find_zone
from retold.domain.call import CallRecord
from retold.domain.system_variables import DEFAULT_ZONE, SessionFacts, system_variable
from retold.domain.variables import Variables, text_of
from retold.ports import VariablesCollected

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the agent a conversation is; empty before it was anywhere."""

    state: str = ""
    previous_state: str = ""
    node: str = ""
    previous_node: str = ""


@dataclass(slots=True)
class CallVariables:
    """Puts together what a call was made with, what the API set since, what came up, and the facts of the moment."""

    record: Callable[[], CallRecord]
    """The call as it stands now."""
    clock: CallClock
    zone: str = DEFAULT_ZONE
    defaults: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Of the Retell LLM or flow."""
    place: Place = Place()
    collected: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    def now(self) -> Variables:
        """All variables at this moment; nothing that happens later shows in them."""
        record = self.record()
        facts = self._facts(record)
        return Variables(
            defaults=self.defaults,
            system=lambda name: system_variable(name, facts, find_zone),
            of_request=record.call.retell_llm_dynamic_variables or {},
            collected=self.collected,
            overrides=orjson.loads(record.variable_overrides_json or "{}"),
        )

    def collect(self, found: Mapping[str, JsonValue]) -> VariablesCollected:
        """Note what came up in the conversation; gives the act that tells the record."""
        self.collected = {**self.collected, **found}
        return VariablesCollected({name: text_of(value) for name, value in found.items() if value is not None})

    def enter_state(self, name: str) -> None:
        """The conversation is in this state now."""
        self.place = replace(self.place, state=name, previous_state=self.place.state)

    def enter_node(self, name: str) -> None:
        """The conversation is in this node now."""
        self.place = replace(self.place, node=name, previous_node=self.place.node)

    def _facts(self, record: CallRecord) -> SessionFacts:
        call, now_ms = record.call, self.clock.now_ms()
        return SessionFacts(
            now=_EPOCH + timedelta(milliseconds=self.clock.wall_ms(now_ms)),
            duration_ms=int(now_ms),
            zone=self.zone,
            call_id=call.call_id,
            call_type=call.call_type,
            direction=call.direction,
            from_number=call.from_number,
            to_number=call.to_number,
            current_agent_state=self.place.state or None,
            previous_agent_state=self.place.previous_state or None,
            current_node=self.place.node or None,
            previous_node=self.place.previous_node or None,
        )
