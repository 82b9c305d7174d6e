"""`WS /audio-websocket/{call_id}`: joins a call; the call id is the credential."""

import contextlib

import structlog
from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect

from retold.api.auth import unguessable_address
from retold.api.context import ApiContext, context_of
from retold.calls.run import run_call
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus
from retold.errors import Conflict, StorageError, Unavailable
from retold.ids import CallId
from retold.transports.websocket import DIRECT, WebSocketOptions, WebSocketTransport

router = APIRouter(dependencies=[Depends(unguessable_address)])
log = structlog.stdlib.get_logger()

REFUSED = 1008
"""RFC 6455 section 7.4.1: the endpoint's policy forbids it; the reason says which."""
TRY_LATER = 1013
"""IANA's registry of close codes: the server cannot take it at the moment."""
_MAX_ID_CHARS = 100


@router.websocket("/audio-websocket/{call_id}")
async def audio_websocket(websocket: WebSocket, call_id: str) -> None:
    """Carry one call; a socket that comes back after a cut goes on with it. Refusals are a close code and a reason."""
    context = context_of(websocket)
    await websocket.accept()
    try:
        record = await context.deps.store.find_call(None, CallId(call_id)) if len(call_id) <= _MAX_ID_CHARS else None
    except StorageError:
        await websocket.close(TRY_LATER, "the server cannot reach its storage")
        return
    if record is None:
        await websocket.close(REFUSED, "there is no call with this id")
        return
    # A call whose record says that it is over may not have left the registry yet.
    transport = None if record.call.call_status.is_terminal else _running_transport(context, call_id)
    if transport is None and record.call.call_status is not CallStatus.REGISTERED:
        await websocket.close(REFUSED, "the call is over")
        return
    if transport is None and record.is_dialled_by_us:
        await websocket.close(REFUSED, "the server dials this call itself; nobody can join it")
        return
    if transport is None and context.deps.live.is_draining:
        await websocket.close(TRY_LATER, "the server is draining and takes no more calls")
        return
    if transport is None:
        transport = _join(context, record, websocket)
    await transport.serve(websocket, websocket.scope.get("extensions", {}).get(DIRECT))


def _running_transport(context: ApiContext, call_id: str) -> WebSocketTransport | None:
    live = context.deps.live.find(call_id)
    return live.transport if live is not None and isinstance(live.transport, WebSocketTransport) else None


def _join(context: ApiContext, record: CallRecord, websocket: WebSocket) -> WebSocketTransport:
    """Start the call in the server's own task group: it goes on when this socket is cut."""
    options = WebSocketOptions.from_query(websocket.query_params, context.deps.settings)
    transport = WebSocketTransport(record.audio, context.deps.clock, options)
    context.tasks.start_soon(_carry, context, record, transport, websocket)
    return transport


async def _carry(context: ApiContext, record: CallRecord, transport: WebSocketTransport, first: WebSocket) -> None:
    try:
        await run_call(record, transport, context.deps)
    except (Conflict, Unavailable) as error:
        # Another socket was faster, or the drain: the transport, which ends calls, has no code for a refusal.
        with contextlib.suppress(OSError, RuntimeError, WebSocketDisconnect):
            await first.close(REFUSED if isinstance(error, Conflict) else TRY_LATER, error.message)
        await transport.close(error.message)
    except StorageError as error:
        log.warning("call_not_written", call_id=record.call.call_id, error=str(error))
    except Exception:  # the border of a call: no other call may feel it
        log.exception("call_failed", call_id=record.call.call_id)
        await transport.close("internal error")
