"""The voice resource: get and list, with a preview to listen to. There is no voice market here to add to."""

import difflib
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, Response

from retold.api.auth import Org, open_to_all
from retold.api.body import JsonRoute
from retold.api.context import base_url, context_of
from retold.calls.preview import preview_file
from retold.domain.version_reference import unknown
from retold.domain.voice import Voice, all_voices, find_voice, our_voice
from retold.errors import InvalidRequest, NoSuchFile

router = APIRouter(tags=["voice"], route_class=JsonRoute)

_MAX_ID_CHARS = 200


@router.get("/get-voice/{voice_id}")
async def retrieve(request: Request, org: Org, voice_id: str) -> dict[str, Any]:
    """Get a voice: one of ours, or a vendor's id that the setting `voice_map` knows."""
    _ = org
    deps = context_of(request).deps
    voice = find_voice(voice_id[:_MAX_ID_CHARS], deps.voices.voice_ids, deps.settings.voice_map)
    if voice is None:
        known = [*deps.voices.voice_ids, *deps.settings.voice_map]
        near = difflib.get_close_matches(voice_id[:_MAX_ID_CHARS], known, n=1)
        raise unknown("voice", voice_id, field="voice_id", lists="GET /list-voices", near=near[0] if near else None)
    return _with_preview(request, voice)


@router.get("/list-voices")
async def list_all(request: Request, org: Org) -> list[dict[str, Any]]:
    """List all voices, the default one first."""
    _ = org
    deps = context_of(request).deps
    return [_with_preview(request, voice) for voice in all_voices(deps.voices.voice_ids, deps.settings.voice_map)]


@router.get("/voice-previews/{name}", response_class=Response, dependencies=[Depends(open_to_all)])
async def preview(request: Request, name: str) -> Response:
    """Listen to a voice of this server; `preview_audio_url` of a voice leads here."""
    deps = context_of(request).deps
    voice = find_voice(name.removesuffix(".wav"), deps.voices.voice_ids, {})
    if voice is None or not name.endswith(".wav"):
        raise NoSuchFile("there is no such preview", fix="GET /list-voices shows which exist")
    return FileResponse(await preview_file(deps, voice), media_type="audio/wav")


@router.post("/clone-voice")
async def clone(org: Org) -> dict[str, Any]:
    """Refuse: voices are not cloned here."""
    _ = org
    raise _no_market("voices cannot be cloned here")


@router.post("/add-community-voice")
async def add(org: Org) -> dict[str, Any]:
    """Refuse: there are no community voices here."""
    _ = org
    raise _no_market("there are no community voices here")


@router.post("/search-community-voice")
async def search(org: Org) -> dict[str, Any]:
    """Refuse: there are no community voices here."""
    _ = org
    raise _no_market("there are no community voices here")


def _no_market(message: str) -> InvalidRequest:
    return InvalidRequest(
        message, fix="GET /list-voices shows which exist; RETOLD_VOICE_MAP lets one of them speak for another id"
    )


def _with_preview(request: Request, voice: Voice) -> dict[str, Any]:
    deps = context_of(request).deps
    spoken_by = our_voice(voice.voice_id, deps.voices.voice_ids, deps.settings.voice_map)
    url = f"{base_url(request)}/voice-previews/{spoken_by}.wav"
    return voice.model_copy(update={"preview_audio_url": url}).wire()
