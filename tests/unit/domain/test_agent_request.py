"""Agent requests: what is taken, what is refused, and what becomes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from retold.domain.agent import DEMO_BRAIN_URL, Agent, AgentTag
from retold.domain.agent_request import AgentChanges, NewAgent, change_agent, check_llm_url, create_agent, new_draft
from retold.domain.response_engine import CustomLlm, RetellLlm
from retold.errors import InvalidRequest

URL = "wss://brain.example.com/llm"
ENGINE = {"type": "custom-llm", "llm_websocket_url": URL}

EVERY_FIELD: dict[str, Any] = {
    "response_engine": ENGINE,
    "voice_id": "retell-Cimo",
    "agent_name": "Ada",
    "allow_dtmf_interruption": True,
    "allow_user_dtmf": False,
    "ambient_sound": "coffee-shop",
    "ambient_sound_volume": 0.5,
    "backchannel_frequency": 0.3,
    "backchannel_words": ["yeah"],
    "begin_message_delay_ms": 1000,
    "boosted_keywords": ["retold"],
    "call_screening_option": {"agent_identity": "Ada", "call_purpose": "your booking"},
    "contact_memory_config": {"enable_read": True, "enable_update": True},
    "custom_stt_config": {"provider": "soniox", "endpointing_ms": 500},
    "data_storage_retention_days": 30,
    "data_storage_setting": "basic_attributes_only",
    "denoising_enhancement_level": 0.8,
    "denoising_mode": "no-denoise",
    "enable_backchannel": True,
    "enable_dnc_detection": True,
    "enable_dynamic_responsiveness": True,
    "enable_dynamic_voice_speed": True,
    "enable_expressive_mode": True,
    "end_call_after_silence_ms": 10000,
    "expressive_emotion_tags": ["happy", "clear throat"],
    "expressive_mode_prompt": "be warm",
    "fallback_voice_ids": ["cartesia-x"],
    "guardrail_config": {"output_topics": ["gambling"], "input_topics": ["platform_integrity_jailbreaking"]},
    "handbook_config": {"ai_disclosure": True},
    "interruption_sensitivity": 0,
    "is_transfer_agent": False,
    "ivr_option": {"action": {"type": "hangup"}},
    "language": ["en-US", "de-DE"],
    "max_call_duration_ms": 60000,
    "opt_in_signed_url": True,
    "pii_config": {"mode": "post_call", "categories": ["ssn"]},
    "post_call_analysis_data": [
        {"type": "string", "name": "n", "description": "d", "examples": ["e"]},
        {"type": "enum", "name": "n", "description": "d", "choices": ["a", "b"]},
        {"type": "system-presets", "name": "call_summary"},
    ],
    "post_call_analysis_model": "gpt-4.1-mini",
    "post_session_tools": [{"type": "custom", "name": "t", "url": "https://example.com"}],
    "pre_session_tools": None,
    "pronunciation_dictionary": [{"word": "tomato", "alphabet": "ipa", "phoneme": "x"}],
    "reminder_max_count": 2,
    "reminder_trigger_ms": 5000.5,
    "responsiveness": 0.5,
    "ring_duration_ms": 30000,
    "signed_url_expiration_ms": 1000,
    "stt_mode": "accurate",
    "timezone": "Europe/Berlin",
    "user_dtmf_options": {"digit_limit": 5, "termination_key": "#", "timeout_ms": 1000},
    "version_description": "first",
    "version_title": "v0",
    "vocab_specialization": "medical",
    "voice_model": "eleven_flash_v2",
    "voice_speed": 1.5,
    "voice_temperature": 1,
    "voicemail_option": {"action": {"type": "static_text", "text": "call us back"}},
    "volume": 2,
    "webhook_events": ["call_ended"],
    "webhook_timeout_ms": 5000,
    "webhook_url": "https://example.com/hook",
}


def make(**fields: Any) -> Agent:
    request = NewAgent.model_validate({"voice_id": "default", "response_engine": ENGINE, **fields})
    return create_agent(request, "agent_1", 1000, no_check)


def change(agent: Agent, **fields: Any) -> Agent:
    return change_agent(agent, AgentChanges.model_validate(fields), 2000, no_check)


def no_check(_url: str) -> None:
    """Any address will do."""


def test_every_field_of_the_sdk_is_kept_and_shown() -> None:
    shown = make(**EVERY_FIELD).wire()
    for name, value in EVERY_FIELD.items():
        if isinstance(value, dict):
            assert shown[name] == shown[name] | value, name
        elif value is not None:
            assert shown[name] == value, name


def test_the_2024_form_becomes_a_custom_llm_engine_and_both_are_shown() -> None:
    request = NewAgent.model_validate({"voice_id": "default", "llm_websocket_url": URL})
    shown = create_agent(request, "agent_1", 1000, no_check).wire()
    assert shown["response_engine"] == ENGINE
    assert shown["llm_websocket_url"] == URL


def test_an_agent_without_an_engine_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="response_engine is required"):
        create_agent(NewAgent.model_validate({"voice_id": "default"}), "agent_1", 1000, no_check)


@pytest.mark.parametrize(
    ("engine", "url"),
    [
        ({"type": "retell-llm", "llm_id": "llm_1"}, "retold://retell-llm/llm_1"),
        ({"type": "conversation-flow", "conversation_flow_id": "f"}, None),
    ],
)
def test_an_engine_kept_on_the_server_is_shown_in_both_forms_if_2024_had_it(
    engine: dict[str, str], url: str | None
) -> None:
    shown = make(response_engine=engine).wire()
    assert shown["response_engine"] == engine
    assert shown.get("llm_websocket_url") == url


def test_the_address_of_a_retell_llm_means_that_llm() -> None:
    request = NewAgent.model_validate({"voice_id": "default", "llm_websocket_url": "retold://retell-llm/llm_1"})
    assert create_agent(request, "agent_1", 1000, no_check).response_engine == RetellLlm(llm_id="llm_1")


def test_two_engines_that_differ_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="different engines"):
        make(llm_websocket_url="wss://other.example.com/")


def test_a_new_agent_shows_the_default_of_every_field() -> None:
    shown = make().wire()
    assert shown["reminder_trigger_ms"] == 10_000
    assert shown["webhook_events"] == ["call_started", "call_ended", "call_analyzed"]
    assert shown["contact_memory_config"] == {"enable_read": True, "enable_update": False}
    assert shown["base_version"] is None
    assert "voice_emotion" not in shown


def test_a_change_of_the_contact_memory_names_only_what_changes() -> None:
    agent = make(contact_memory_config={"enable_read": False})
    shown = change(agent, contact_memory_config={"enable_update": True}).wire()
    assert shown["contact_memory_config"] == {"enable_read": False, "enable_update": True}


def test_whether_an_agent_takes_transfers_is_decided_at_its_creation() -> None:
    assert change(make(is_transfer_agent=True), is_transfer_agent=False).is_transfer_agent


def test_a_draft_begins_as_a_copy_without_title_and_tags() -> None:
    base = make(version_title="first", volume=0.5).model_copy(update={"is_published": True, "assigned_tags": ["prod"]})
    draft = new_draft(base, 4, 5000)
    assert (draft.version, draft.base_version, draft.is_published, draft.volume) == (4, 0, False, 0.5)
    assert (draft.version_title, draft.assigned_tags, draft.last_modification_timestamp) == (None, None, 5000)
    assert draft.version_summary() == {
        "version": 4,
        "base_version": 0,
        "is_published": False,
        "last_modification_timestamp": 5000,
    }


def test_tags_are_shown_and_not_kept_with_the_version() -> None:
    tagged = make().model_copy(update={"assigned_tags": ["prod"]})
    assert tagged.wire()["assigned_tags"] == ["prod"]
    assert "assigned_tags" not in tagged.stored()
    assert Agent.model_validate_json(tagged.stored()) == make()


def test_the_summary_names_the_agent_and_its_tags() -> None:
    tag = AgentTag(3, {"env": "prod"})
    assert make(agent_name=None).summary({"prod": tag.wire(), "beta": AgentTag(None, {}).wire()}) == {
        "agent_id": "agent_1",
        "agent_name": "",
        "channel": "voice",
        "is_suspended": False,
        "is_transfer_agent": False,
        "tags": {"prod": {"version": 3, "dynamic_variables": {"env": "prod"}}, "beta": {}},
        "user_modified_timestamp": 1000,
    }


def test_a_fetched_agent_can_be_sent_back_with_one_form_changed() -> None:
    agent = make()
    changed = change(agent, response_engine=ENGINE, llm_websocket_url="wss://other.example.com/")
    assert changed.response_engine == CustomLlm(llm_websocket_url="wss://other.example.com/")


def test_null_clears_a_field_and_the_rest_stays() -> None:
    agent = make(agent_name="Ada", ambient_sound="call-center", voice_speed=1.5)
    shown = change(agent, agent_name=None, ambient_sound=None).wire()
    assert "agent_name" not in shown
    assert "ambient_sound" not in shown
    assert shown["voice_speed"] == 1.5


def test_a_change_moves_the_modification_time_and_keeps_id_and_version() -> None:
    changed = change(make(), volume=0.5)
    assert (changed.agent_id, changed.version, changed.last_modification_timestamp) == ("agent_1", 0, 2000)


def test_a_clock_that_went_back_does_not_move_the_modification_time_back() -> None:
    agent = make()
    assert change_agent(agent, AgentChanges(), 10, no_check).last_modification_timestamp == 1000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("voice_speed", 2.5),
        ("voice_speed", "1.0"),
        ("voice_speed", None),
        ("volume", float("nan")),
        ("interruption_sensitivity", -0.1),
        ("begin_message_delay_ms", 5001),
        ("end_call_after_silence_ms", 9999),
        ("max_call_duration_ms", 7_200_001),
        ("reminder_trigger_ms", 0),
        ("reminder_max_count", -1),
        ("allow_user_dtmf", 1),
        ("ambient_sound", "coffee"),
        ("language", "en"),
        ("language", []),
        ("language", ["en-US", 3]),
        ("voicemail_option", {"action": {"type": "shout"}}),
        ("custom_stt_config", {"provider": "soniox", "endpointing_ms": 100}),
        ("post_call_analysis_data", [{"type": "enum", "name": "n", "description": "d", "choices": []}]),
        ("webhook_events", ["call_began"]),
        ("data_storage_setting", "nothing"),
        ("voice_id", ""),
        ("response_engine", "custom-llm"),
        ("response_engine", {"type": "custom-llm"}),
    ],
)
def test_a_wrong_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        AgentChanges.model_validate({field: value})
    assert caught.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize("url", [URL, DEMO_BRAIN_URL, f"{DEMO_BRAIN_URL}/", "{{scheme}}://brain.example.com"])
def test_an_address_that_may_be_called_is_taken(url: str) -> None:
    check_llm_url(url)


@pytest.mark.parametrize("url", ["ftp://brain.example.com", "wss://", "retold://other", "brain"])
def test_an_address_that_can_never_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"response_engine\.llm_websocket_url"):
        check_llm_url(url)
