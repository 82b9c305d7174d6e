"""Every type of tool as an agent has it, and what its result begins with for each outcome there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from support.flows import SWAP
from support.tool_rim import Outcome

SUCCESS, FAILURE, UNREACHED, TIMEOUT = Outcome
NO_TELEPHONE: Final = "There is no telephone line in a web call to "
LIMIT_S: Final = 6.0
"""How long those tools may take whose author may say it."""
FIXED_LIMIT_S: Final = 30.0
"""How long the others may take that ask somebody."""
_GUESTS: Final = {"type": "number", "name": "guests", "description": "How many come.", "required": True}
_DAYS: Final = {"start_date": "2026-03-28", "end_date": "2026-03-29"}
_BOOKING: Final = {"time": "2026-03-28T09:00-07:00", "name": "Ann", "email": "ann@example.com"}
_CALENDAR: Final = {"cal_api_key": "k", "event_type_id": 7, "timezone": "America/Los_Angeles"}
_TRANSFER: Final = {
    "transfer_destination": {"type": "predefined", "number": "+14155550100"},
    "transfer_option": {"type": "cold_transfer", "show_transferee_as_caller": False},
}
_SMS: Final = {
    "sms_content": {"type": "predefined", "text": "See you, {{name}}."},
    "sms_destination": {"type": "phone_number", "phone_number": "+14157774444"},
}
_APP: Final = {"app_id": "app", "app_tool_template_name": "list", "provider": "shop"}


@dataclass(frozen=True)
class Kind:
    """One type of tool; `asks` says whether somebody else is waited for."""

    begins: Mapping[Outcome, str]
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    wrong_arguments: Mapping[str, Any] | None = None
    """Those with which it fails, if that is up to the model."""
    asks: bool = True
    limit_s: float = LIMIT_S
    may_speak: bool = True
    """Whether something may be said while it runs."""
    may_be_silent: bool = False
    """Whether its result may go untold."""

    def usual(self) -> Outcome:
        """The best that can come of it."""
        return next(iter(self.begins))


def _web(success: str, failure: str, limit_s: float) -> dict[Outcome, str]:
    unanswered = "The tool's server gave no answer: no answer"
    return {
        SUCCESS: success,
        FAILURE: failure,
        UNREACHED: f"{unanswered}: connection refused.",
        TIMEOUT: f"{unanswered} within {limit_s:g} s.",
    }


_REFUSED: Final = "The calendar refused: no such day"
KINDS: Final[Mapping[str, Kind]] = {
    "end_call": Kind({SUCCESS: "The call ends."}, asks=False),
    "transfer_call": Kind({FAILURE: f"{NO_TELEPHONE}transfer the call over."}, fields=_TRANSFER, asks=False),
    "bridge_transfer": Kind({FAILURE: f"{NO_TELEPHONE}transfer the call over."}, asks=False),
    "cancel_transfer": Kind({FAILURE: f"{NO_TELEPHONE}transfer the call over."}, asks=False),
    "press_digit": Kind(
        {FAILURE: f"{NO_TELEPHONE}press a key on."}, arguments={"digits": "1"}, asks=False, may_speak=False
    ),
    "extract_dynamic_variable": Kind(
        {SUCCESS: "Noted: guests: 4.", FAILURE: "Noted: nothing. Not noted: guests is missing."},
        fields={"description": "Note it.", "variables": [_GUESTS]},
        arguments={"guests": 4},
        wrong_arguments={},
        asks=False,
        may_speak=False,
    ),
    "custom": Kind(
        _web('{"free": "12:30"}', "The tool's server refused with status 400: ", LIMIT_S),
        fields={"url": "https://shop.example", "timeout_ms": int(LIMIT_S * 1000)},
        may_be_silent=True,
    ),
    "code": Kind(
        {
            SUCCESS: '{"free":"12:30"}',
            FAILURE: "it failed: TypeError: no such day",
            TIMEOUT: "it failed: the code took longer than 6 s",
        },
        fields={"code": "return { free: '12:30' }", "timeout_ms": int(LIMIT_S * 1000)},
        may_be_silent=True,
    ),
    "mcp": Kind(
        {
            SUCCESS: "Half past twelve is free.",
            FAILURE: "There is no such day.",
            UNREACHED: "The tool's server gave no answer: connection refused.",
            TIMEOUT: "The tool's server gave no answer: 6 s are over.",
        },
        fields={"description": "Look.", "mcp_id": "kitchen"},
        may_be_silent=True,
    ),
    "send_sms": Kind(
        _web(
            "The text message was sent to +14157774444: See you, Ann.",
            "The provider of text messages refused with status 400.",
            FIXED_LIMIT_S,
        ),
        fields=_SMS,
        limit_s=FIXED_LIMIT_S,
        may_be_silent=True,
    ),
    "check_availability_cal": Kind(
        _web("These times are free: 2026-03-28T09:00-07:00.", _REFUSED, FIXED_LIMIT_S),
        fields=_CALENDAR,
        arguments=_DAYS,
        limit_s=FIXED_LIMIT_S,
        may_speak=False,
    ),
    "book_appointment_cal": Kind(
        _web("The appointment is booked for 2026-03-28T09:00-07:00. Its number is aBcD.", _REFUSED, FIXED_LIMIT_S),
        fields=_CALENDAR,
        arguments=_BOOKING,
        limit_s=FIXED_LIMIT_S,
        may_speak=False,
    ),
    "agent_swap": Kind(
        {
            SUCCESS: "Another agent takes over.",
            FAILURE: "The call could not be handed over: it has an LLM server of its own.",
            UNREACHED: "The call could not be handed over: ",
        },
        fields={"agent_id": "agent_bo", **SWAP},
    ),
    "integration_app": Kind(
        {FAILURE: "This server cannot run it, a tool of the type integration_app."},
        fields=_APP,
        asks=False,
        may_be_silent=True,
    ),
}
