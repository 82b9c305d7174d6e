"""Who answers a call that comes in: the number's agent, or what the customer's inbound webhook says, or nobody."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import anyio
import structlog

from retold.calls.create import CallDetails, check_metadata
from retold.calls.deps import Deps
from retold.calls.overrides import overridden
from retold.domain import standard_webhooks, webhook_signature
from retold.domain.agent import ResolvedAgent
from retold.domain.http_answer import HttpAnswer
from retold.domain.inbound_call import EVENT, InboundCall, InboundReply, inbound_body, parse_inbound_reply
from retold.domain.phone_number import AgentWeight, PhoneNumber
from retold.errors import AddressRefused, ConnectFailed, InvalidRequest, NotFound
from retold.ids import OrgId
from retold.outbound import Outbound

ATTEMPTS: Final = 4
"""Once, and three times more; the phone goes on ringing."""
TIMEOUT_S: Final = 10.0
MAX_REPLY_BYTES: Final = 1 << 20
_PAUSE_S: Final = 0.5

log = structlog.stdlib.get_logger()


class NotAnswered(StrEnum):
    """Why nobody answers."""

    REJECTED = "rejected"
    """The customer's webhook says so."""
    NO_AGENT = "no_agent"
    """Neither the number nor the webhook names an agent that is there."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answers, and what is known of the call that is to be made."""

    found: ResolvedAgent
    details: CallDetails


class InboundCalls:
    """Decides on calls that come in; the times are those of Retell's documentation."""

    def __init__(
        self, deps: Deps, outbound: Outbound, *, timeout_s: float = TIMEOUT_S, pause_s: float = _PAUSE_S
    ) -> None:
        self._deps = deps
        self._outbound = outbound
        self._timeout_s = timeout_s
        self._pause_s = pause_s

    async def decide(self, org_id: OrgId, number: PhoneNumber, call: InboundCall) -> Answered | NotAnswered:
        """Who answers a call to this number; asks its inbound webhook if it has one. Raises StorageError.

        A webhook that fails, or wants what cannot be, counts as none: the number's own agent answers.
        """
        bound = number.inbound_agent(random.random())  # noqa: S311 - spreads calls, keeps no secret
        reply = await self._asked(org_id, number.inbound_webhook_url, call, bound)
        if reply is not None:
            if reply.is_rejected:
                return NotAnswered.REJECTED
            try:
                return await self._answered(org_id, call, bound, reply)
            except (InvalidRequest, NotFound) as error:
                log.warning("inbound_reply_refused", call_id=call.call_id, error=str(error))
        try:
            return await self._answered(org_id, call, bound, InboundReply())
        except (InvalidRequest, NotFound) as error:
            log.warning("inbound_call_not_answered", call_id=call.call_id, error=str(error))
            return NotAnswered.NO_AGENT

    async def _answered(
        self, org_id: OrgId, call: InboundCall, bound: AgentWeight | None, reply: InboundReply
    ) -> Answered:
        """First the agent, then what is to be otherwise about it. Raises InvalidRequest, NotFound, StorageError."""
        agent_id, version = reply.override_agent_id, reply.override_agent_version
        if not agent_id and bound is not None:
            agent_id, version = bound.agent_id, bound.agent_version if version is None else version
        if not agent_id:
            raise NotFound("neither the phone number nor its inbound webhook names an agent", field="inbound_agents")
        found = await self._deps.store.agents.resolve(org_id, agent_id, version)
        await overridden(self._deps, org_id, found.agent, reply.agent_override)
        check_metadata(reply.metadata)
        details = CallDetails(
            call_id=call.call_id,
            agent_tag=found.tag,
            tag_variables=found.dynamic_variables,
            metadata=reply.metadata,
            dynamic_variables=reply.dynamic_variables,
            agent_override=reply.agent_override,
            from_number=call.from_number,
            to_number=call.to_number,
            direction="inbound",
            custom_sip_headers=call.told_headers or None,
        )
        return Answered(found, details)

    async def _asked(
        self, org_id: OrgId, url: str | None, call: InboundCall, bound: AgentWeight | None
    ) -> InboundReply | None:
        """What the webhook wants; None without one, and when it has failed for good. Raises StorageError."""
        if not url:
            return None
        key = await self._deps.store.keys.webhook_secret(org_id)
        body = inbound_body(call, bound, self._deps.clock.wall_ms())
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._attempt(url, key, call, body)
                if 200 <= answer.status < 300:
                    return _parsed(answer)
                why = f"it answered {answer.status}"
            except ConnectFailed as error:
                why = str(error)
            except (AddressRefused, ValueError) as error:
                # Asked again it would be the same, and the caller waits.
                log.warning("inbound_webhook_failed", call_id=call.call_id, error=str(error))
                return None
            log.warning("inbound_webhook_failed", call_id=call.call_id, attempt=attempt, error=why)
            if attempt < ATTEMPTS:
                await anyio.sleep(self._pause_s)
        return None

    async def _attempt(self, url: str, key: str | None, call: InboundCall, body: bytes) -> HttpAnswer:
        """Ask once. Raises AddressRefused, ConnectFailed."""
        now_ms = self._deps.clock.wall_ms()
        headers = {"Content-Type": "application/json"}
        if key is not None:
            # The id is the same at each attempt, so that a receiver can tell them from another call.
            headers |= standard_webhooks.headers(body, key, f"{EVENT}_{call.call_id}", now_ms)
            headers[webhook_signature.HEADER] = webhook_signature.sign(body, key, now_ms)
        return await self._outbound.request(
            "POST", url, headers=headers, body=body, timeout_s=self._timeout_s, max_bytes=MAX_REPLY_BYTES
        )


def _parsed(answer: HttpAnswer) -> InboundReply:
    """The reply. Raises ValueError."""
    if answer.is_cut:
        raise ValueError(f"the reply has more than {MAX_REPLY_BYTES} bytes")
    return parse_inbound_reply(answer.body)
