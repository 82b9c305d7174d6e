"""Retell LLM requests: what is taken, what must fit together, and what becomes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from retold.domain.llm import Llm
from retold.domain.llm_request import LlmRequest, change_llm, create_llm, new_llm_draft
from retold.errors import InvalidRequest

VARIABLES = [
    {"type": "string", "name": "n", "description": "d", "examples": ["x"]},
    {"type": "enum", "name": "e", "description": "d", "choices": ["a"]},
]
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}},
    "required": ["day"],
    "additionalProperties": False,
}
SPOKEN = {
    "description": "when asked",
    "speak_during_execution": True,
    "execution_message_type": "static_text",
    "execution_message_description": "one moment",
}
ANSWERING = SPOKEN | {
    "speak_after_execution": True,
    "enable_typing_sound": True,
    "response_variables": {"order": "$.order.id"},
}
COLD = {"type": "cold_transfer", "cold_transfer_mode": "sip_refer", "transfer_ring_duration_ms": 30_000}
WARM = {
    "type": "warm_transfer",
    "on_hold_music": "ringtone",
    "private_handoff_option": {"type": "prompt", "prompt": "sum up"},
    "public_handoff_option": {"type": "static_message", "message": "here you are"},
    "ivr_option": {"type": "prompt", "prompt": "press 1"},
}
AGENTIC = {
    "type": "agentic_warm_transfer",
    "agentic_transfer_config": {
        "transfer_agent": {"agent_id": "agent_1", "agent_version": "prod"},
        "transfer_timeout_ms": 30_000,
        "action_on_timeout": "cancel_transfer",
    },
}
TO_NUMBER = {"type": "predefined", "number": "+14155550100", "extension": "12#"}
TOOLS: list[dict[str, Any]] = [
    {"type": "end_call", "name": "end", "custom_sip_headers": {"X-Reason": "done"}, **SPOKEN},
    {"type": "transfer_call", "name": "cold", "transfer_destination": TO_NUMBER, "transfer_option": COLD},
    {
        "type": "transfer_call",
        "name": "warm",
        "transfer_destination": {"type": "inferred", "prompt": "the sales team"},
        "transfer_option": WARM,
    },
    {"type": "transfer_call", "name": "agentic", "transfer_destination": TO_NUMBER, "transfer_option": AGENTIC},
    {"type": "transfer_call", "name": "of_2024", "number": "+14155550100", "show_transferee_as_caller": True},
    {"type": "agent_swap", "name": "swap", "agent_id": "agent_2", "post_call_analysis_setting": "both_agents"},
    {"type": "press_digit", "name": "digits", "delay_ms": 500},
    {
        "type": "send_sms",
        "name": "sms",
        "sms_content": {"type": "predefined", "text": "hello"},
        "sms_destination": {"type": "phone_number", "phone_number": "+14155550100"},
        "sms_sender": {"type": "current_number"},
    },
    {"type": "send_sms", "name": "sms_inferred", "sms_content": {"type": "inferred", "prompt": "greet"}},
    {"type": "send_sms", "name": "sms_form", "sms_content": {"type": "template", "template": "info_collection"}},
    {
        "type": "custom",
        "name": "book",
        "url": "https://shop.example.com/{{store}}",
        "method": "PUT",
        "headers": {"Authorization": "Bearer {{token}}"},
        "query_params": {"q": "1"},
        "parameters": SCHEMA,
        "parameter_type": "json",
        "args_at_root": True,
        "max_retry": 2,
        "timeout_ms": 5_000,
        **ANSWERING,
    },
    {"type": "code", "name": "compute", "code": "return dv.a", "timeout_ms": 5_000, **ANSWERING},
    {"type": "extract_dynamic_variable", "name": "extract", "description": "d", "variables": VARIABLES},
    {"type": "bridge_transfer", "name": "bridge", **SPOKEN},
    {"type": "cancel_transfer", "name": "cancel", **SPOKEN},
    {"type": "mcp", "name": "lookup", "mcp_id": "mcp_1", "input_schema": {"q": "string"}, **ANSWERING},
    {
        "type": "integration_app",
        "name": "app",
        "app_id": "app_1",
        "app_tool_template_name": "find",
        "provider": "crm",
        "parameters": [SCHEMA],
        "output_selection": {"mode": "subset", "fields": ["id"]},
        **ANSWERING,
    },
    {"type": "check_availability_cal", "name": "times", "cal_api_key": "cal_x", "event_type_id": 60_444},
    {"type": "book_appointment_cal", "name": "appoint", "cal_api_key": "cal_x", "event_type_id": "60444"},
]
STATES: list[dict[str, Any]] = [
    {
        "name": "ask",
        "state_prompt": "ask for the day",
        "edges": [{"destination_state_name": "book", "description": "the day is known", "parameters": SCHEMA}],
        "tools": [{"type": "end_call", "name": "end_ask"}],
    },
    {"name": "book"},
]
EVERY_FIELD: dict[str, Any] = {
    "begin_after_user_silence_ms": 2_000,
    "begin_message": "",
    "default_dynamic_variables": {"name": "Ann"},
    "general_prompt": "You are {{name}}",
    "general_tools": TOOLS,
    "inbound_dynamic_variables_webhook_url": "https://example.com/variables",
    "is_transfer_llm": False,
    "kb_config": {"top_k": 3, "filter_score": 0.6},
    "knowledge_base_ids": ["kb_1"],
    "mcps": [{"name": "m", "url": "https://mcp.example.com", "headers": {"X-Key": "k"}, "timeout_ms": 1_000}],
    "start_speaker": "user",
    "starting_state": "ask",
    "states": STATES,
    "tool_call_strict_mode": True,
}


def make(**fields: Any) -> Llm:
    return create_llm(LlmRequest.model_validate(fields), "llm_1", 1_000)


def change(llm: Llm, **fields: Any) -> Llm:
    return change_llm(llm, LlmRequest.model_validate(fields), 2_000)


def test_every_field_and_tool_is_kept_and_shown() -> None:
    shown = make(**EVERY_FIELD).wire()
    assert {name: shown[name] for name in EVERY_FIELD} == EVERY_FIELD
    assert (shown["llm_id"], shown["version"], shown["is_published"]) == ("llm_1", 0, False)
    assert shown["llm_websocket_url"] == "retold://retell-llm/llm_1"


def test_what_is_kept_reads_back_as_the_same() -> None:
    llm = make(**EVERY_FIELD, model="big")
    assert Llm.model_validate_json(llm.stored()) == llm


def test_both_spellings_of_the_model_are_shown() -> None:
    shown = make(model="any-model-at-all", model_temperature=0.5).wire()
    assert shown["model_config"] == {
        "type": "cascading",
        "primary": {"model": "any-model-at-all"},
        "temperature": 0.5,
    }
    assert (shown["model"], shown["model_temperature"]) == ("any-model-at-all", 0.5)


def test_a_change_keeps_the_rest_and_null_clears() -> None:
    llm = make(**EVERY_FIELD, is_published=True)
    changed = change(llm, general_prompt="new", begin_message=None, model="big", is_transfer_llm=True)
    assert (changed.general_prompt, changed.begin_message, changed.model) == ("new", None, "big")
    assert (changed.general_tools, changed.last_modification_timestamp) == (llm.general_tools, 2_000)
    assert changed.is_transfer_llm is False
    assert change(changed, model=None).model is None


def test_a_fetched_llm_can_be_sent_back() -> None:
    llm = make(**EVERY_FIELD, model="big")
    assert {**change(llm, **llm.wire()).wire(), "last_modification_timestamp": 1_000} == llm.wire()


def test_a_draft_begins_as_a_copy() -> None:
    draft = new_llm_draft(make(general_prompt="p").model_copy(update={"is_published": True}), 3, 9_000)
    assert (draft.version, draft.is_published, draft.general_prompt) == (3, False, "p")


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"states": STATES}, "starting_state", "is required"),
        ({"states": STATES, "starting_state": "x"}, "starting_state", "not one of the states"),
        ({"starting_state": "ask"}, "starting_state", "not one of the states"),
        ({"states": [*STATES, {"name": "ask"}], "starting_state": "ask"}, "states", "twice"),
        ({"general_tools": [TOOLS[0], TOOLS[0]]}, "general_tools", "'end' twice"),
        (
            {"general_tools": [{"type": "end_call", "name": "end_ask"}], "states": STATES, "starting_state": "ask"},
            "states[0].tools",
            "'end_ask' twice",
        ),
        (
            {
                "states": [{"name": "a", "edges": [{"destination_state_name": "b", "description": "d"}]}],
                "starting_state": "a",
            },
            "states[0].edges[0].destination_state_name",
            "no state",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(fields: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        make(**fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "end_call", "name": "has space"},
        {"type": "end_call", "name": "x" * 65},
        {"type": "end_call", "name": "end", "custom_sip_headers": {"Reason": "x"}},
        {"type": "end_call", "name": "end", "custom_sip_headers": {"X-Reason": "a\r\nVia: b"}},
        {"type": "transfer_call", "name": "t"},
        {"type": "transfer_call", "name": "t", "transfer_destination": TO_NUMBER},
        {"type": "custom", "name": "c", "url": "ftp://x"},
        {"type": "custom", "name": "c", "url": "https://x", "timeout_ms": 10},
        {"type": "custom", "name": "c", "url": "https://x", "parameters": {"type": "string"}},
        {"type": "extract_dynamic_variable", "name": "e", "variables": VARIABLES},
        {"type": "press_digit", "name": "p", "delay_ms": 5_001},
        {"type": "mcp", "name": "m"},
        {"type": "unheard_of", "name": "u"},
    ],
)
def test_a_tool_that_cannot_be_is_refused(tool: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LlmRequest.model_validate({"general_tools": [tool]})
