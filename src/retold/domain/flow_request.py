"""What create- and update-conversation-flow take, and the same of shared components."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from retold.domain.agent_options import ShortText
from retold.domain.flow import Component, ComponentSettings, Flow, FlowOptions, Graph, SharedComponent
from retold.domain.flow_nodes import ComponentNode, ModelChoice, Node
from retold.domain.llm_models import ModelSettings, deprecated_fields, merged_models

G = TypeVar("G", bound=Graph)

_ONLY_AT_CREATION = frozenset({"is_transfer_cf"})
_DEPRECATED = ("model_choice", "model_temperature", "backup_model")


class NewFlow(Graph, FlowOptions):
    """The fields of a flow that a client may set."""


class FlowChanges(NewFlow):
    """The same, all optional."""

    nodes: list[Node] = Field(default=[])


class NewComponent(ComponentSettings):
    """The fields of a shared component that a client may set."""


class ComponentChanges(NewComponent):
    """The same, all optional."""

    name: ShortText = ""
    nodes: list[Node] = Field(default=[])


def create_flow(request: NewFlow, flow_id: str, now_ms: int) -> Flow:
    """Version 0 of a flow, not checked yet. Raises InvalidRequest when its models do not fit together."""
    return _flow({"conversation_flow_id": flow_id, "last_modification_timestamp": now_ms}, ModelSettings(), request)


def change_flow(flow: Flow, request: FlowChanges, now_ms: int) -> Flow:
    """The same version with the sent fields changed; null clears. Raises InvalidRequest as `create_flow` does."""
    fields = flow.model_dump(mode="json", exclude_none=True, by_alias=True)
    fields["last_modification_timestamp"] = max(now_ms, flow.last_modification_timestamp)
    return _flow(fields, flow.models, request)


def new_flow_draft(base: Flow, version: int, now_ms: int) -> Flow:
    """A version that begins as a copy of another and may be changed."""
    return base.model_copy(update={"version": version, "is_published": False, "last_modification_timestamp": now_ms})


def create_component(request: NewComponent, component_id: str, now_ms: int) -> SharedComponent:
    """A shared component, not checked yet."""
    fields = _sent(request) | {"conversation_flow_component_id": component_id, "user_modified_timestamp": now_ms}
    return SharedComponent.model_validate(_named(fields))


def change_component(component: SharedComponent, request: ComponentChanges, now_ms: int) -> SharedComponent:
    """The component with the sent fields changed, not checked yet; null clears."""
    fields = component.model_dump(mode="json", exclude_none=True, by_alias=True) | _sent(request)
    fields |= {
        "conversation_flow_component_id": component.conversation_flow_component_id,
        "user_modified_timestamp": max(now_ms, component.user_modified_timestamp),
    }
    return SharedComponent.model_validate(_named(fields))


def as_local(flow: Flow, component: SharedComponent) -> Flow:
    """The flow with a copy of this shared component of its own, and its nodes naming that."""
    copy = Component.model_validate_json(component.stored())
    components = [_with_local(one, component.component_id) for one in flow.components or ()]
    changed = _with_local(flow, component.component_id)
    return changed.model_copy(update={"components": [*components, copy]})


def _flow(before: Mapping[str, Any], models: ModelSettings, request: NewFlow) -> Flow:
    sent = _sent(request)
    settings = _models(models, sent)
    only_at_creation = _ONLY_AT_CREATION if "nodes" in before else frozenset[str]()
    fields = {**before, **{name: value for name, value in sent.items() if name not in only_at_creation}}
    for name in _DEPRECATED:
        fields.pop(name, None)
    fields |= _deprecated_fields(settings) | {"model_config": settings.model_dump(mode="json")}
    return Flow.model_validate(_named(fields))


def _sent(request: BaseModel) -> dict[str, Any]:
    """What the client really named, JSON-ready."""
    return request.model_dump(mode="json", exclude_unset=True, by_alias=True)


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _models(stored: ModelSettings, sent: Mapping[str, Any]) -> ModelSettings:
    """The models after a request; what it names in both spellings counts as `model_config` says.

    A client that sends a fetched flow back after changing a deprecated field means that field. Raises InvalidRequest.
    """
    before, config = stored.model_dump(mode="json"), sent.get("model_config") or {}
    if before != before | config:
        return merged_models(stored, {"model_config": config})
    shown = _deprecated_fields(stored)
    changed = {name: sent[name] for name in _DEPRECATED if name in sent and sent[name] != shown.get(name)}
    if choice := changed.pop("model_choice", None):
        chosen = ModelChoice.model_validate(choice)
        patch = {"type": chosen.type, "primary": chosen.primary.model_dump(mode="json")}
        stored = merged_models(stored, {"model_config": patch})
    return merged_models(stored, changed)


def _deprecated_fields(settings: ModelSettings) -> dict[str, Any]:
    """The models in the deprecated spelling of flows; what they do not say is left out."""
    of_llm = deprecated_fields(settings)
    fields = {name: of_llm[name] for name in ("model_temperature", "backup_model") if name in of_llm}
    if settings.primary:
        fields["model_choice"] = {
            "type": settings.type,
            "model": settings.primary.model,
            "high_priority": of_llm["model_high_priority"],
            "ultrafast": of_llm["model_ultrafast"],
        }
    return fields


def _with_local(graph: G, component_id: str) -> G:
    nodes = [
        node.model_copy(update={"component_type": "local"})
        if isinstance(node, ComponentNode) and (node.component_type, node.component_id) == ("shared", component_id)
        else node
        for node in graph.nodes
    ]
    return graph.model_copy(update={"nodes": nodes})
