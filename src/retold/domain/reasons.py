"""Call statuses and disconnection reasons, and which status goes with which reason.

Source: the "Get Call" reference page (2024) and SDK 6.2.13; the status column is Retell's page
"Debug call disconnection".
"""

from enum import StrEnum

from retold import errors


class CallStatus(StrEnum):
    """Where a call is in its life; the last three are terminal."""

    REGISTERED = "registered"
    ONGOING = "ongoing"
    ENDED = "ended"
    ERROR = "error"
    NOT_CONNECTED = "not_connected"

    @property
    def is_terminal(self) -> bool:
        """Whether the call can never change status again."""
        return self in {CallStatus.ENDED, CallStatus.ERROR, CallStatus.NOT_CONNECTED}


class DisconnectionReason(StrEnum):
    """Why a call ended, over all generations of the API."""

    USER_HANGUP = "user_hangup"
    AGENT_HANGUP = "agent_hangup"
    CALL_TRANSFER = "call_transfer"
    VOICEMAIL_REACHED = "voicemail_reached"
    IVR_REACHED = "ivr_reached"
    INACTIVITY = "inactivity"
    MACHINE_DETECTED = "machine_detected"
    MAX_DURATION_REACHED = "max_duration_reached"
    USER_REQUESTED_DNC = "user_requested_dnc"
    USER_REQUESTED_CALLBACK = "user_requested_callback"
    CONCURRENCY_LIMIT_REACHED = "concurrency_limit_reached"
    NO_CONCURRENCY_FALLBACK = "no_concurrency_fallback"
    NO_VALID_PAYMENT = "no_valid_payment"
    CREDIT_EXHAUSTED = "credit_exhausted"
    BUDGET_REACHED = "budget_reached"
    SCAM_DETECTED = "scam_detected"
    ERROR_INBOUND_WEBHOOK = "error_inbound_webhook"
    DIAL_BUSY = "dial_busy"
    DIAL_FAILED = "dial_failed"
    DIAL_NO_ANSWER = "dial_no_answer"
    INVALID_DESTINATION = "invalid_destination"
    TELEPHONY_PROVIDER_PERMISSION_DENIED = "telephony_provider_permission_denied"
    TELEPHONY_PROVIDER_UNAVAILABLE = "telephony_provider_unavailable"
    SIP_ROUTING_ERROR = "sip_routing_error"
    MARKED_AS_SPAM = "marked_as_spam"
    NETWORK_BLOCKED = "network_blocked"
    USER_DECLINED = "user_declined"
    ERROR_LLM_WEBSOCKET_OPEN = "error_llm_websocket_open"
    ERROR_LLM_WEBSOCKET_LOST_CONNECTION = "error_llm_websocket_lost_connection"
    ERROR_LLM_WEBSOCKET_RUNTIME = "error_llm_websocket_runtime"
    ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD = "error_llm_websocket_corrupt_payload"
    ERROR_FRONTEND_CORRUPTED_PAYLOAD = "error_frontend_corrupted_payload"
    ERROR_TWILIO = "error_twilio"
    ERROR_NO_AUDIO_RECEIVED = "error_no_audio_received"
    ERROR_ASR = "error_asr"
    ERROR_RETELL = "error_retell"
    ERROR_UNKNOWN = "error_unknown"
    ERROR_USER_NOT_JOINED = "error_user_not_joined"
    REGISTERED_CALL_TIMEOUT = "registered_call_timeout"
    TRANSFER_BRIDGED = "transfer_bridged"
    TRANSFER_CANCELLED = "transfer_cancelled"
    MANUAL_STOPPED = "manual_stopped"


_NOT_CONNECTED = {
    DisconnectionReason.DIAL_BUSY,
    DisconnectionReason.DIAL_FAILED,
    DisconnectionReason.DIAL_NO_ANSWER,
    DisconnectionReason.INVALID_DESTINATION,
    DisconnectionReason.TELEPHONY_PROVIDER_PERMISSION_DENIED,
    DisconnectionReason.TELEPHONY_PROVIDER_UNAVAILABLE,
    DisconnectionReason.SIP_ROUTING_ERROR,
    DisconnectionReason.MARKED_AS_SPAM,
    DisconnectionReason.NETWORK_BLOCKED,
    DisconnectionReason.USER_DECLINED,
}
_ERRORS = {
    DisconnectionReason.CONCURRENCY_LIMIT_REACHED,
    DisconnectionReason.NO_VALID_PAYMENT,
    DisconnectionReason.CREDIT_EXHAUSTED,
    DisconnectionReason.BUDGET_REACHED,
    DisconnectionReason.SCAM_DETECTED,
    DisconnectionReason.REGISTERED_CALL_TIMEOUT,
}


def status_for(reason: DisconnectionReason) -> CallStatus:
    """The terminal status that goes with a reason."""
    if reason in _NOT_CONNECTED:
        return CallStatus.NOT_CONNECTED
    if reason in _ERRORS or reason.value.startswith("error_"):
        return CallStatus.ERROR
    return CallStatus.ENDED


_REASON_OF_ERROR: dict[type[errors.CallFailed], DisconnectionReason] = {
    errors.FrontendCorrupted: DisconnectionReason.ERROR_FRONTEND_CORRUPTED_PAYLOAD,
    errors.NoAudioReceived: DisconnectionReason.ERROR_NO_AUDIO_RECEIVED,
    errors.RecognitionFailed: DisconnectionReason.ERROR_ASR,
    errors.SynthesisFailed: DisconnectionReason.ERROR_RETELL,
    errors.LlmOpenFailed: DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN,
    errors.LlmConnectionLost: DisconnectionReason.ERROR_LLM_WEBSOCKET_LOST_CONNECTION,
    errors.LlmRuntimeFailed: DisconnectionReason.ERROR_LLM_WEBSOCKET_RUNTIME,
    errors.LlmCorruptPayload: DisconnectionReason.ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD,
}


def reason_for(error: BaseException) -> DisconnectionReason:
    """What get-call says of a call that this error ended.

    Our own errors have a reason each; a RetoldError without one is ours (error_retell), anything else error_unknown.
    """
    for kind, reason in _REASON_OF_ERROR.items():
        if isinstance(error, kind):
            return reason
    return (
        DisconnectionReason.ERROR_RETELL if isinstance(error, errors.RetoldError) else DisconnectionReason.ERROR_UNKNOWN
    )
