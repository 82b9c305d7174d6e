"""Conversation flows: what is taken, what is kept, and how models and components are spelled."""

from typing import Any

import pytest
from pydantic import ValidationError

from retold.domain.flow import Flow, SharedComponent
from retold.domain.flow_check import check_flow, shared_ids
from retold.domain.flow_nodes import ConversationNode
from retold.domain.flow_request import (
    ComponentChanges,
    FlowChanges,
    NewComponent,
    NewFlow,
    as_local,
    change_component,
    change_flow,
    create_component,
    create_flow,
    new_flow_draft,
)
from retold.errors import InvalidRequest
from support.flows import component, component_node, end, flow, talk, whole_flow


def made(sent: dict[str, Any]) -> Flow:
    return create_flow(NewFlow.model_validate(sent), "flow_1", 1_000)


def changed(one: Flow, **sent: Any) -> Flow:
    return change_flow(one, FlowChanges.model_validate(sent), 2_000)


def shared(name: str, *nodes: dict[str, Any]) -> SharedComponent:
    return create_component(NewComponent.model_validate(component(name, *nodes)), name, 1_000)


def test_every_field_of_the_sdk_is_kept_and_shown() -> None:
    sent = whole_flow()
    one = made(sent)
    check_flow(one, {})
    shape = one.wire()
    assert {name: shape[name] for name in sent} == sent
    assert Flow.model_validate_json(one.stored()) == one
    assert shape["conversation_flow_id"] == "flow_1"
    assert (shape["version"], shape["is_published"], shape["last_modification_timestamp"]) == (0, False, 1_000)


def test_what_a_later_version_stored_survives() -> None:
    one = Flow.model_validate_json(made(flow()).stored()[:-1] + ',"of_2027":[1]}')
    assert changed(one, global_prompt="p").wire()["of_2027"] == [1]


def test_a_change_names_what_it_changes_and_null_clears() -> None:
    one = made(flow(global_prompt="one", default_dynamic_variables={"a": "b"}, is_transfer_cf=True))
    after = changed(one, global_prompt=None, is_transfer_cf=False)
    assert (after.global_prompt, after.is_transfer_cf, after.last_modification_timestamp) == (None, True, 2_000)
    assert (after.nodes, after.default_dynamic_variables) == (one.nodes, {"a": "b"})
    assert [node.id for node in changed(one, nodes=[end()]).nodes] == ["end"]
    draft = new_flow_draft(after.model_copy(update={"is_published": True}), 3, 3_000)
    assert (draft.version, draft.is_published, draft.last_modification_timestamp) == (3, False, 3_000)


@pytest.mark.parametrize(
    ("sent", "model", "tier", "choice"),
    [
        ({}, None, None, None),
        (
            {"model_choice": {"type": "cascading", "model": "m", "high_priority": True}},
            "m",
            "fast",
            {"type": "cascading", "model": "m", "high_priority": True, "ultrafast": False},
        ),
        (
            {"model_choice": {"type": "s2s", "model": "r"}},
            "r",
            "standard",
            {"type": "s2s", "model": "r", "high_priority": False, "ultrafast": False},
        ),
        (
            {"model_config": {"primary": {"model": "new"}}, "model_choice": {"type": "cascading", "model": "old"}},
            "new",
            None,
            {"type": "cascading", "model": "new", "high_priority": False, "ultrafast": False},
        ),
    ],
)
def test_both_spellings_of_the_model_say_the_same(
    sent: dict[str, Any], model: str | None, tier: str | None, choice: dict[str, Any] | None
) -> None:
    one = made(flow(**sent))
    primary = one.models.primary
    assert (model, tier) == (None, None) if primary is None else (primary.model, primary.tier) == (model, tier)
    assert one.wire().get("model_choice") == choice


def test_a_fetched_flow_can_be_sent_back_with_its_deprecated_fields_changed() -> None:
    one = made(flow(model_config={"primary": {"model": "m", "tier": "ultrafast"}, "backup": {"model": "b"}}))
    same = changed(one, **one.wire())
    assert same.models == one.models
    other = changed(one, model_choice={"type": "cascading", "model": "n", "ultrafast": True}, model_temperature=0.5)
    assert other.models.primary is not None
    assert (other.models.primary.model, other.models.primary.tier) == ("n", "ultrafast")
    assert other.models.temperature == 0.5
    assert other.models.backup == one.models.backup


def test_models_that_do_not_fit_are_refused() -> None:
    s2s = {"type": "s2s", "primary": {"model": "r"}, "backup": {"model": "b"}}
    with pytest.raises(InvalidRequest, match="backup"):
        made(flow(model_config=s2s))


@pytest.mark.parametrize(
    ("fields", "model", "tier"),
    [
        ({}, None, None),
        ({"model_choice": {"type": "cascading", "model": "m"}}, "m", "standard"),
        ({"model_choice": {"type": "cascading", "model": "m", "high_priority": True}}, "m", "fast"),
        ({"model_choice": {"type": "cascading", "model": "m", "ultrafast": True}}, "m", "ultrafast"),
        ({"model_config": {"primary": {"model": "n"}}, "model_choice": {"model": "m"}}, "n", None),
        ({"model_config": None}, None, None),
    ],
)
def test_a_node_may_have_a_model_of_its_own(fields: dict[str, Any], model: str | None, tier: str | None) -> None:
    node = ConversationNode.model_validate(talk("a", **fields))
    primary = node.primary_model
    assert primary is None if model is None else primary is not None and (primary.model, primary.tier) == (model, tier)


@pytest.mark.parametrize(
    "sent",
    [
        {"start_speaker": "agent"},
        {"nodes": [{"id": "a", "type": "teleport"}]},
        {"nodes": [{"type": "end"}]},
        {"nodes": [{"id": "", "type": "end"}]},
        {"nodes": [{"id": "a", "type": "branch"}]},
        {"nodes": [talk("a", voice_speed=3)]},
        {"nodes": [talk("a", global_node_setting={"condition": ""})]},
        {"nodes": [talk("a", global_node_setting={"condition": "x", "cool_down": 0})]},
        {"nodes": None},
    ],
)
def test_what_has_not_the_shape_is_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewFlow.model_validate(sent)


def test_a_shared_component_is_changed_in_place() -> None:
    one = create_component(NewComponent.model_validate(component("pay", flex_mode=True)), "c1", 1_000)
    changes = ComponentChanges.model_validate({"name": "book", "flex_mode": None})
    after = change_component(one, changes, 2_000)
    assert (after.name, after.flex_mode, after.nodes) == ("book", None, one.nodes)
    assert (after.conversation_flow_component_id, after.user_modified_timestamp) == ("c1", 2_000)
    assert SharedComponent.model_validate_json(after.stored()) == after
    shape = after.wire(["flow_1"])
    assert (shape["conversation_flow_component_id"], shape["linked_conversation_flow_ids"]) == ("c1", ["flow_1"])


def test_a_shared_component_becomes_a_flows_own() -> None:
    pay = shared("pay")
    inner = component("outer", component_node("in", "pay", "shared", None))
    one = made(flow(component_node("a", "pay", "shared", "b"), component_node("b", "outer", "local", "a")))
    one = changed(one, components=[inner])
    assert shared_ids(one) == {"pay"}
    check_flow(one, {"pay": pay})
    after = as_local(one, pay)
    assert shared_ids(after) == set()
    check_flow(after, {})
    assert [part.component_id for part in after.components or ()] == ["outer", "pay"]
    assert (after.components or [])[-1].nodes == pay.nodes
    assert as_local(made(flow(component_node("a", "pay", "shared", "a"))), pay).components is not None
