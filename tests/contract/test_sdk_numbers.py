"""Phone numbers by every generation of the official client that can import one."""

import pytest

from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import all_items, every_form, fresh_number, generations, own_agent, own_number, unknown

TRUNK = "trunk.example.com"


@every_form
@generations("4.6", "4.7", "5.0")
@pytest.mark.covers("phone_number.import_", "phone_number.retrieve", "phone_number.update", "phone_number.delete")
def test_older_clients_bind_a_number_to_one_agent(sdk: SdkClient) -> None:
    agent_id, number = own_agent(sdk), fresh_number()
    made = sdk.ask("phone_number.import_", phone_number=number, termination_uri=TRUNK, inbound_agent_id=agent_id)
    assert (made["phone_number"], made["inbound_agent_id"]) == (number, agent_id)
    assert sdk.ask("phone_number.retrieve", number) == made
    changed = sdk.ask("phone_number.update", number, inbound_agent_id=None, outbound_agent_id=agent_id, nickname="desk")
    assert (changed.get("inbound_agent_id"), changed["outbound_agent_id"], changed["nickname"]) == (
        None,
        agent_id,
        "desk",
    )
    assert sdk.ask("phone_number.delete", number) in {None, ""}
    unknown(sdk, "phone_number.retrieve", number)


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("phone_number.import_", "phone_number.retrieve", "phone_number.update", "phone_number.delete")
def test_a_number_is_shared_by_agents_with_weights(sdk: SdkClient) -> None:
    weights = [{"agent_id": own_agent(sdk), "weight": weight} for weight in (0.25, 0.75)]
    number = fresh_number()
    made = sdk.ask("phone_number.import_", phone_number=number, termination_uri=TRUNK, inbound_agents=weights)
    assert (made["phone_number"], made["phone_number_type"], made["inbound_agents"]) == (number, "custom", weights)
    assert made["sip_outbound_trunk_config"]["termination_uri"] == TRUNK
    assert sdk.ask("phone_number.retrieve", number) == made
    changed = sdk.ask("phone_number.update", number, inbound_agents=weights[:1] and [{**weights[0], "weight": 1}])
    assert changed["inbound_agents"] == [{**weights[0], "weight": 1}]
    assert sdk.ask("phone_number.delete", number) in {None, ""}
    unknown(sdk, "phone_number.retrieve", number)


@every_form
@generations("4.6", "4.7", "5.0")
@pytest.mark.covers("phone_number.list")
def test_older_clients_list_numbers_as_an_array(sdk: SdkClient) -> None:
    made = {own_number(sdk) for _ in range(2)}
    assert made <= {number["phone_number"] for number in sdk.ask("phone_number.list")}


@every_form
@generations("5.64", "6.2", "node")
@pytest.mark.covers("phone_number.list")
def test_numbers_are_listed_to_the_last_page(sdk: SdkClient) -> None:
    made = [own_number(sdk) for _ in range(3)]
    listed = [number["phone_number"] for number in all_items(sdk, "phone_number.list", limit=2)]
    assert [number for number in listed if number in made] == made[::-1]
    assert len(listed) == len(set(listed))


@every_form
@generations("3.9", "4.6", "4.7", "5.0", "5.64", "6.2", "node")
@pytest.mark.covers("phone_number.create")
def test_a_number_cannot_be_bought(sdk: SdkClient) -> None:
    with pytest.raises(SdkError) as refused:
        sdk.ask("phone_number.create", **({"agent_id": "demo"} if sdk.generation == "3.9" else {}))
    assert refused.value.status in {400, 402}
    assert refused.value.body["status"] == "error"
    assert "import" in refused.value.body["message"] + refused.value.body.get("fix", "")
