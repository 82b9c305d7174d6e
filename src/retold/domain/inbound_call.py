"""The inbound webhook of a phone number: what it is asked while the phone rings, and what it may answer.

The shapes are those of Retell's inbound call webhook. Asking is the work of calls/inbound.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ConfigDict, JsonValue, ValidationError

from retold.domain import json_text
from retold.domain.agent_options import RequestModel, ShortText
from retold.domain.call_request import AgentOverride, Metadata, Variables, VersionRef
from retold.domain.phone_number import AgentWeight
from retold.ids import CallId

EVENT: Final = "call_inbound"
_TOLD_HEADERS: Final = frozenset({"user-to-user", "diversion", "history-info", "p-asserted-identity"})
_CUSTOM: Final = "x-"


@dataclass(frozen=True, slots=True)
class InboundCall:
    """A call that rings; there is no call object of it yet."""

    call_id: CallId
    """What the call will be called once it is taken."""
    from_number: str
    to_number: str
    sip_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """All headers that came with it."""

    @property
    def told_headers(self) -> dict[str, str]:
        """The headers that the customer is told, names in lower case."""
        named = {name.lower(): value for name, value in self.sip_headers.items()}
        return {name: value for name, value in named.items() if name.startswith(_CUSTOM) or name in _TOLD_HEADERS}


class InboundReply(RequestModel):
    """What the customer wants of the call; what is absent or null stays as the number has it."""

    # It is read while a phone rings.
    model_config = ConfigDict(defer_build=False)

    override_agent_id: ShortText | None = None
    override_agent_version: VersionRef | None = None
    agent_override: AgentOverride | None = None
    dynamic_variables: Variables | None = None
    metadata: Metadata | None = None
    reject: JsonValue = None

    @property
    def is_rejected(self) -> bool:
        """Whether the call is to be refused; only the boolean says so, no text and no number."""
        return self.reject is True


def inbound_body(call: InboundCall, agent: AgentWeight | None, now_ms: int) -> bytes:
    """What the webhook is sent; `agent` is the one that the number would have answer."""
    told: dict[str, Any] = {
        "agent_id": agent.agent_id if agent else None,
        "agent_version": agent.agent_version if agent else None,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "custom_sip_headers": call.told_headers or None,
        "call_id": call.call_id,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return json_text.compact({"event": EVENT, EVENT: known, "event_timestamp": now_ms})


def parse_inbound_reply(body: bytes) -> InboundReply:
    """The reply, every field checked; an empty body wants nothing. Raises ValueError, which quotes no values."""
    parsed = json_text.parsed(body)
    has_wishes = not isinstance(parsed, dict) or parsed.get(EVENT) is not None
    if not body.strip() or not has_wishes:
        return InboundReply()
    try:
        return InboundReply.model_validate(parsed[EVENT] if isinstance(parsed, dict) else parsed)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in (EVENT, *first["loc"]))
        raise ValueError(f"{where}: {first['msg']}") from error
