"""What an inbound webhook is asked, and which replies are taken."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.inbound_call import InboundCall, InboundReply, inbound_body, parse_inbound_reply
from retold.domain.phone_number import AgentWeight
from retold.ids import CallId

CALL = InboundCall(CallId("call_1"), "+14157774444", "+14157775555")


def reply(**fields: Any) -> InboundReply:
    return parse_inbound_reply(json.dumps({"call_inbound": fields}).encode())


def test_the_request_has_the_shape_of_retell() -> None:
    agent = AgentWeight(agent_id="agent_1", agent_version=3, weight=1)
    assert json.loads(inbound_body(CALL, agent, 1_700)) == {
        "event": "call_inbound",
        "event_timestamp": 1_700,
        "call_inbound": {
            "agent_id": "agent_1",
            "agent_version": 3,
            "from_number": "+14157774444",
            "to_number": "+14157775555",
            "call_id": "call_1",
        },
    }


def test_a_number_without_an_agent_names_none() -> None:
    told = json.loads(inbound_body(CALL, None, 1_700))["call_inbound"]
    assert set(told) == {"from_number", "to_number", "call_id"}


def test_only_headers_for_the_customer_are_told_in_lower_case() -> None:
    sip = {
        "X-Account": "7",
        "x-lower": "8",
        "User-to-User": "a",
        "Diversion": "b",
        "History-Info": "c",
        "P-Asserted-Identity": "d",
        "Via": "SIP/2.0/UDP inner.host",
        "Authorization": "Digest secret",
    }
    call = InboundCall(CallId("call_1"), "+1", "+2", sip)
    told = json.loads(inbound_body(call, None, 0))["call_inbound"]["custom_sip_headers"]
    assert told == {
        "x-account": "7",
        "x-lower": "8",
        "user-to-user": "a",
        "diversion": "b",
        "history-info": "c",
        "p-asserted-identity": "d",
    }


def test_a_whole_reply_is_taken() -> None:
    wanted = reply(
        override_agent_id="agent_2",
        override_agent_version="latest_published",
        agent_override={"agent": {"voice_speed": 1.5}},
        dynamic_variables={"name": "Ada", "visits": 3},
        metadata={"crm": {"id": 7}},
        reject=False,
        something_of_tomorrow=1,
    )
    assert wanted.override_agent_id == "agent_2"
    assert wanted.override_agent_version == "latest_published"
    assert wanted.dynamic_variables == {"name": "Ada", "visits": "3"}
    assert wanted.metadata == {"crm": {"id": 7}}
    assert wanted.agent_override is not None
    assert wanted.agent_override.agent is not None
    assert wanted.agent_override.agent.sent() == {"voice_speed": 1.5}
    assert not wanted.is_rejected


@pytest.mark.parametrize("value", [False, None, "true", "yes", 1, 0, [], {}, "false"])
def test_nothing_but_true_rejects(value: object) -> None:
    assert not reply(reject=value).is_rejected


def test_true_rejects() -> None:
    assert reply(reject=True).is_rejected


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"call_inbound": null}', b'{"call_inbound": {}}', b'{"a": 1}'])
def test_a_reply_that_wants_nothing_is_one(body: bytes) -> None:
    assert parse_inbound_reply(body) == InboundReply()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"OK", "call_inbound"),
        (b"[]", "call_inbound"),
        (b'{"call_inbound": 7}', "call_inbound"),
        (b'{"call_inbound": {"override_agent_id": 7}}', "call_inbound.override_agent_id"),
        (b'{"call_inbound": {"reject": true, "metadata": "x"}}', "call_inbound.metadata"),
        (b'{"call_inbound": {"dynamic_variables": {"a": []}}}', "call_inbound.dynamic_variables"),
        (
            b'{"call_inbound": {"agent_override": {"agent": {"voice_speed": 99}}}}',
            "call_inbound.agent_override.agent.voice_speed",
        ),
    ],
)
def test_a_reply_that_cannot_be_is_refused_by_its_field(body: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_inbound_reply(body)


def test_a_refusal_quotes_nothing_of_the_reply() -> None:
    with pytest.raises(ValueError, match="metadata") as refused:
        parse_inbound_reply(b'{"call_inbound": {"metadata": "a secret"}}')
    assert "secret" not in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        parse_inbound_reply(body)
    except ValueError:
        return
