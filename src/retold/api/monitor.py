"""`WS /v2/monitor-call/{call_id}`: the transcript of a call while it is going on.

Close codes, as the official client heeds them: 1000 `call_ended`; 4004 not connected yet, ask again; 4401, 4403, 4422
and 4429 are the HTTP statuses of a refusal.
"""

from contextlib import aclosing
from typing import Annotated

import anyio
import orjson
import structlog
from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect

from retold.api.auth import require_key_of_socket
from retold.api.calls import MAX_ID_CHARS
from retold.api.context import context_of
from retold.calls.watch import Frame, ended_frame, frames
from retold.errors import StorageError
from retold.ids import CallId, OrgId

router = APIRouter()
log = structlog.stdlib.get_logger()

ENDED = 1000
TRY_LATER = 1013
NOT_LIVE_YET = 4004
UNKNOWN = 4422
SEND_TIMEOUT_S = 4.0
"""A watcher that does not take one frame for so long is sent away, before it misses a ping and is cut off unheard."""


@router.websocket("/v2/monitor-call/{call_id}")
async def monitor(websocket: WebSocket, call_id: str, org: Annotated[OrgId, Depends(require_key_of_socket)]) -> None:
    """Show one watcher the transcript until the call ends or the watcher leaves."""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, websocket, tasks.cancel_scope)
            code, reason = await _show(websocket, org, call_id)
            await websocket.close(code, reason)
            tasks.cancel_scope.cancel()
    except* (WebSocketDisconnect, OSError, RuntimeError):
        pass  # the watcher is gone, whoever noticed first


async def _until_gone(websocket: WebSocket, scope: anyio.CancelScope) -> None:
    """Drop what a watcher says; end with it."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


async def _show(websocket: WebSocket, org: OrgId, call_id: str) -> tuple[int, str]:
    """Send all frames; gives the code and reason to close with."""
    deps = context_of(websocket).deps
    live = deps.live.find(call_id)
    try:
        if live is not None and live.record.org_id == org and live.course is not None:
            async with aclosing(frames(live)) as shown:
                async for frame in shown:
                    await _send(websocket, frame)
            return ENDED, "call_ended"
        record = await deps.store.find_call(org, CallId(call_id)) if len(call_id) <= MAX_ID_CHARS else None
        if record is None:
            return UNKNOWN, "Cannot find requested asset under given api key"
        if not record.call.call_status.is_terminal:
            return NOT_LIVE_YET, "the call is not connected yet"
        await _send(websocket, ended_frame(record.call.disconnection_reason, record.call.end_timestamp))
    except TimeoutError:
        log.warning("watcher_too_slow", call_id=call_id)
        return TRY_LATER, "too slow"
    except StorageError:
        return TRY_LATER, "the server cannot reach its storage"
    return ENDED, "call_ended"


async def _send(websocket: WebSocket, frame: Frame) -> None:
    with anyio.fail_after(SEND_TIMEOUT_S):
        await websocket.send_text(orjson.dumps(frame).decode())
