"""The phone number resource: wire shape and stored shape (SDK 6.2.13 `PhoneNumberResponse`)."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from retold.domain.agent_options import RequestModel, ShortText
from retold.domain.e164 import country
from retold.errors import InvalidRequest

Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
_WEIGHT_TOLERANCE = 1e-6


class AgentWeight(RequestModel):
    """One of the agents of a number, and how often it is picked."""

    agent_id: ShortText
    agent_version: ShortText | int | None = None
    weight: Annotated[float, Field(gt=0, le=1)]


def _check_weights(agents: list[AgentWeight]) -> list[AgentWeight]:
    total = math.fsum(agent.weight for agent in agents)
    if agents and abs(total - 1) > _WEIGHT_TOLERANCE:
        raise PydanticCustomError(
            "weights", "must have weights that add up to 1, they make {total}", {"total": round(total, 6)}
        )
    return agents


WeightedAgents = Annotated[list[AgentWeight], AfterValidator(_check_weights)]


AGENT_LISTS = ("inbound_agents", "outbound_agents", "inbound_sms_agents", "outbound_sms_agents")


class SipTrunk(BaseModel):
    """How calls leave by the number's own trunk; the password is kept elsewhere and never shown."""

    model_config = ConfigDict(frozen=True)

    termination_uri: str
    auth_username: str | None = None
    transport: Literal["TLS", "TCP", "UDP"] = "TCP"
    codecs: list[str] | None = None


class PhoneNumber(BaseModel):
    """A number of the customer's own, and what happens to its calls."""

    model_config = ConfigDict(frozen=True, extra="allow")

    phone_number: str
    phone_number_type: Literal["retell-twilio", "retell-telnyx", "custom"] = "custom"
    phone_number_pretty: str | None = None
    area_code: int | None = None
    last_modification_timestamp: int
    nickname: str | None = None
    inbound_agents: WeightedAgents | None = None
    outbound_agents: WeightedAgents | None = None
    inbound_sms_agents: WeightedAgents | None = None
    outbound_sms_agents: WeightedAgents | None = None
    inbound_webhook_url: str | None = None
    inbound_sms_webhook_url: str | None = None
    fallback_number: str | None = None
    allowed_inbound_country_list: list[Country] | None = None
    allowed_outbound_country_list: list[Country] | None = None
    sip_outbound_trunk_config: SipTrunk

    def agents(self) -> list[AgentWeight]:
        """Every agent it names."""
        return [agent for name in AGENT_LISTS for agent in getattr(self, name) or []]

    def without_agent(self, agent_id: str, now_ms: int) -> "PhoneNumber":
        """The number once an agent is gone: the others share its part, in proportion."""
        lists: dict[str, Any] = {name: _without(getattr(self, name) or [], agent_id) or None for name in AGENT_LISTS}
        changed_ms = max(now_ms, self.last_modification_timestamp)
        return self.model_copy(update={**lists, "last_modification_timestamp": changed_ms})

    def outbound_agent(self, share: float) -> AgentWeight | None:
        """The agent for a call that goes out, None when it has none; `share`, from 0 to 1, is drawn by lot."""
        return _drawn(self.outbound_agents or (), share)

    def inbound_agent(self, share: float) -> AgentWeight | None:
        """The same for a call that comes in."""
        return _drawn(self.inbound_agents or (), share)

    def check_destination(self, to_number: str) -> None:
        """Raise InvalidRequest for a number in a country that it may not call."""
        allowed = self.allowed_outbound_country_list
        if not allowed:
            return
        where = country(to_number)
        if where not in allowed:
            raise InvalidRequest(
                f"phone number {self.phone_number} may not call {to_number!r} in {where or 'an unknown country'};"
                f" it may call {', '.join(allowed)}",
                field="to_number",
                fix="PATCH /update-phone-number changes allowed_outbound_country_list",
            )

    def wire(self) -> dict[str, Any]:
        """The number as the API shows it; a single agent also in the fields before the weighted lists."""
        shape = self.model_dump(mode="json", exclude_none=True)
        for direction, agents in (("inbound", self.inbound_agents), ("outbound", self.outbound_agents)):
            if agents and len(agents) == 1:
                shape[f"{direction}_agent_id"] = agents[0].agent_id
                if agents[0].agent_version is not None:
                    shape[f"{direction}_agent_version"] = agents[0].agent_version
        return shape


def _drawn(agents: Sequence[AgentWeight], share: float) -> AgentWeight | None:
    for agent in agents:
        share -= agent.weight
        if share < 0:
            return agent
    # Weights may miss 1 by what rounding takes.
    return agents[-1] if agents else None


def _without(agents: Sequence[AgentWeight], agent_id: str) -> list[AgentWeight]:
    kept = [agent for agent in agents if agent.agent_id != agent_id]
    total = math.fsum(agent.weight for agent in kept)
    return [agent.model_copy(update={"weight": min(1.0, agent.weight / total)}) for agent in kept]
