"""What create-retell-llm and update-retell-llm take, and what must fit together in the LLM that becomes of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retold.domain.llm import Llm, LlmSettings, State
from retold.domain.llm_models import DEPRECATED, ModelSettings, deprecated_fields, merged_models
from retold.domain.llm_tools import NamedTool
from retold.errors import InvalidRequest

_ONLY_AT_CREATION = {"is_transfer_llm"}


class LlmRequest(LlmSettings):
    """The fields of a Retell LLM that a client may set."""

    def sent(self) -> dict[str, Any]:
        """What the client really named, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


def create_llm(request: LlmRequest, llm_id: str, now_ms: int) -> Llm:
    """Version 0 of a Retell LLM. Raises InvalidRequest when its parts do not fit together."""
    return _llm({"llm_id": llm_id, "last_modification_timestamp": now_ms}, ModelSettings(), request.sent())


def change_llm(llm: Llm, request: LlmRequest, now_ms: int) -> Llm:
    """The same version with the sent fields changed; null clears. Raises InvalidRequest as `create_llm` does."""
    fields = llm.model_dump(mode="json", exclude_none=True, by_alias=True)
    fields["last_modification_timestamp"] = max(now_ms, llm.last_modification_timestamp)
    sent = {name: value for name, value in request.sent().items() if name not in _ONLY_AT_CREATION}
    return _llm(fields, llm.models, sent)


def new_llm_draft(base: Llm, version: int, now_ms: int) -> Llm:
    """A version that begins as a copy of another and may be changed."""
    return base.model_copy(update={"version": version, "is_published": False, "last_modification_timestamp": now_ms})


def _llm(before: Mapping[str, Any], models: ModelSettings, sent: Mapping[str, Any]) -> Llm:
    settings = merged_models(models, sent)
    fields = {**before, **sent}
    for name in DEPRECATED:
        fields.pop(name, None)
    fields |= deprecated_fields(settings) | {"model_config": settings.model_dump(mode="json")}
    llm = Llm.model_validate({name: value for name, value in fields.items() if value is not None})
    _check_states(llm.states or [], llm.starting_state)
    _check_tool_names(llm)
    return llm


def _check_states(states: Sequence[State], starting_state: str | None) -> None:
    names = [state.name for state in states]
    _check_unique("states", names)
    if states and starting_state is None:
        raise InvalidRequest(
            "starting_state is required with states", field="starting_state", fix=f"use one of {_listed(names)}"
        )
    if starting_state is not None and starting_state not in names:
        raise InvalidRequest(
            f"starting_state {starting_state!r} is not one of the states",
            field="starting_state",
            fix=f"use one of {_listed(names)}" if names else "send the states too",
        )
    for number, state in enumerate(states):
        for edge_number, edge in enumerate(state.edges or []):
            if edge.destination_state_name not in names:
                raise InvalidRequest(
                    f"the edge of state {state.name!r} leads to {edge.destination_state_name!r}, which is no state",
                    field=f"states[{number}].edges[{edge_number}].destination_state_name",
                    fix=f"use one of {_listed(names)}",
                )


def _check_tool_names(llm: Llm) -> None:
    """The model sees the general tools and those of the state it is in: among these a name means one tool."""
    general = _names(llm.general_tools)
    _check_unique("general_tools", general)
    for number, state in enumerate(llm.states or []):
        _check_unique(f"states[{number}].tools", [*general, *_names(state.tools)])


def _check_unique(field: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidRequest(f"{field} has the name {twice[0]!r} twice", field=field, fix="give each its own name")


def _names(tools: Sequence[NamedTool] | None) -> list[str]:
    return [tool.name for tool in tools or []]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10])
