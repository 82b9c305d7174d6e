"""Retell LLM definitions by every generation of the official client."""

from typing import Any

import pytest

from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import all_items, every_form, every_generation, generations, unknown

BOOKING: dict[str, Any] = {
    "general_prompt": "You book appointments.",
    "begin_message": "Hello.",
    "general_tools": [{"type": "end_call", "name": "end_call", "description": "End the call."}],
    "starting_state": "ask",
    "states": [
        {
            "name": "ask",
            "state_prompt": "Ask for the day.",
            "edges": [{"destination_state_name": "book", "description": "The day is known."}],
        },
        {
            "name": "book",
            "state_prompt": "Book it.",
            "tools": [{"type": "end_call", "name": "done", "description": "Say good bye."}],
        },
    ],
}
"""Fields that every generation knows; what none of them may lose."""


@every_form
@every_generation
@pytest.mark.covers("llm.create", "llm.retrieve", "llm.update", "llm.delete")
def test_a_definition_lives_and_is_deleted(sdk: SdkClient) -> None:
    made = sdk.ask("llm.create", **BOOKING, **speaker(sdk))
    assert {name: made[name] for name in BOOKING} == BOOKING
    assert sdk.ask("llm.retrieve", made["llm_id"]) == made
    changed = sdk.ask("llm.update", made["llm_id"], general_prompt="You sell.")
    assert changed["general_prompt"] == "You sell."
    assert changed["states"] == made["states"]
    assert sdk.ask("llm.retrieve", made["llm_id"]) == changed
    assert sdk.ask("llm.delete", made["llm_id"]) in {None, ""}
    unknown(sdk, "llm.retrieve", made["llm_id"])


@every_form
@generations("3.9", "4.6", "4.7", "5.0")
@pytest.mark.covers("llm.list")
def test_older_clients_list_definitions_as_an_array(sdk: SdkClient) -> None:
    made = {sdk.ask("llm.create", general_prompt="p", **speaker(sdk))["llm_id"] for _ in range(2)}
    assert made <= {llm["llm_id"] for llm in sdk.ask("llm.list")}


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("llm.list")
def test_definitions_are_listed_to_the_last_page(sdk: SdkClient) -> None:
    made = [sdk.ask("llm.create", general_prompt="p", start_speaker="agent")["llm_id"] for _ in range(3)]
    listed = [llm["llm_id"] for llm in all_items(sdk, "llm.list", limit=2)]
    assert [llm_id for llm_id in listed if llm_id in made] == made[::-1]
    assert len(listed) == len(set(listed))


@every_form
@generations("5.0", "5.64", "6.2", "node")
@pytest.mark.covers("llm.delete")
def test_a_definition_in_use_is_not_deleted(sdk: SdkClient) -> None:
    llm_id = sdk.ask("llm.create", start_speaker="agent")["llm_id"]
    agent = {"voice_id": "default", "response_engine": {"type": "retell-llm", "llm_id": llm_id}}
    agent_id = sdk.ask("agent.create", **agent)["agent_id"]
    with pytest.raises(SdkError) as refused:
        sdk.ask("llm.delete", llm_id)
    assert refused.value.type == "BadRequestError"
    assert agent_id in refused.value.body["message"]
    sdk.ask("agent.delete", agent_id)
    assert sdk.ask("llm.delete", llm_id) in {None, ""}


def speaker(sdk: SdkClient) -> dict[str, str]:
    """Who speaks first; clients of 2024 did not say."""
    return {} if sdk.generation in {"3.9", "4.6", "4.7"} else {"start_speaker": "agent"}
