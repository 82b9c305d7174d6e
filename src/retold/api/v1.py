"""The endpoints before July 2024 (SDK 3.9): register-call, create-phone-call and get-call in the v1 shape."""

from typing import Any, Literal

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.calls import find_call_json
from retold.api.context import context_of
from retold.api.json_response import JsonBlocks
from retold.api.phone_calls import make_phone_call
from retold.calls.create import CallDetails, register_call
from retold.domain.agent_options import RequestModel
from retold.domain.call import CallAudio, CallRecord
from retold.domain.call_request import Metadata, PhoneCallRequest, Variables
from retold.errors import InvalidRequest
from retold.storage.call_json import CallJson

router = APIRouter(tags=["call (v1)"], route_class=JsonRoute)

MULAW_RATE_HZ = 8_000


class RegisterCallRequest(RequestModel):
    """What v1 register-call takes."""

    agent_id: str = Field(min_length=1, max_length=200)
    audio_websocket_protocol: Literal["web", "twilio"]
    audio_encoding: Literal["s16le", "mulaw"]
    sample_rate: int = Field(ge=8_000, le=48_000)
    end_call_after_silence_ms: int | None = Field(default=None, ge=10_000)
    from_number: str | None = Field(default=None, max_length=100)
    to_number: str | None = Field(default=None, max_length=100)
    metadata: Metadata | None = None
    retell_llm_dynamic_variables: Variables | None = None


@router.post("/register-call", status_code=status.HTTP_201_CREATED)
async def register(
    request: Request, response: Response, org: Org, body: RegisterCallRequest, sent: Sent
) -> dict[str, Any]:
    """Register a call for the audio websocket; the encoding and rate are those of both directions."""
    context = context_of(request)
    _check_audio(body)
    found = await context.deps.store.agents.resolve(org, body.agent_id, None)
    record = await register_call(
        context.deps,
        org,
        found.agent,
        CallAudio(encoding=body.audio_encoding, sample_rate=body.sample_rate, protocol=body.audio_websocket_protocol),
        CallDetails(
            agent_tag=found.tag,
            tag_variables=found.dynamic_variables,
            metadata=body.metadata,
            dynamic_variables=body.retell_llm_dynamic_variables,
            from_number=body.from_number,
            to_number=body.to_number,
            end_call_after_silence_ms=body.end_call_after_silence_ms,
        ),
    )
    warn_of_ignored(response, sent, body)
    return _v1_call(record)


@router.post("/create-phone-call", status_code=status.HTTP_201_CREATED)
async def create_phone_call(
    request: Request, response: Response, org: Org, body: PhoneCallRequest, sent: Sent
) -> dict[str, Any]:
    """Create an outbound call."""
    record = await make_phone_call(request, response, org, body)
    warn_of_ignored(response, sent, body)
    return _v1_call(record)


@router.get("/get-call/{call_id}", response_model=dict[str, Any])
async def retrieve(request: Request, org: Org, call_id: str) -> Response:
    """Get a call in the v1 shape."""
    return JsonBlocks([v1_text(await find_call_json(request, org, call_id))])


def v1_text(found: CallJson) -> bytes:
    """A call in the v1 shape."""
    audio = CallAudio.model_validate(found.rest["audio"])
    further = orjson.dumps(_v1_fields(audio, found.rest.get("end_call_after_silence_ms")))
    return found.text.removesuffix(b"}") + b"," + further.removeprefix(b"{")


def _check_audio(body: RegisterCallRequest) -> None:
    if body.audio_websocket_protocol == "twilio":
        raise InvalidRequest(
            'audio_websocket_protocol "twilio" is not served by this server',
            field="audio_websocket_protocol",
            fix="use web",
        )
    if body.audio_encoding == "mulaw" and body.sample_rate != MULAW_RATE_HZ:
        raise InvalidRequest(
            f"sample_rate must be {MULAW_RATE_HZ} with mulaw, got {body.sample_rate}",
            field="sample_rate",
            fix=f"use {MULAW_RATE_HZ}, or s16le",
        )


def _v1_call(record: CallRecord) -> dict[str, Any]:
    return {**record.call.wire(), **_v1_fields(record.audio, record.end_call_after_silence_ms)}


def _v1_fields(audio: CallAudio, silence_ms: int | None) -> dict[str, Any]:
    """What a v1 call says beside the call of today."""
    fields = {
        "audio_websocket_protocol": audio.protocol,
        "audio_encoding": audio.encoding,
        "sample_rate": audio.sample_rate,
        "end_call_after_silence_ms": silence_ms,
    }
    return {name: value for name, value in fields.items() if value is not None}
