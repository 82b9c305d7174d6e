"""One webhook as a receiver has it: what it tells, and whether it is signed; nothing in it is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retold.domain import json_text, standard_webhooks, webhook_signature

NO_EVENT = "no event"
_MAX_ID_CHARS = 100
_MAX_WORDS = 160


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came: header names are in lower case, `at_ms` is wall time."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at_ms: int

    @property
    def content(self) -> Mapping[str, Any]:
        """The body as JSON; empty when it is none."""
        parsed = json_text.parsed(self.body)
        return parsed if isinstance(parsed, dict) else {}

    @property
    def event(self) -> str:
        """What it says has happened."""
        event = self.content.get("event")
        return shown(event, _MAX_ID_CHARS) if isinstance(event, str) else NO_EVENT

    @property
    def call(self) -> Mapping[str, Any]:
        """The call it tells of, in the shape of its event; empty without one."""
        for name in ("call", "call_inbound", "data", "chat"):
            found = self.content.get(name)
            if isinstance(found, dict):
                return found
        return {}

    @property
    def call_id(self) -> str:
        """The call's id; empty without one."""
        return shown(self.call.get("call_id") or "", _MAX_ID_CHARS)

    @property
    def event_id(self) -> str:
        """What stays the same when the event is delivered again."""
        return shown(self.headers.get(standard_webhooks.ID_HEADER) or f"{self.event} {self.call_id}", _MAX_ID_CHARS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether both signatures are good; None without a key to verify with."""

    by_retell: bool | None
    by_standard: bool | None

    @property
    def is_good(self) -> bool:
        """Whether a receiver of either kind takes it."""
        return bool(self.by_retell and self.by_standard)

    @property
    def words(self) -> str:
        """The same for a person."""
        if self.by_retell is None:
            return "not verified: --api-key takes the key that signs webhooks"
        if self.is_good:
            return "signed with this key (X-Retell-Signature, Standard Webhooks)"
        bad = [
            name
            for name, is_good in (("X-Retell-Signature", self.by_retell), ("Standard Webhooks", self.by_standard))
            if not is_good
        ]
        return f"NOT VERIFIED by {' nor by '.join(bad)}: another key, a changed body, or older than five minutes"


def judged(delivery: Delivery, api_key: str | None) -> Verdict:
    """Verify both signatures, at the time the webhook came."""
    if api_key is None:
        return Verdict(None, None)
    signature = delivery.headers.get(webhook_signature.HEADER.lower(), "")
    return Verdict(
        webhook_signature.is_signed(delivery.body, api_key, signature, delivery.at_ms),
        standard_webhooks.is_signed(delivery.body, api_key, delivery.headers, delivery.at_ms),
    )


def told(delivery: Delivery) -> str:
    """What has happened, in one line for a person."""
    match delivery.event, delivery.call:
        case "call_started", {"agent_id": agent}:
            words = f"with agent {agent}"
        case "call_ended", {"disconnection_reason": reason, "duration_ms": int(duration_ms)}:
            words = f"{reason} after {duration_ms / 1000:.1f} s"
        case "call_ended", {"disconnection_reason": reason}:
            words = str(reason)
        case "call_analyzed", {"call_analysis": {"call_summary": summary}}:
            words = str(summary)
        case "transcript_updated", {"transcript_object": [*_, {"role": role, "content": content}]}:
            words = f"{role}: {content}"
        case "call_inbound", {"from_number": caller, "to_number": called}:
            words = f"{caller} calls {called}"
        case _:
            words = "" if delivery.content else "the body is no JSON object"
    return shown(words, _MAX_WORDS)


def shown(value: object, most: int) -> str:
    """Text of somebody else, fit for a terminal: one line, no control characters, not too long."""
    text = str(value)
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(char if char.isprintable() else " " for char in text)
