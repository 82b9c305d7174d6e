"""Making calls: what is checked before one exists, and the row that no crash can lose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from retold.calls.deps import Deps
from retold.domain.agent import Agent
from retold.domain.call import Call, CallAudio, CallRecord
from retold.errors import InvalidRequest, StorageError, Unavailable
from retold.ids import OrgId, new_access_token, new_call_id, new_path_token
from retold.ports import Voices
from retold.storage.disk import StorageHealth

MAX_METADATA_BYTES = 50_000
"""As JSON; Retell's limit of 50 kB."""


@dataclass(frozen=True, slots=True)
class CallDetails:
    """What a v1 register-call may say of a call."""

    metadata: Mapping[str, Any] | None = None
    dynamic_variables: Mapping[str, Any] | None = None
    from_number: str | None = None
    to_number: str | None = None
    end_call_after_silence_ms: int | None = None


async def create_web_call(
    deps: Deps,
    org_id: OrgId,
    agent: Agent,
    *,
    metadata: Mapping[str, Any] | None = None,
    dynamic_variables: Mapping[str, Any] | None = None,
) -> CallRecord:
    """Create a call to be joined within the join timeout (v2 and v3); when this returns, no crash can lose it.

    Raises InvalidRequest, and Unavailable while draining or without disk space.
    """
    details = CallDetails(metadata, dynamic_variables)
    call = _call(agent, details).model_copy(update={"access_token": new_access_token()})
    return await _create(deps, org_id, agent, _record(deps, org_id, call, join_ms=deps.settings.join_timeout_ms))


async def register_call(
    deps: Deps, org_id: OrgId, agent: Agent, audio: CallAudio, details: CallDetails | None = None
) -> CallRecord:
    """Register a call as v1 does; it may be joined within five minutes by default. Raises as `create_web_call` does."""
    details = details or CallDetails()
    call = _call(agent, details)
    record = _record(deps, org_id, call, join_ms=deps.settings.registered_timeout_ms).model_copy(
        update={
            "audio": audio,
            "is_registered_phone_call": True,
            "end_call_after_silence_ms": details.end_call_after_silence_ms,
        }
    )
    return await _create(deps, org_id, agent, record)


async def _create(deps: Deps, org_id: OrgId, agent: Agent, record: CallRecord) -> CallRecord:
    _ = org_id
    _check_room(deps)
    _check_language(agent, deps.voices)
    _check_metadata(record.call)
    try:
        await deps.store.create_call(record)
    except StorageError as error:
        raise Unavailable("the server cannot keep calls at the moment", fix="try again later") from error
    deps.live.expect(record)
    return record


def _call(agent: Agent, details: CallDetails) -> Call:
    return Call(
        call_id=new_call_id(),
        agent_id=agent.agent_id,
        agent_version=agent.version,
        agent_name=agent.agent_name,
        metadata=None if details.metadata is None else dict(details.metadata),
        retell_llm_dynamic_variables=None if details.dynamic_variables is None else dict(details.dynamic_variables),
        from_number=details.from_number,
        to_number=details.to_number,
        data_storage_setting=agent.data_storage_setting,
        opt_out_sensitive_data_storage=bool(agent.opt_out_sensitive_data_storage),
    )


def _record(deps: Deps, org_id: OrgId, call: Call, *, join_ms: int) -> CallRecord:
    created_wall_ms = deps.clock.wall_ms()
    return CallRecord(
        call=call,
        org_id=org_id,
        created_wall_ms=created_wall_ms,
        join_deadline_wall_ms=created_wall_ms + join_ms,
        files_token=new_path_token(),
    )


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


def _check_metadata(call: Call) -> None:
    size = len(orjson.dumps(call.metadata))
    if size > MAX_METADATA_BYTES:
        raise InvalidRequest(
            f"metadata has {size} bytes as JSON, over the limit of {MAX_METADATA_BYTES}",
            field="metadata",
            fix="keep an id here and the rest with you",
        )
