"""Conversation flows and shared components by the generations of the official client that know them."""

from typing import Any

import pytest

from support.flows import component, component_node, edge, end, flow, talk, whole_flow
from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import all_items, every_form, generations


def missing(sdk: SdkClient, method: str, *args: Any) -> None:
    """Assert that the client raises its error for what is not there; of flows that is 404."""
    with pytest.raises(SdkError) as refused:
        sdk.ask(method, *args)
    assert (refused.value.type, refused.value.status) == ("NotFoundError", 404)


def part_id(made: dict[str, Any]) -> str:
    return made["conversation_flow_component_id"]


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers(
    "conversation_flow.create", "conversation_flow.retrieve", "conversation_flow.update", "conversation_flow.delete"
)
def test_a_flow_lives_and_is_deleted(sdk: SdkClient) -> None:
    sent = flow(talk("welcome", "end"), end(), model_choice={"type": "cascading", "model": "gpt-4.1"})
    made = sdk.ask("conversation_flow.create", **sent)
    assert {name: made[name] for name in ("nodes", "start_node_id")} == {
        name: sent[name] for name in ("nodes", "start_node_id")
    }
    flow_id = made["conversation_flow_id"]
    assert sdk.ask("conversation_flow.retrieve", flow_id) == made
    changed = sdk.ask("conversation_flow.update", flow_id, global_prompt="You sell.")
    assert (changed["global_prompt"], changed["nodes"]) == ("You sell.", made["nodes"])
    assert sdk.ask("conversation_flow.retrieve", flow_id, version=0) == changed
    assert sdk.ask("conversation_flow.delete", flow_id) in {None, ""}
    missing(sdk, "conversation_flow.retrieve", flow_id)


@every_form
@generations("6.2")
@pytest.mark.covers("conversation_flow.create", "conversation_flow.update")
def test_every_field_comes_back(sdk: SdkClient) -> None:
    sent = whole_flow()
    made = sdk.ask("conversation_flow.create", **sent)
    assert {name: made[name] for name in sent} == sent
    stays = {"version", "is_published", "last_modification_timestamp", "conversation_flow_id"}
    again = sdk.ask(
        "conversation_flow.update", made["conversation_flow_id"], **{n: v for n, v in made.items() if n not in stays}
    )
    assert {name: again[name] for name in sent} == sent


@every_form
@generations("6.2")
@pytest.mark.covers("conversation_flow.list")
def test_flows_are_listed_to_the_last_page(sdk: SdkClient) -> None:
    made = [sdk.ask("conversation_flow.create", **flow())["conversation_flow_id"] for _ in range(3)]
    listed = [one["conversation_flow_id"] for one in all_items(sdk, "conversation_flow.list", limit=2)]
    assert [flow_id for flow_id in listed if flow_id in made] == made[::-1]
    assert len(listed) == len(set(listed))


@every_form
@generations("6.2")
@pytest.mark.covers("conversation_flow.delete", "agent.publish")
def test_a_flow_goes_along_with_its_agent(sdk: SdkClient) -> None:
    flow_id = sdk.ask("conversation_flow.create", **flow())["conversation_flow_id"]
    engine = {"type": "conversation-flow", "conversation_flow_id": flow_id}
    made = sdk.ask("agent.create", voice_id="default", response_engine=engine)
    assert made["response_engine"] == {**engine, "version": 0}
    sdk.ask("agent.publish", made["agent_id"], version=0)
    assert sdk.ask("conversation_flow.update", flow_id, global_prompt="next")["version"] == 1
    assert sdk.ask("agent.retrieve", made["agent_id"])["response_engine"]["version"] == 1
    with pytest.raises(SdkError) as refused:
        sdk.ask("conversation_flow.delete", flow_id)
    assert refused.value.type == "BadRequestError"
    assert made["agent_id"] in refused.value.body["message"]
    assert sdk.ask("conversation_flow.delete", flow_id, force_delete=True) in {None, ""}


@every_form
@generations("6.2")
@pytest.mark.covers("conversation_flow.create")
def test_a_flow_that_cannot_run_is_refused(sdk: SdkClient) -> None:
    with pytest.raises(SdkError) as refused:
        sdk.ask("conversation_flow.create", **flow(talk("ask", edges=[edge("e", "gone")])))
    assert refused.value.type == "BadRequestError"
    assert refused.value.body["field"] == "nodes[0].edges[0].destination_node_id"


@every_form
@generations("6.2")
@pytest.mark.covers(
    "conversation_flow_component.create",
    "conversation_flow_component.retrieve",
    "conversation_flow_component.update",
    "conversation_flow_component.delete",
    "conversation_flow_component.list",
)
def test_a_shared_component_lives_and_is_deleted(sdk: SdkClient) -> None:
    made = [sdk.ask("conversation_flow_component.create", **component(f"pay {number}")) for number in range(3)]
    one = part_id(made[0])
    nodes = [component_node("pay", one, "shared", "end"), end()]
    flow_id = sdk.ask("conversation_flow.create", **flow(*nodes))["conversation_flow_id"]
    changed = sdk.ask("conversation_flow_component.update", one, name="book")
    assert (changed["name"], changed["linked_conversation_flow_ids"]) == ("book", [flow_id])
    assert sdk.ask("conversation_flow_component.retrieve", one) == changed
    listed = [part_id(item) for item in all_items(sdk, "conversation_flow_component.list", limit=2)]
    assert {part_id(item) for item in made} <= set(listed)
    assert len(listed) == len(set(listed))
    assert sdk.ask("conversation_flow_component.delete", one) in {None, ""}
    missing(sdk, "conversation_flow_component.retrieve", one)
    kept = sdk.ask("conversation_flow.retrieve", flow_id)
    assert (kept["nodes"][0]["component_type"], kept["components"][0]["name"]) == ("local", "book")
