"""Which status goes with which reason, and which reason with which error."""

import pytest

from retold import errors
from retold.domain.reasons import CallStatus, DisconnectionReason, reason_for, status_for

R = DisconnectionReason


@pytest.mark.parametrize(
    ("status", "is_terminal"),
    [
        (CallStatus.REGISTERED, False),
        (CallStatus.ONGOING, False),
        (CallStatus.ENDED, True),
        (CallStatus.ERROR, True),
        (CallStatus.NOT_CONNECTED, True),
    ],
)
def test_the_last_three_statuses_are_terminal(status: CallStatus, *, is_terminal: bool) -> None:
    assert status.is_terminal is is_terminal


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (R.USER_HANGUP, CallStatus.ENDED),
        (R.INACTIVITY, CallStatus.ENDED),
        (R.MANUAL_STOPPED, CallStatus.ENDED),
        (R.DIAL_BUSY, CallStatus.NOT_CONNECTED),
        (R.CONCURRENCY_LIMIT_REACHED, CallStatus.ERROR),
        (R.REGISTERED_CALL_TIMEOUT, CallStatus.ERROR),
        (R.ERROR_ASR, CallStatus.ERROR),
    ],
)
def test_each_reason_has_its_status(reason: R, status: CallStatus) -> None:
    assert status_for(reason) == status


def test_every_reason_ends_the_call() -> None:
    assert all(status_for(reason).is_terminal for reason in R)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.FrontendCorrupted("x"), R.ERROR_FRONTEND_CORRUPTED_PAYLOAD),
        (errors.NoAudioReceived("x"), R.ERROR_NO_AUDIO_RECEIVED),
        (errors.RecognitionFailed("x"), R.ERROR_ASR),
        (errors.SynthesisFailed("x"), R.ERROR_RETELL),
        (errors.LlmOpenFailed("x"), R.ERROR_LLM_WEBSOCKET_OPEN),
        (errors.LlmConnectionLost("x"), R.ERROR_LLM_WEBSOCKET_LOST_CONNECTION),
        (errors.LlmRuntimeFailed("x"), R.ERROR_LLM_WEBSOCKET_RUNTIME),
        (errors.LlmCorruptPayload("x"), R.ERROR_LLM_WEBSOCKET_CORRUPT_PAYLOAD),
        (errors.StorageFull("x"), R.ERROR_RETELL),
        (ValueError("x"), R.ERROR_UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_ends_the_call_for_its_reason(error: Exception, reason: R) -> None:
    assert reason_for(error) == reason
