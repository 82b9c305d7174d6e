"""The privacy resource: erase a person, see what was erased, and what is kept of all others."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.calls.erase import Eraser
from retold.domain.erasure import Person
from retold.errors import NoSuchResource

router = APIRouter(tags=["privacy"], route_class=JsonRoute)

_MAX_ID_CHARS = 100
_DEFAULT_SHOWN, _MOST_SHOWN = 50, 1_000


@router.post("/erase-person")
async def erase_person(request: Request, response: Response, org: Org, body: Person, sent: Sent) -> dict[str, Any]:
    """Erase every call of a person for good, those that go on included; answers with the proof."""
    deps = context_of(request).deps
    warn_of_ignored(response, sent, body)
    return (await Eraser(deps.archive, deps.live).person(org, body)).wire()


@router.get("/list-erasures")
async def list_erasures(
    request: Request, org: Org, limit: Annotated[int, Query(ge=1, le=_MOST_SHOWN)] = _DEFAULT_SHOWN
) -> dict[str, Any]:
    """List the proofs of the last erasures, newest first: of calls, persons, and those whose days were over."""
    found = await context_of(request).deps.store.erasures.list_all(org, limit)
    return {"items": [proof.wire() for proof in found]}


@router.get("/get-erasure/{erasure_id}")
async def get_erasure(request: Request, org: Org, erasure_id: str) -> dict[str, Any]:
    """Get the proof of an erasure."""
    found = await context_of(request).deps.store.erasures.find(org, erasure_id[:_MAX_ID_CHARS])
    if found is None:
        raise NoSuchResource(f"no erasure {erasure_id[:_MAX_ID_CHARS]}", fix="GET /list-erasures shows the last ones")
    return found.wire()


@router.get("/get-privacy-report")
async def get_report(request: Request, org: Org) -> dict[str, Any]:
    """Get what is kept of the organisation's calls, where, for how long, by which settings, and what was erased."""
    return (await context_of(request).deps.store.privacy_report(org)).wire()
