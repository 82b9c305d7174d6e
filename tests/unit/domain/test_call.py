"""The call object: what its storage settings mean and how it looks on the wire."""

from typing import Any

import pytest

from retold.domain.call import Call, DataStorageSetting
from support.stored import make_record


@pytest.mark.parametrize(
    ("setting", "opted_out", "is_stored"),
    [
        pytest.param("everything", False, True, id="everything"),
        pytest.param("everything", True, False, id="opted out in the words of 2024"),
        pytest.param("everything_except_pii", False, False, id="without personal data"),
        pytest.param("basic_attributes_only", False, False, id="basic attributes"),
    ],
)
def test_what_may_be_written_to_disk(setting: DataStorageSetting, *, opted_out: bool, is_stored: bool) -> None:
    call = Call(
        call_id="call_1", agent_id="agent_1", data_storage_setting=setting, opt_out_sensitive_data_storage=opted_out
    )
    assert call.stores_sensitive_data is is_stored


def test_unset_fields_are_left_out_and_false_ones_are_not() -> None:
    shape = Call(call_id="call_1", agent_id="agent_1").wire()
    assert shape == {
        "call_type": "web_call",
        "call_id": "call_1",
        "agent_id": "agent_1",
        "agent_version": 0,
        "call_status": "registered",
        "data_storage_setting": "everything",
        "opt_out_sensitive_data_storage": False,
        "opt_in_signed_url": False,
    }


FULL: dict[str, Any] = {
    "call_type": "phone_call",
    "call_id": "call_1",
    "agent_id": "agent_1",
    "agent_version": 3,
    "agent_tag": "prod",
    "call_status": "ended",
    "from_number": "+14157774444",
    "to_number": "",
    "direction": "inbound",
    "telephony_identifier": {"twilio_call_sid": "CA1", "their_own": 1},
    "custom_sip_headers": {"X-A": "b"},
    "metadata": {"a": None},
    "custom_attributes": {"vip": True, "score": 3, "rate": 0.5, "name": "Ann"},
    "data_storage_setting": "everything",
    "opt_out_sensitive_data_storage": False,
    "opt_in_signed_url": False,
    "start_timestamp": 1,
    "transcript": "User: hi\n",
    "scrubbed_transcript_with_tool_calls": [],
    "recording_url": "https://x.example/recording.wav",
    "call_analysis": {"user_sentiment": "Positive", "custom_analysis_data": {"a": 1}, "of_tomorrow": [1]},
    "call_cost": {
        "combined_cost": 7.0,
        "product_costs": [{"product": "tts", "cost": 7.0}],
        "total_duration_seconds": 60.0,
        "total_duration_unit_price": 0.1,
    },
    "llm_token_usage": {"average": 2.0, "num_requests": 1.0, "values": [2.0]},
    "disconnection_reason": "user_hangup",
    "field_of_tomorrow": {"deep": [None, 1]},
}


def test_every_field_and_every_unknown_one_survives() -> None:
    assert Call.model_validate(FULL).wire() == FULL
    assert Call.model_validate_json(Call.model_validate(FULL).model_dump_json()).wire() == FULL


def test_a_call_as_it_was_created_knows_nothing_of_its_course() -> None:
    shape = Call.model_validate(FULL).as_created().wire()
    assert shape["call_status"] == "registered"
    assert shape["metadata"] == {"a": None}
    assert not {"start_timestamp", "transcript", "call_cost", "disconnection_reason", "recording_url"} & shape.keys()


def test_a_storage_setting_can_only_be_tightened() -> None:
    call = Call.model_validate(FULL)
    assert call.tightened("everything") == call
    tight = call.tightened("everything_except_pii")
    assert not {"transcript", "recording_url", "call_analysis"} & tight.wire().keys()
    assert tight.wire()["call_cost"] == FULL["call_cost"]
    assert tight.tightened("basic_attributes_only").data_storage_setting == "basic_attributes_only"
    with pytest.raises(ValueError, match="can only be tightened"):
        tight.tightened("everything")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "error_user_not_joined"),
        ({"is_registered_phone_call": True}, "registered_call_timeout"),
        ({"is_dialled_by_us": True}, "telephony_provider_unavailable"),
    ],
    ids=["web", "registered", "outbound"],
)
def test_why_a_call_ends_that_nobody_joined(fields: dict[str, bool], reason: str) -> None:
    assert make_record().model_copy(update=fields).unjoined_reason == reason
