"""Agents and their versions, by every generation of the official client."""

import time
from typing import Any

import pytest

from support.sdk_client import SdkClient
from support.sdk_plans import LLM_URL, all_items, brain, every_form, every_generation, generations, unknown

RICH: dict[str, Any] = {
    "agent_name": "Ada",
    "ambient_sound": "coffee-shop",
    "boosted_keywords": ["retold"],
    "enable_backchannel": True,
    "interruption_sensitivity": 0.5,
    "language": "en-GB",
    "responsiveness": 0.75,
    "voice_speed": 1.25,
    "voice_temperature": 0.5,
    "webhook_url": "https://hooks.example.com/retold",
}
"""Fields that every generation knows."""


@every_form
@every_generation
@pytest.mark.covers("agent.create", "agent.retrieve", "agent.update", "agent.delete")
def test_an_agent_lives_and_is_deleted(sdk: SdkClient) -> None:
    made = sdk.ask("agent.create", voice_id="11labs-Adrian", **RICH, **brain(sdk))
    assert {name: made[name] for name in RICH} == RICH
    assert sdk.ask("agent.retrieve", made["agent_id"]) == made
    changed = sdk.ask("agent.update", made["agent_id"], agent_name="Bob", responsiveness=0.5)
    assert {**made, **changed} == {**made, **changed, "agent_name": "Bob", "responsiveness": 0.5}
    assert sdk.ask("agent.retrieve", made["agent_id"]) == changed
    assert sdk.ask("agent.delete", made["agent_id"]) in {None, ""}
    unknown(sdk, "agent.retrieve", made["agent_id"])
    unknown(sdk, "agent.delete", made["agent_id"])


@every_generation
def test_every_generation_sees_what_another_made(sdk: SdkClient) -> None:
    made = sdk.ask("agent.create", voice_id="11labs-Adrian", **brain(sdk))
    seen = sdk.ask("agent.retrieve", made["agent_id"])
    assert seen["llm_websocket_url"] == LLM_URL
    assert seen["response_engine"] == {"type": "custom-llm", "llm_websocket_url": LLM_URL}


@every_form
@generations("3.9", "4.6", "4.7", "5.0")
@pytest.mark.covers("agent.list")
def test_older_clients_list_agents_as_an_array(sdk: SdkClient) -> None:
    made = {sdk.ask("agent.create", voice_id="default", **brain(sdk))["agent_id"] for _ in range(2)}
    listed = sdk.ask("agent.list")
    assert made <= {agent["agent_id"] for agent in listed}


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("agent.list")
def test_agents_are_listed_to_the_last_page(sdk: SdkClient) -> None:
    name = f"paged {time.monotonic_ns()}"
    made = [sdk.ask("agent.create", voice_id="default", agent_name=name, **brain(sdk))["agent_id"] for _ in range(3)]
    found = list(all_items(sdk, "agent.list", limit=2, filter_criteria={"query": name}))
    assert [agent["agent_id"] for agent in found] == made[::-1]
    assert {(agent["agent_name"], agent["channel"]) for agent in found} == {(name, "voice")}
    upwards = all_items(sdk, "agent.list", limit=2, sort_order="ascending", filter_criteria={"query": name})
    assert [agent["agent_id"] for agent in upwards] == made


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers(
    "agent.publish", "agent.create_version", "agent.list_versions", "agent.delete_version", "agent.retrieve"
)
def test_versions_are_published_drafted_listed_and_deleted(sdk: SdkClient) -> None:
    agent_id = sdk.ask("agent.create", voice_id="default", agent_name="first", **brain(sdk))["agent_id"]
    assert sdk.ask("agent.publish", agent_id, version=0, version_title="one") in {None, ""}
    draft = sdk.ask("agent.create_version", agent_id, base_version=0)
    assert (draft["version"], draft["base_version"], draft["is_published"]) == (1, 0, False)
    sdk.ask("agent.update", agent_id, agent_name="second")
    assert sdk.ask("agent.retrieve", agent_id, version=0)["agent_name"] == "first"
    assert sdk.ask("agent.retrieve", agent_id)["agent_name"] == "second"
    versions = list(all_items(sdk, "agent.list_versions", agent_id, limit=1))
    assert [(one["version"], one["is_published"]) for one in versions] == [(1, False), (0, True)]
    assert sdk.ask("agent.delete_version", agent_id, version=1) in {None, ""}
    assert [one["version"] for one in all_items(sdk, "agent.list_versions", agent_id)] == [0]


@every_form
@generations("5.0", "5.64", "node")
@pytest.mark.covers("agent.get_versions")
def test_older_clients_get_versions_as_an_array(sdk: SdkClient) -> None:
    made = sdk.ask("agent.create", voice_id="default", **brain(sdk))
    assert [one["version"] for one in sdk.ask("agent.get_versions", made["agent_id"])] == [0]


@generations("5.0")
@pytest.mark.covers("agent.publish")
def test_a_client_that_names_no_version_publishes_the_newest(sdk: SdkClient) -> None:
    agent_id = sdk.ask("agent.create", voice_id="default", **brain(sdk))["agent_id"]
    sdk.ask("agent.publish", agent_id)
    assert [one["is_published"] for one in sdk.ask("agent.get_versions", agent_id)][-1] is True
