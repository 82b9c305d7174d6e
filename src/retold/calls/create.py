"""Making calls: what is checked before one exists, and the row that no crash can lose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from retold.calls.deps import Deps
from retold.domain.agent import Agent, ResolvedAgent
from retold.domain.call import Call, CallAudio, CallRecord
from retold.domain.call_request import AgentOverride, CallRequest
from retold.domain.pii.categories import CATEGORIES, PiiCategory
from retold.errors import InvalidRequest, StorageError, Unavailable
from retold.ids import CallId, OrgId, new_access_token, new_call_id, new_path_token
from retold.ports import Voices
from retold.storage.disk import StorageHealth

MAX_METADATA_BYTES = 50_000
"""As JSON; Retell's limit of 50 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetails:
    """What a request may say of a call, beside its agent."""

    call_id: CallId | None = None
    """What the call is called already, as one that rings; None for a fresh id."""
    metadata: Mapping[str, Any] | None = None
    dynamic_variables: Mapping[str, Any] | None = None
    agent_tag: str | None = None
    tag_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the agent's tag brings along; the request's own variables go before them."""
    agent_override: AgentOverride | None = None
    current_node_id: str | None = None
    current_state: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    direction: Literal["inbound", "outbound"] | None = None
    custom_sip_headers: Mapping[str, str] | None = None
    end_call_after_silence_ms: int | None = None


NO_DETAILS = CallDetails()


def details_of(found: ResolvedAgent, asked: CallRequest) -> CallDetails:
    """What every way of making a call says of it, and what the agent's tag adds."""
    return CallDetails(
        agent_tag=found.tag,
        tag_variables=found.dynamic_variables,
        metadata=asked.metadata,
        dynamic_variables=asked.retell_llm_dynamic_variables,
        agent_override=asked.agent_override,
    )


async def create_web_call(deps: Deps, org_id: OrgId, agent: Agent, details: CallDetails = NO_DETAILS) -> CallRecord:
    """Create a call to be joined within the join timeout (v2 and v3); when this returns, no crash can lose it.

    Raises InvalidRequest, and Unavailable while draining or without disk space.
    """
    record = _record(deps, org_id, agent, details, join_ms=deps.settings.join_timeout_ms)
    return await _keep(deps, record)


async def register_call(
    deps: Deps, org_id: OrgId, agent: Agent, audio: CallAudio, details: CallDetails = NO_DETAILS
) -> CallRecord:
    """Register a call as v1 does; it may be joined within five minutes by default. Raises as `create_web_call` does."""
    record = _record(deps, org_id, agent, details, join_ms=deps.settings.registered_timeout_ms)
    return await _keep(deps, record.model_copy(update={"audio": audio, "is_registered_phone_call": True}))


async def register_phone_call(deps: Deps, org_id: OrgId, agent: Agent, details: CallDetails = NO_DETAILS) -> CallRecord:
    """Register a call that somebody else's telephony brings here. Raises as `create_web_call` does."""
    record = _record(deps, org_id, agent, details, join_ms=deps.settings.registered_timeout_ms)
    record = _as_phone_call(record, direction=details.direction or "inbound")
    return await _keep(deps, record.model_copy(update={"is_registered_phone_call": True}))


async def create_phone_call(deps: Deps, org_id: OrgId, agent: Agent, details: CallDetails) -> CallRecord:
    """Create an outbound call.

    There is no telephony here: the call is due at once, and the watcher of the join deadlines, after a crash too, ends
    it as not_connected. Raises as `create_web_call` does.
    """
    record = _as_phone_call(_record(deps, org_id, agent, details, join_ms=0), direction="outbound")
    return await _keep(deps, record.model_copy(update={"is_dialled_by_us": True}))


async def _keep(deps: Deps, record: CallRecord) -> CallRecord:
    _check_room(deps)
    try:
        await deps.store.create_call(record)
    except StorageError as error:
        raise Unavailable("the server cannot keep calls at the moment", fix="try again later") from error
    deps.live.expect(record)
    return record


def _record(deps: Deps, org_id: OrgId, agent: Agent, details: CallDetails, *, join_ms: int) -> CallRecord:
    """A web call as the request describes it. Raises InvalidRequest."""
    override = details.agent_override
    agent = override.applied_to(agent) if override else agent
    _check_language(agent, deps.voices)
    check_metadata(details.metadata)
    created_wall_ms = deps.clock.wall_ms()
    return CallRecord(
        call=_call(agent, details),
        org_id=org_id,
        created_wall_ms=created_wall_ms,
        join_deadline_wall_ms=created_wall_ms + join_ms,
        pii_categories=_pii_categories(agent),
        files_token=new_path_token(is_signed=agent.opt_in_signed_url),
        signed_url_expiration_ms=agent.signed_url_expiration_ms if agent.opt_in_signed_url else None,
        data_storage_retention_days=agent.data_storage_retention_days,
        end_call_after_silence_ms=details.end_call_after_silence_ms,
        agent_override_json=override.stored() if override else None,
        current_node_id=details.current_node_id,
        current_state=details.current_state,
    )


def _call(agent: Agent, details: CallDetails) -> Call:
    variables = {**details.tag_variables, **(details.dynamic_variables or {})}
    return Call(
        call_id=details.call_id or new_call_id(),
        agent_id=agent.agent_id,
        agent_version=agent.version,
        agent_name=agent.agent_name,
        agent_tag=details.agent_tag,
        access_token=new_access_token(),
        metadata=None if details.metadata is None else dict(details.metadata),
        retell_llm_dynamic_variables=variables or (None if details.dynamic_variables is None else {}),
        custom_sip_headers=None if details.custom_sip_headers is None else dict(details.custom_sip_headers),
        from_number=details.from_number,
        to_number=details.to_number,
        data_storage_setting=agent.data_storage_setting,
        opt_in_signed_url=agent.opt_in_signed_url,
        opt_out_sensitive_data_storage=bool(agent.opt_out_sensitive_data_storage),
    )


def _pii_categories(agent: Agent) -> tuple[PiiCategory, ...] | None:
    """In the order of the API, each once; None when nothing is to be scrubbed."""
    wanted = agent.pii_config.categories if agent.pii_config else []
    return tuple(category for category in CATEGORIES if category in wanted) or None


def _as_phone_call(record: CallRecord, *, direction: Literal["inbound", "outbound"]) -> CallRecord:
    call = record.call.model_copy(
        update={
            "call_type": "phone_call",
            "access_token": None,
            "direction": direction,
            # The SDK's phone call has both; one that nobody named is empty.
            "from_number": record.call.from_number or "",
            "to_number": record.call.to_number or "",
        }
    )
    return record.model_copy(update={"call": call})


def _check_room(deps: Deps) -> None:
    if deps.live.is_draining:
        raise Unavailable("the server is draining and takes no more calls", fix="try again later or elsewhere")
    if deps.store.health is not StorageHealth.OK:
        raise Unavailable(f"the server's storage is {deps.store.health}; it takes no more calls", fix="try again later")


def _check_language(agent: Agent, voices: Voices) -> None:
    languages = [agent.language] if isinstance(agent.language, str) else agent.language
    deaf_to = [one for one in languages if one.partition("-")[0].lower() not in voices.languages]
    if deaf_to:
        heard = ", ".join(sorted(voices.languages))
        raise InvalidRequest(
            f"agent {agent.agent_id} has the language {', '.join(deaf_to)}, but this server hears only: {heard}",
            field="agent_id",
            fix="update the agent's language, or install a recognition model that hears it",
        )


def check_metadata(metadata: Mapping[str, Any] | None) -> None:
    """Raise InvalidRequest for metadata over the limit."""
    size = len(orjson.dumps(metadata))
    if size > MAX_METADATA_BYTES:
        raise InvalidRequest(
            f"metadata has {size} bytes as JSON, over the limit of {MAX_METADATA_BYTES}",
            field="metadata",
            fix="keep an id here and the rest with you",
        )
