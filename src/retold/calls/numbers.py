"""What a phone number says of the calls that go out by it."""

import random

from retold.calls.deps import Deps
from retold.domain.agent import ResolvedAgent
from retold.domain.call_request import PhoneCallRequest
from retold.errors import InvalidRequest
from retold.ids import OrgId


async def outbound_agent(deps: Deps, org_id: OrgId, asked: PhoneCallRequest) -> ResolvedAgent:
    """The agent that speaks on a call: the one that the request names, else one of those of its number, by weight.

    Raises InvalidRequest for a number that has none or may not call there, NotFound for one that is not this
    organisation's and for an agent that is not there.
    """
    number = await deps.store.numbers.find(org_id, asked.from_number, field="from_number")
    number.check_destination(asked.to_number)
    agent_id, version = asked.override_agent_id, asked.override_agent_version
    if agent_id is None:
        bound = number.outbound_agent(random.random())  # noqa: S311 - spreads calls, keeps no secret
        if bound is None:
            raise InvalidRequest(
                f"phone number {number.phone_number} has no outbound agent",
                field="override_agent_id",
                fix="send override_agent_id, or PATCH /update-phone-number with outbound_agents",
            )
        agent_id = bound.agent_id
        version = bound.agent_version if version is None else version
    return await deps.store.agents.resolve(org_id, agent_id, version)
