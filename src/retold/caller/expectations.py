"""The `expect` part of a scenario: what must be true of the final call object; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retold.caller.fields import Fields, wrong
from retold.domain.reasons import CallStatus, DisconnectionReason

_KNOWN = ("disconnection_reason", "agent_said", "user_said", "max_e2e_ms", "call_status")


@dataclass(frozen=True, slots=True)
class Expectations:
    """What to hold a call against; None and empty mean anything goes."""

    disconnection_reason: str | None = None
    call_status: str | None = None
    agent_said: tuple[str, ...] = ()
    """Each must occur in the agent's transcript, in any case."""
    user_said: tuple[str, ...] = ()
    max_e2e_ms: float | None = None
    """No turn's e2e latency may be over it, and there must be at least one."""


def parse_expectations(value: object) -> Expectations:
    """Check the `expect` mapping. Raises ScenarioInvalid."""
    if value is None:
        return Expectations()
    fields = Fields.of(value, "expect", known=_KNOWN)
    max_e2e_ms = fields.number("max_e2e_ms", default=0) if "max_e2e_ms" in fields.names else None
    if max_e2e_ms is not None and max_e2e_ms <= 0:
        raise wrong("expect", "max_e2e_ms", max_e2e_ms, "give milliseconds over 0")
    return Expectations(
        disconnection_reason=_word(fields, "disconnection_reason", tuple(DisconnectionReason)),
        call_status=_word(fields, "call_status", tuple(CallStatus)),
        agent_said=fields.texts("agent_said"),
        user_said=fields.texts("user_said"),
        max_e2e_ms=max_e2e_ms,
    )


def failures(expect: Expectations, call: Mapping[str, Any]) -> list[str]:
    """Each expectation that a call object (as get-call gives it) does not meet, in words."""
    return list(_failures(expect, call))


def _failures(expect: Expectations, call: Mapping[str, Any]) -> Iterator[str]:
    for name in ("disconnection_reason", "call_status"):
        wanted, got = getattr(expect, name), call.get(name)
        if wanted is not None and got != wanted:
            yield f"{name} is {got or 'missing'}, expected {wanted}"
    for role, wanted_texts in (("agent", expect.agent_said), ("user", expect.user_said)):
        said = spoken_by(role, call)
        for text in wanted_texts:
            if _plain(text) not in _plain(said):
                yield f"{role}_said: {text!r} was not said; the {role} said {said!r}"
    if expect.max_e2e_ms is not None:
        yield from _latency_failures(expect.max_e2e_ms, call)


def _latency_failures(max_e2e_ms: float, call: Mapping[str, Any]) -> Iterator[str]:
    values = ((call.get("latency") or {}).get("e2e") or {}).get("values") or []
    if not values:
        yield f"max_e2e_ms: no e2e latency was measured, expected at most {max_e2e_ms:g} ms"
    elif max(values) > max_e2e_ms:
        yield f"max_e2e_ms: the slowest turn took {max(values):g} ms, expected at most {max_e2e_ms:g} ms"


def spoken_by(role: str, call: Mapping[str, Any]) -> str:
    """Everything one party said in a call, in one line."""
    utterances = call.get("transcript_object") or []
    return " ".join(utterance["content"] for utterance in utterances if utterance["role"] == role)


def _word(fields: Fields, name: str, choices: tuple[str, ...]) -> str | None:
    return str(fields.one_of(name, tuple(str(choice) for choice in choices))) if name in fields.names else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
