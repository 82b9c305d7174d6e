"""The requests that make a call: what is taken, what is turned into text, what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from retold.domain.call_request import AgentOverride, PhoneCallRequest, WebCallRequest, with_override
from retold.domain.flow_request import NewFlow, create_flow
from retold.errors import InvalidRequest
from support.flows import flow, talk
from support.stored import make_agent

NUMBERS = {"from_number": "+14157774444", "to_number": "+12137774445"}


def override(**parts: Any) -> AgentOverride:
    return AgentOverride.model_validate(parts)


def test_variables_become_text_and_null_is_none() -> None:
    request = WebCallRequest.model_validate(
        {"agent_id": "a", "retell_llm_dynamic_variables": {"s": "x", "i": 42, "f": 1.5, "b": True, "n": None}}
    )
    assert request.retell_llm_dynamic_variables == {"s": "x", "i": "42", "f": "1.5", "b": "true"}


@pytest.mark.parametrize("variables", [{"a": []}, {"a": {"b": "c"}}, ["a"], "a"], ids=str)
def test_variables_of_another_shape_are_refused(variables: Any) -> None:
    with pytest.raises(ValidationError, match="retell_llm_dynamic_variables"):
        WebCallRequest.model_validate({"agent_id": "a", "retell_llm_dynamic_variables": variables})


@pytest.mark.parametrize(("version", "taken"), [(3.0, 3), (3, 3), ("3", "3"), ("prod", "prod"), (None, None)])
def test_an_integer_may_be_written_with_a_point(version: object, taken: object) -> None:
    request = WebCallRequest.model_validate({"agent_id": "a", "agent_version": version, "metadata": {"n": 1.0}})
    assert (request.agent_version, type(request.agent_version)) == (taken, type(taken))
    assert request.metadata is not None
    assert isinstance(request.metadata["n"], float)
    changed = override(agent={"max_call_duration_ms": 60_000.0, "reminder_trigger_ms": 5_000}).agent
    assert changed is not None
    assert changed.sent() == {"max_call_duration_ms": 60_000, "reminder_trigger_ms": 5_000}


@pytest.mark.parametrize("number", [60_000.5, float("inf"), float("nan"), True, "60000", [60_000.0]])
def test_an_integer_with_a_fraction_is_none(number: object) -> None:
    with pytest.raises(ValidationError, match="max_call_duration_ms"):
        override(agent={"max_call_duration_ms": number})


@pytest.mark.parametrize("body", [3.0, None, [], "x"])
def test_a_body_of_another_type_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        WebCallRequest.model_validate(body)


def test_an_override_changes_the_agent_of_one_call_and_survives_being_stored() -> None:
    agent = make_agent(agent_name="Ada", voice_speed=1.0)
    wanted = override(agent={"voice_speed": 1.5, "agent_name": None, "data_storage_setting": "basic_attributes_only"})
    changed = with_override(agent, wanted.stored())
    assert changed == wanted.applied_to(agent)
    assert (changed.voice_speed, changed.agent_name) == (1.5, None)
    assert changed.data_storage_setting == "basic_attributes_only"
    assert (changed.agent_id, changed.version) == (agent.agent_id, agent.version)
    assert changed.last_modification_timestamp == agent.last_modification_timestamp
    assert with_override(agent, None) is agent
    assert override(retell_llm={"model": "gpt-5"}).applied_to(agent) is agent


def test_an_override_is_stored_as_it_was_sent() -> None:
    wanted = override(
        retell_llm={"model_config": {"primary": {"model": "x"}}, "begin_message": None},
        conversation_flow={"model_choice": {"type": "cascading"}, "start_speaker": "user"},
    )
    assert wanted.stored() == (
        '{"retell_llm":{"model_config":{"primary":{"model":"x"}},"begin_message":null},'
        '"conversation_flow":{"start_speaker":"user","model_choice":{"type":"cascading"}}}'
    )


@pytest.mark.parametrize(
    "part",
    [
        {"model_config": {"type": "tape"}},
        {"model_config": {"backup": {"model": "x", "kick_in_timeout_ms": 1}}},
        {"kb_config": {"top_k": 11}},
        {"backup_model": {"model": "x"}},
        {"model_temperature": 2},
        {"start_speaker": "nobody"},
        {"begin_after_user_silence_ms": -1},
    ],
)
@pytest.mark.parametrize("engine", ["retell_llm", "conversation_flow"])
def test_an_override_is_checked_like_the_engine_itself(engine: str, part: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        override(**{engine: part})


@pytest.mark.parametrize("name", ["from_number", "to_number"])
@pytest.mark.parametrize("number", ["4157774444", "+1 415 777 4444", "+0157774444", "+1415777444412345", "+1", "+1a"])
def test_a_number_that_is_not_e164_is_refused_by_name_unless_told_not_to_check(name: str, number: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as refused:
        PhoneCallRequest.model_validate({**NUMBERS, name: number}).check_numbers()
    assert refused.value.field == name
    PhoneCallRequest.model_validate({**NUMBERS, name: number, "ignore_e164_validation": True}).check_numbers()


def test_e164_numbers_are_taken() -> None:
    PhoneCallRequest.model_validate(NUMBERS).check_numbers()


@pytest.mark.parametrize(
    "headers", [{"X-A": "b\r\nX-C: d"}, {"X A": "b"}, {"X-A\r\n": "b"}, {"": "b"}, {"X-A": "b" * 1001}, {"X-A": 1}, []]
)
def test_sip_headers_that_would_break_a_message_are_refused(headers: Any) -> None:
    with pytest.raises(ValidationError, match="custom_sip_headers"):
        PhoneCallRequest.model_validate({**NUMBERS, "custom_sip_headers": headers})


def test_sip_headers_are_kept() -> None:
    request = PhoneCallRequest.model_validate({**NUMBERS, "custom_sip_headers": {"X-Customer": "Ann, 7"}})
    assert request.custom_sip_headers == {"X-Customer": "Ann, 7"}


def test_an_override_changes_the_flow_of_one_call() -> None:
    stored = create_flow(NewFlow.model_validate(flow(talk("hello"))), "flow_1", 1)
    wanted = override(conversation_flow={"start_speaker": "user", "model_temperature": 0.25})
    assert wanted.conversation_flow is not None
    changed = wanted.conversation_flow.applied_to(stored)
    assert (changed.start_speaker, changed.models.temperature) == ("user", 0.25)
    assert (changed.conversation_flow_id, changed.nodes) == ("flow_1", stored.nodes)
