"""The call object: what its storage settings mean and how it looks on the wire."""

from typing import Any

import pytest

from retold.domain.call import Call, CallRecord, DataStorageSetting
from retold.domain.call_parts import CallAnalysis
from retold.domain.pii import scrub
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


def analysed(setting: DataStorageSetting, *, is_scrubbed: bool = False) -> CallRecord:
    """A call of which an analysis and the time of a tool are known."""
    analysis = CallAnalysis(call_summary="My name is Michael Fuller.", call_successful=True)
    record = make_record(data_storage_setting=setting, transcript="Hi", call_analysis=analysis)
    return record.model_copy(update={"is_scrubbed": is_scrubbed, "tool_latencies_json": '{"t1": 5}'})


def test_under_everything_a_record_is_stored_as_it_is() -> None:
    record = analysed("everything")
    assert record.permitted() is record
    assert record.scrubbed_categories == ()


@pytest.mark.parametrize("setting", ["everything_except_pii", "basic_attributes_only"])
def test_what_was_not_searched_is_not_stored(setting: DataStorageSetting) -> None:
    kept = analysed(setting).permitted()
    assert (kept.call.transcript, kept.call.call_analysis, kept.tool_latencies_json) == (None, None, None)


def test_what_was_searched_is_stored_and_its_analysis_without_personal_data() -> None:
    kept = analysed("everything_except_pii", is_scrubbed=True).permitted()
    analysis = kept.call.call_analysis
    assert (kept.call.transcript, kept.tool_latencies_ms) == ("Hi", {"t1": 5})
    assert analysis is not None
    assert analysis.call_successful is True
    assert "Fuller" not in (analysis.call_summary or "")
    unanalysed = analysed("everything_except_pii", is_scrubbed=True)
    unanalysed = unanalysed.model_copy(update={"call": unanalysed.call.model_copy(update={"call_analysis": None})})
    assert unanalysed.permitted() is unanalysed


def test_an_analysis_that_cannot_be_searched_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str, categories: object) -> str:
        raise ValueError(f"{categories} in {text}")

    monkeypatch.setattr(scrub, "scrub_json", fail)
    kept = analysed("everything_except_pii", is_scrubbed=True).permitted()
    assert (kept.call.transcript, kept.call.call_analysis) == ("Hi", None)


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
