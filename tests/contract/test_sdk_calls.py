"""Calls from creation to deletion, by every generation of the official client."""

import time
from typing import Any

import pytest

from support.joined_call import joined_call
from support.patience import PATIENCE_S
from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import (
    all_items,
    ended_web_call,
    every_form,
    every_generation,
    generations,
    own_agent,
    own_number,
    unknown,
    web_call,
)

OWN = {"metadata": {"customer": "c1", "deep": {"n": [1, None]}}, "retell_llm_dynamic_variables": {"name": "Ann"}}


@every_form
@generations("4.6", "4.7", "5.0", "5.64")
@pytest.mark.covers("call.create_web_call", "call.retrieve")
def test_a_web_call_is_created_whole(sdk: SdkClient) -> None:
    made = sdk.ask("call.create_web_call", agent_id="demo", **OWN)
    assert (made["call_type"], made["call_status"], made["agent_id"]) == ("web_call", "registered", "demo")
    assert {name: made[name] for name in OWN} == OWN
    assert made["access_token"]
    assert sdk.ask("call.retrieve", made["call_id"]) == made


@every_form
@generations("6.2", "node")
@pytest.mark.covers("call.create_web_call", "call.retrieve")
def test_a_web_call_is_created_with_how_to_join_it(sdk: SdkClient) -> None:
    made = sdk.ask("call.create_web_call", agent_id="demo", agent_version="latest", **OWN)
    assert made["transport"] == "gateway"
    assert {"call_id", "access_token", "ice_servers", "expires_at"} <= set(made)
    call = sdk.ask("call.retrieve", made["call_id"])
    assert (call["call_type"], call["call_status"], call["agent_version"]) == ("web_call", "registered", 0)
    assert {name: call[name] for name in OWN} == OWN


@every_form
@generations("3.9")
@pytest.mark.covers("call.register", "call.retrieve")
def test_a_call_of_the_first_generation_is_registered(sdk: SdkClient) -> None:
    audio = {"audio_websocket_protocol": "web", "audio_encoding": "mulaw", "sample_rate": 8000}
    made = sdk.ask("call.register", agent_id="demo", from_number="+14155550100", **audio, **OWN)
    assert made["call_status"] == "registered"
    assert {name: made[name] for name in (*audio, *OWN)} == {**audio, **OWN}
    assert sdk.ask("call.retrieve", made["call_id"]) == made


@every_form
@generations("4.6", "4.7", "5.0", "5.64", "6.2", "node")
@pytest.mark.covers("call.register_phone_call")
def test_a_phone_call_is_registered(sdk: SdkClient) -> None:
    ends = {"from_number": "+14155550100", "to_number": "+14155550101", "direction": "inbound"}
    made = sdk.answer("call.register_phone_call", agent_id="demo", **ends, **OWN)
    assert {name: made.value[name] for name in (*ends, *OWN)} == {**ends, **OWN}
    assert made.value["call_status"] == "registered"
    seen = sdk.answer("call.retrieve", made.value["call_id"])
    assert (seen.value, seen.type) == (made.value, made.type)
    bare = sdk.ask("call.register_phone_call", agent_id="demo")
    assert (bare["call_type"], bare["direction"]) == ("phone_call", "inbound")


@every_form
@generations("4.6", "4.7", "5.0", "5.64", "6.2", "node")
@pytest.mark.covers("call.create_phone_call")
def test_an_outbound_call_is_made(sdk: SdkClient) -> None:
    agent_id = own_agent(sdk)
    from_number = own_number(sdk)
    asked = {"from_number": from_number, "to_number": "+14155550101", "override_agent_id": agent_id}
    made = sdk.ask("call.create_phone_call", **asked, **OWN)
    assert (made["call_type"], made["call_status"], made["direction"]) == ("phone_call", "registered", "outbound")
    assert {name: made[name] for name in ("from_number", "to_number", "agent_id", *OWN)} == {
        "from_number": from_number,
        "to_number": "+14155550101",
        "agent_id": agent_id,
        **OWN,
    }


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("call.update_live")
def test_a_call_that_goes_on_is_changed(sdk: SdkClient) -> None:
    call_id = web_call(sdk)
    fields = {"metadata": {"k": 2}, "override_dynamic_variables": {"name": "Ann"}}
    control = {"additional_context": "The caller is a member.", "trigger_response": True}
    with joined_call(sdk.url, call_id):
        changed = sdk.ask("call.update_live", call_id, fields_to_override=fields, call_control=control)
        assert changed == {"success": True}
        assert sdk.ask("call.retrieve", call_id)["metadata"] == {"k": 2}
        assert sdk.ask("call.update_live", call_id, fields_to_override={"override_dynamic_variables": None}) == changed
    unknown(sdk, "call.update_live", "call_none", call_control={"trigger_response": True})


@generations("6.2")
@pytest.mark.covers("call.create_phone_call")
def test_an_outbound_call_with_a_key_of_its_own_is_made_once(sdk: SdkClient) -> None:
    agent_id = own_agent(sdk)
    asked = {"from_number": own_number(sdk), "to_number": "+14155550101", "override_agent_id": agent_id}
    key = f"once-for-{agent_id}"
    first = sdk.ask("call.create_phone_call", idempotency_key=key, **asked)
    assert sdk.ask("call.create_phone_call", idempotency_key=key, **asked)["call_id"] == first["call_id"]
    assert sdk.ask("call.create_phone_call", **asked)["call_id"] != first["call_id"]


@every_form
@generations("3.9", "4.6", "4.7", "5.0")
@pytest.mark.covers("call.list")
def test_older_clients_list_calls_page_by_page(sdk: SdkClient) -> None:
    agent_id = own_agent(sdk)
    made = [web_call(sdk, agent_id) for _ in range(3)]
    key: dict[str, Any] = {}
    found: list[str] = []
    while page := sdk.ask("call.list", filter_criteria={"agent_id": [agent_id]}, limit=2, **key):
        found += [call["call_id"] for call in page]
        key = {"pagination_key": found[-1]}
    assert sorted(found) == sorted(made)
    assert sdk.ask("call.list", filter_criteria={"agent_id": [agent_id]}, limit=1, sort_order="ascending") != [found[0]]


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("call.list")
def test_calls_are_listed_to_the_last_page(sdk: SdkClient) -> None:
    agent_id = own_agent(sdk)
    made = [ended_web_call(sdk, agent_id) for _ in range(3)]
    wanted = {"agent": [{"agent_id": agent_id}]}
    down = [call["call_id"] for call in all_items(sdk, "call.list", limit=2, filter_criteria=wanted)]
    up = [
        call["call_id"] for call in all_items(sdk, "call.list", limit=1, filter_criteria=wanted, sort_order="ascending")
    ]
    assert down == up[::-1]
    assert sorted(down) == sorted(made)
    counted = sdk.ask("call.list", limit=1, skip=1, filter_criteria=wanted, include_total=True)
    assert (counted["total"], [call["call_id"] for call in counted["items"]]) == (3, [down[1]])


@every_form
@generations("5.0", "5.64", "6.2", "node")
@pytest.mark.covers("call.update", "call.retrieve")
def test_a_call_is_updated_after_its_end(sdk: SdkClient) -> None:
    call_id = ended_web_call(sdk)
    changed = sdk.ask("call.update", call_id, metadata={"seen": True}, data_storage_setting="everything_except_pii")
    assert (changed["metadata"], changed["data_storage_setting"]) == ({"seen": True}, "everything_except_pii")
    assert sdk.ask("call.retrieve", call_id) == changed
    with pytest.raises(SdkError) as refused:
        sdk.ask("call.update", call_id, data_storage_setting="everything")
    assert refused.value.type == "BadRequestError"


@every_form
@generations("5.0", "5.64", "6.2", "node")
@pytest.mark.covers("call.delete")
def test_a_call_is_deleted(sdk: SdkClient) -> None:
    call_id = ended_web_call(sdk)
    assert sdk.ask("call.delete", call_id) in {None, ""}
    unknown(sdk, "call.retrieve", call_id)
    unknown(sdk, "call.delete", call_id)


@every_form
@generations("6.2", "node")
@pytest.mark.covers("call.stop", "call.retrieve")
def test_a_call_is_stopped(sdk: SdkClient) -> None:
    call_id = web_call(sdk)
    assert sdk.ask("call.stop", call_id) in {None, ""}
    assert sdk.ask("call.retrieve", call_id)["disconnection_reason"] == "manual_stopped"


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("call.rerun_analysis")
def test_an_analysis_is_asked_for_again(sdk: SdkClient) -> None:
    call_id = ended_web_call(sdk)
    assert sdk.ask("call.rerun_analysis", call_id)["call_id"] == call_id
    deadline = time.monotonic() + PATIENCE_S
    while "call_analysis" not in (call := sdk.ask("call.retrieve", call_id)):
        assert time.monotonic() < deadline, call
        time.sleep(0.05)
    assert call["call_analysis"]["user_sentiment"] == "Unknown"
    assert call["call_analysis"]["call_successful"] is False


@every_generation
@every_form
def test_an_unknown_call_is_the_clients_own_error(sdk: SdkClient) -> None:
    unknown(sdk, "call.retrieve", "call_none")
