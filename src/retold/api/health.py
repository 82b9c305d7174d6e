"""Health for supervisors and load balancers."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from starlette import status

from retold.api.auth import open_to_all
from retold.api.context import context_of

router = APIRouter(tags=["health"], prefix="/health", dependencies=[Depends(open_to_all)])


@router.get("/live")
async def live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"description": "Not ready", "model": dict[str, Any]}})
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Whether calls may be sent here: 200, or 503 while draining or without storage.

    Speech models that are still being loaded do not make the server unready: a call waits for them.
    """
    context = context_of(request)
    storage = context.deps.store.health
    is_draining = context.deps.live.is_draining
    is_ready = storage == "ok" and not is_draining
    if not is_ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return {
        "status": "ready" if is_ready else "not_ready",
        "storage": storage,
        "draining": is_draining,
        "speech": _speech(context.speech_state()),
        "calls": context.deps.live.active,
    }


def _speech(state: str) -> str:
    # The remedy names folders of this machine: it is for the log and the doctor, not for everybody.
    return "unavailable: see `retold doctor`" if state.startswith("unavailable") else state
