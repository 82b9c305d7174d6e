"""The built-in analyst: what can be said of a call by rules, for servers without a language model.

It says nothing rather than guess: how the call ended, what tools returned and the caller's own words decide.
"""

import re
from collections.abc import Sequence
from typing import Final

from retold.domain.analysis import Findings, Questions, has_connected, not_connected
from retold.domain.analysis_fields import values_of
from retold.domain.call import Call
from retold.domain.conversation import Conversation, Done
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.domain.sentiment import Score, sentiment_of

_MACHINE: Final = frozenset({DisconnectionReason.VOICEMAIL_REACHED, DisconnectionReason.MACHINE_DETECTED})
_IN_VAIN: Final = _MACHINE | {
    DisconnectionReason.IVR_REACHED,
    DisconnectionReason.INACTIVITY,
    DisconnectionReason.TRANSFER_CANCELLED,
    DisconnectionReason.USER_REQUESTED_DNC,
}
_HANDED_OVER: Final = frozenset({DisconnectionReason.CALL_TRANSFER, DisconnectionReason.TRANSFER_BRIDGED})
_ENDINGS: Final = {
    DisconnectionReason.USER_HANGUP: "The user hung up.",
    DisconnectionReason.AGENT_HANGUP: "The agent ended the call.",
    DisconnectionReason.CALL_TRANSFER: "The call was transferred.",
    DisconnectionReason.VOICEMAIL_REACHED: "A voicemail answered.",
    DisconnectionReason.INACTIVITY: "The call ended because the user was silent.",
    DisconnectionReason.MAX_DURATION_REACHED: "The call reached its longest duration.",
    DisconnectionReason.MANUAL_STOPPED: "The call was stopped from outside.",
}
_STEERING: Final = frozenset({"end_call", "transfer_call", "agent_swap", "extract_dynamic_variable", "press_digit"})
"""Tools that steer the call itself: that they worked says nothing of what it was for."""
_GOODBYE: Final = re.compile(
    r"\b(thanks?|thank you|bye|goodbye|perfect|great|have a (nice|good|great) \w+)\b", re.IGNORECASE
)
_MAX_QUOTED_CHARS: Final = 200
_OPENING: Final = 3
"""What a caller calls about is among what they say first."""


def analysed(questions: Questions, call: Call, conversation: Conversation, language: str, score: Score) -> Findings:
    """What the rules find; `language` is that of the agent."""
    if not has_connected(call):
        return not_connected(call)
    collected = call.collected_dynamic_variables or {}
    return Findings(
        call_summary=summary_of(call, conversation),
        call_successful=success_of(call, conversation),
        user_sentiment=sentiment_of(conversation.by("user"), language, score),
        in_voicemail=_in_voicemail(call),
        values=values_of(questions.fields, conversation, collected),
    )


def summary_of(call: Call, conversation: Conversation) -> str:
    """The caller's own words for what they wanted, the tools that were used, and how the call ended."""
    parts = [_request(conversation.by("user"))]
    outcomes = {done.name: _outcome(done) for done in conversation.done if done.type not in _STEERING}
    if outcomes:
        listed = ", ".join(f"{name} ({outcome})" for name, outcome in outcomes.items())
        parts.append(f"The agent used {listed}.")
    reason = call.disconnection_reason
    parts.append(_ENDINGS.get(reason, f"The call ended: {reason}.") if reason else "")
    return " ".join(part for part in parts if part)


def success_of(call: Call, conversation: Conversation) -> bool | None:
    """Whether the call did what it was for; None when only a mind could tell."""
    reason = call.disconnection_reason
    if call.call_status is not CallStatus.ENDED or reason in _IN_VAIN or not conversation.by("user"):
        return False
    outcomes = {done.name: done.successful for done in conversation.done if done.type not in _STEERING}
    if False in outcomes.values():
        return False
    if reason in _HANDED_OVER or True in outcomes.values():
        return True
    if reason is DisconnectionReason.AGENT_HANGUP:
        return True
    said_goodbye = bool(_GOODBYE.search(conversation.by("user")[-1]))
    return True if reason is DisconnectionReason.USER_HANGUP and said_goodbye else None


def _in_voicemail(call: Call) -> bool | None:
    """Known of a call that a machine ended, and of one that somebody has joined from here."""
    if call.disconnection_reason in _MACHINE:
        return True
    return None if call.direction == "outbound" else False


def _request(utterances: Sequence[str]) -> str:
    if not utterances:
        return "The user said nothing."
    quoted = max(utterances[:_OPENING], key=len)
    short = quoted if len(quoted) <= _MAX_QUOTED_CHARS else quoted[:_MAX_QUOTED_CHARS].rsplit(" ", 1)[0] + " ..."
    return f'The user said: "{short}"'


def _outcome(done: Done) -> str:
    return {True: "succeeded", False: "failed", None: "outcome unknown"}[done.successful]
