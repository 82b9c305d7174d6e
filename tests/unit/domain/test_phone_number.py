"""Phone numbers: what is taken, and how it is shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retold.domain.e164 import area_code, country, is_e164, pretty
from retold.domain.phone_number import PhoneNumber
from retold.domain.phone_number_request import NumberChanges, NumberImport, change_number, import_number
from retold.errors import InvalidRequest

NUMBER = "+14157774444"


def make(**fields: Any) -> PhoneNumber:
    body = {"phone_number": NUMBER, "termination_uri": "trunk.example.com", **fields}
    return import_number(NumberImport.model_validate(body), 1_000)


def change(number: PhoneNumber, **fields: Any) -> PhoneNumber:
    return change_number(number, NumberChanges.model_validate(fields), 2_000)


@pytest.mark.parametrize(
    ("number", "is_valid", "written", "area"),
    [
        (NUMBER, True, "+1 (415) 777-4444", 415),
        ("+493012345678", True, "+49 30 12345678", None),
        ("+14165550123", True, "+1 (416) 555-0123", None),
        ("4157774444", False, None, None),
        ("+1 415 777 4444", False, None, None),
        ("+1415", False, "+1 415", None),
        ("extension-7", False, None, None),
    ],
)
def test_a_number_is_read_as_people_write_it(
    number: str, is_valid: bool, written: str | None, area: int | None
) -> None:
    assert (is_e164(number), pretty(number), area_code(number)) == (is_valid, written, area)


def test_an_imported_number_shows_its_trunk_without_the_password() -> None:
    shown = make(
        sip_trunk_auth_username="user", sip_trunk_auth_password="hidden", transport="TLS", codecs=["PCMU"]
    ).wire()
    assert shown == {
        "phone_number": NUMBER,
        "phone_number_type": "custom",
        "phone_number_pretty": "+1 (415) 777-4444",
        "area_code": 415,
        "last_modification_timestamp": 1_000,
        "sip_outbound_trunk_config": {
            "termination_uri": "trunk.example.com",
            "auth_username": "user",
            "transport": "TLS",
            "codecs": ["PCMU"],
        },
    }


def test_numbers_of_a_private_exchange_are_taken_unless_e164_is_asked_for() -> None:
    assert make(phone_number="7001").phone_number == "7001"
    with pytest.raises(InvalidRequest, match=r"E\.164"):
        make(phone_number="7001", ignore_e164_validation=False)
    assert make(ignore_e164_validation=False).phone_number == NUMBER


def test_a_change_keeps_the_rest_and_null_clears() -> None:
    number = make(nickname="Front desk", sip_trunk_auth_username="user", inbound_webhook_url="https://x.example")
    shown = change(number, nickname=None, termination_uri="other.example.com", transport="UDP").wire()
    assert "nickname" not in shown
    assert shown["inbound_webhook_url"] == "https://x.example"
    assert shown["last_modification_timestamp"] == 2_000
    assert shown["sip_outbound_trunk_config"] == {
        "termination_uri": "other.example.com",
        "auth_username": "user",
        "transport": "UDP",
    }
    assert "auth_username" not in change(number, auth_username=None).wire()["sip_outbound_trunk_config"]


def test_one_agent_is_shown_in_the_older_fields_too() -> None:
    shown = make(inbound_agents=[{"agent_id": "a", "weight": 1, "agent_version": "prod"}]).wire()
    assert (shown["inbound_agent_id"], shown["inbound_agent_version"]) == ("a", "prod")
    two = [{"agent_id": "a", "weight": 0.5}, {"agent_id": "b", "weight": 0.5}]
    shown = make(inbound_agents=two, outbound_agents=[{"agent_id": "c", "weight": 1}]).wire()
    assert "inbound_agent_id" not in shown
    assert shown["outbound_agent_id"] == "c"
    assert "outbound_agent_version" not in shown


def test_the_older_fields_bind_and_unbind_one_agent() -> None:
    number = make(inbound_agent_id="a", inbound_agent_version=3, outbound_agent_id="b")
    assert number.wire()["inbound_agents"] == [{"agent_id": "a", "agent_version": 3, "weight": 1.0}]
    assert [agent.agent_id for agent in number.agents()] == ["a", "b"]
    unbound = change(number, inbound_agent_id=None)
    assert unbound.inbound_agents is None
    assert unbound.outbound_agents == number.outbound_agents
    both = make(inbound_agent_id="a", inbound_agents=[{"agent_id": "b", "weight": 1}])
    assert [agent.agent_id for agent in both.agents()] == ["b"]


def test_a_number_cannot_be_its_own_fallback() -> None:
    with pytest.raises(InvalidRequest, match="itself"):
        make(fallback_number=NUMBER)


@pytest.mark.parametrize(
    "fields",
    [
        {"inbound_agents": [{"agent_id": "a", "weight": 0.5}]},
        {"inbound_agents": [{"agent_id": "a", "weight": 1.5}]},
        {"allowed_inbound_country_list": ["usa"]},
        {"transport": "SCTP"},
        {"phone_number": "two words"},
        {"ignore_e164_validation": "true"},
    ],
)
def test_a_wrong_value_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**fields)


@pytest.mark.parametrize(
    ("number", "where"),
    [(NUMBER, "US"), ("+14165550123", "CA"), ("+493012345678", "DE"), ("+80012345678", None), ("7001", None)],
)
def test_the_country_of_a_number(number: str, where: str | None) -> None:
    assert country(number) == where


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_calls_are_shared_out_by_weight(direction: str) -> None:
    agents = [{"agent_id": "a", "weight": 0.1}, {"agent_id": "b", "weight": 0.6}, {"agent_id": "c", "weight": 0.3}]
    number = make(**{f"{direction}_agents": agents})
    draw = number.inbound_agent if direction == "inbound" else number.outbound_agent
    picked = [draw(share / 1_000) for share in range(1_000)]
    counts = [sum(one is not None and one.agent_id == name for one in picked) for name in "abc"]
    assert counts == [pytest.approx(100, abs=1), pytest.approx(600, abs=1), pytest.approx(300, abs=1)]


def test_a_share_that_rounding_leaves_over_goes_to_the_last_agent() -> None:
    number = make(outbound_agents=[{"agent_id": "a", "weight": 0.5}, {"agent_id": "b", "weight": 0.4999999}])
    last = number.outbound_agent(0.99999995)
    assert last is not None
    assert last.agent_id == "b"


@pytest.mark.parametrize("agents", [None, []])
def test_a_number_may_have_no_outbound_agent(agents: list[Any] | None) -> None:
    assert make(outbound_agents=agents).outbound_agent(0.5) is None


@pytest.mark.parametrize(
    ("allowed", "to_number", "may_call"),
    [
        (None, "+493012345678", True),
        ([], "+493012345678", True),
        (["US", "DE"], "+493012345678", True),
        (["US"], "+14157774445", True),
        (["US"], "+14165550123", False),
        (["US"], "+493012345678", False),
        (["US"], "7001", False),
    ],
)
def test_a_number_calls_the_countries_that_it_may(allowed: list[str] | None, to_number: str, *, may_call: bool) -> None:
    number = make(allowed_outbound_country_list=allowed)
    if may_call:
        number.check_destination(to_number)
    else:
        with pytest.raises(InvalidRequest, match="may not call"):
            number.check_destination(to_number)


def test_the_agents_that_are_left_share_the_part_of_one_that_is_gone() -> None:
    weights = [{"agent_id": "a", "weight": 0.5}, {"agent_id": "b", "weight": 0.3}, {"agent_id": "c", "weight": 0.2}]
    number = make(inbound_agents=weights, outbound_agents=[{"agent_id": "a", "agent_version": 1, "weight": 1}])
    left = number.without_agent("a", 2_000)
    assert left.inbound_agents is not None
    assert [(agent.agent_id, agent.weight) for agent in left.inbound_agents] == [
        ("b", pytest.approx(0.6)),
        ("c", pytest.approx(0.4)),
    ]
    assert (left.outbound_agents, left.last_modification_timestamp) == (None, 2_000)
    # Weights that are shared out anew are still such as are taken.
    assert PhoneNumber.model_validate(left.model_dump()) == left


@given(st.lists(st.floats(min_value=1e-6, max_value=1.0), min_size=2, max_size=20))
def test_weights_that_are_shared_out_anew_add_up_to_one(parts: list[float]) -> None:
    total = sum(parts)
    weights = [{"agent_id": f"agent_{n}", "weight": min(1.0, part / total)} for n, part in enumerate(parts)]
    left = make(inbound_agents=weights).without_agent("agent_0", 0)
    assert PhoneNumber.model_validate(left.model_dump()) == left
