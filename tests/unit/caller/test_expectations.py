"""Expectations against final call objects."""

from typing import Any

import pytest

from retold.caller.expectations import Expectations, failures

CALL: dict[str, Any] = {
    "call_status": "ended",
    "disconnection_reason": "user_hangup",
    "transcript_object": [
        {"role": "agent", "content": "Good morning,  how can I help?"},
        {"role": "user", "content": "A cleaning on Tuesday."},
        {"role": "agent", "content": "Tuesday it is."},
    ],
    "latency": {"e2e": {"values": [700.0, 1_200.0]}},
}


@pytest.mark.parametrize(
    ("expect", "complaint"),
    [
        pytest.param(Expectations(), None, id="nothing"),
        pytest.param(Expectations(disconnection_reason="user_hangup"), None, id="reason met"),
        pytest.param(
            Expectations(disconnection_reason="inactivity"),
            "disconnection_reason is user_hangup, expected inactivity",
            id="reason missed",
        ),
        pytest.param(Expectations(call_status="error"), "call_status is ended, expected error", id="status missed"),
        pytest.param(Expectations(agent_said=("TUESDAY", "good morning, how")), None, id="any case and spacing"),
        pytest.param(
            Expectations(agent_said=("cleaning",)), "agent_said: 'cleaning' was not said", id="said by the other"
        ),
        pytest.param(Expectations(user_said=("cleaning",)), None, id="user met"),
        pytest.param(Expectations(user_said=("Friday",)), "user_said: 'Friday' was not said", id="user missed"),
        pytest.param(Expectations(max_e2e_ms=1_200), None, id="fast enough"),
        pytest.param(Expectations(max_e2e_ms=1_000), "the slowest turn took 1200 ms", id="too slow"),
    ],
)
def test_each_expectation_is_met_or_missed_in_words(expect: Expectations, complaint: str | None) -> None:
    missed = failures(expect, CALL)
    assert (complaint is None) == (missed == [])
    assert complaint is None or complaint in missed[0]


def test_call_without_any_turn_cannot_have_been_fast() -> None:
    [missed] = failures(Expectations(max_e2e_ms=1_000), {"call_status": "error"})
    assert "no e2e latency was measured" in missed


def test_missing_reason_is_said() -> None:
    [missed] = failures(Expectations(disconnection_reason="user_hangup"), {"call_status": "ongoing"})
    assert missed == "disconnection_reason is missing, expected user_hangup"
