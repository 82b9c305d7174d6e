"""Recordings and logs of calls, behind a path that cannot be guessed; single byte ranges as RFC 9110 section 14."""

import gzip
import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from retold.api.auth import unguessable_address
from retold.api.context import context_of
from retold.api.rate_limits import address_of
from retold.calls.deps import Deps
from retold.errors import Forbidden, NoSuchFile
from retold.ids import SIGNED_MARK
from retold.storage.files import FileOwner
from retold.storage.unstored_recording import UnstoredRecording

router = APIRouter(tags=["files"], dependencies=[Depends(unguessable_address)])

_ONE_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)
_TOKEN: Final = re.compile(rf"[{SIGNED_MARK}0-9a-f][0-9a-f]{{31}}")
_MEDIA_TYPES: Final = {
    "recording.wav": "audio/wav",
    "recording_multi_channel.wav": "audio/wav",
    "scrubbed_recording.wav": "audio/wav",
    "scrubbed_recording_multi_channel.wav": "audio/wav",
    "public_log.txt": "text/plain; charset=utf-8",
}
_CONTENT: Final[dict[str, Any]] = {kind.partition(";")[0]: {} for kind in _MEDIA_TYPES.values()}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole file", "content": _CONTENT},
    403: {"description": "The address is not signed, was changed, or is over: read the call again"},
    206: {"description": "The part that was asked for", "content": _CONTENT},
    416: {"description": "The file is shorter"},
}
# The path is the secret, so nobody may keep it or pass it on; whether a file is still there is asked again each time.
_HEADERS: Final = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


@router.head("/files/{token}/{name}", response_class=Response, include_in_schema=False)
@router.get("/files/{token}/{name}", response_class=Response, responses=_RESPONSES)
async def get_file(request: Request, token: str, name: str) -> Response:
    """Fetch a recording or the log of a call; the whole address comes with the call object."""
    if name not in _MEDIA_TYPES or not _TOKEN.fullmatch(token):
        raise _missing()
    deps = context_of(request).deps
    if token.startswith(SIGNED_MARK):
        _check_signature(request, deps, f"/files/{token}/{name}")
    folder = deps.settings.data_dir / "files" / token
    path = anyio.Path(folder / name)
    if request.method == "GET" and await anyio.Path(folder).is_dir():
        # Before anything of it is sent, and before it is known to be there: who asks for what is gone asks in vain.
        await deps.store.audit_log.note_reading(token, name, address_of(request))
    if await path.is_file():
        wanted = _range(request, (await path.stat()).st_size)
        response = FileResponse(path, media_type=_MEDIA_TYPES[name], headers=_HEADERS)
        return response if wanted else _Whole(response)
    try:
        packed = await anyio.Path(folder / f"{name}.gz").read_bytes()
    except FileNotFoundError:
        recording = deps.archive.unstored.recording(token)
        if recording is not None and request.method == "GET":
            await deps.store.audit_log.note_reading(token, name, address_of(request), partial(_owner, deps))
        return _unstored(request, recording, name)
    return _text(request, await anyio.to_thread.run_sync(gzip.decompress, packed), _MEDIA_TYPES[name])


def _owner(deps: Deps, token: str) -> FileOwner | None:
    """Whose a recording is that is not stored."""
    record = deps.archive.unstored.under(token)
    return None if record is None else FileOwner(record.org_id, record.call.call_id)


def _check_signature(request: Request, deps: Deps, path: str) -> None:
    if not deps.store.url_signer.is_good(path, request.query_params, deps.clock.wall_ms()):
        raise Forbidden(
            "Forbidden: this address is not signed, was changed, or its time is over",
            fix="read the call again: each answer has a fresh address",
        )


def _unstored(request: Request, recording: UnstoredRecording | None, name: str) -> Response:
    """The recording of a call that may not be stored, made while it is sent. Raises NoSuchFile."""
    size = recording.size(name) if recording is not None else 0
    if recording is None or size == 0:
        raise _missing()
    wanted = _range(request, size)
    part = wanted or range(size)
    headers = {**_HEADERS, "Accept-Ranges": "bytes", "Content-Length": str(len(part))}
    if wanted:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    status, media_type = (206 if wanted else 200), _MEDIA_TYPES[name]
    if request.method == "HEAD":
        return Response(b"", status, headers, media_type)
    return StreamingResponse(_pieces(recording, name, part), status, headers, media_type)


async def _pieces(recording: UnstoredRecording, name: str, part: range) -> AsyncGenerator[bytes]:
    """These bytes of a recording; an OSError, when it ends meanwhile, cuts the answer off."""
    start = part.start
    while start < part.stop:
        piece = await anyio.to_thread.run_sync(recording.part, name, start)
        yield piece[: part.stop - start]
        start += len(piece)


class _Whole(Response):
    """A file response that does not look at the Range header: one that is malformed or names many ranges is ignored."""

    def __init__(self, inner: FileResponse) -> None:
        super().__init__()
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await self._inner({**scope, "headers": headers}, receive, send)


def _text(request: Request, content: bytes, media_type: str) -> Response:
    """Content that is kept compressed, as the client would see it were it not."""
    wanted = _range(request, len(content))
    headers = {**_HEADERS, "Accept-Ranges": "bytes"}
    status = 200
    part = content
    if wanted:
        status = 206
        part = content[wanted.start : wanted.stop]
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(content)}"
    headers["Content-Length"] = str(len(part))
    return Response(b"" if request.method == "HEAD" else part, status, headers, media_type)


def _range(request: Request, size: int) -> range | None:
    """The one byte range asked for; None for the whole file. Raises NotSatisfiable for one beyond the end."""
    asked = _ONE_RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or asked.group(1) == asked.group(2) == "":
        return None
    first, last = asked.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    if last and first and int(last) < int(first):
        return None
    if start >= size:
        raise HTTPException(416, f"the file has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return range(start, stop)


def _missing() -> NoSuchFile:
    return NoSuchFile("no such file", fix="take the address from the call object; calls without storage have no files")
