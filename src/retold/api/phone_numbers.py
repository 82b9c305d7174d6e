"""The phone number resource: numbers that customers bring along. There is no number market here to buy from."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import context_of
from retold.api.paging import Paging, envelope
from retold.domain.page import MAX_LIMIT, PageQuery
from retold.domain.phone_number import PhoneNumber
from retold.domain.phone_number_request import NumberChanges, NumberImport, change_number, import_number
from retold.errors import InvalidRequest

router = APIRouter(tags=["phone_number"], route_class=JsonRoute)


@router.post("/create-phone-number")
async def buy(org: Org) -> dict[str, Any]:
    """Refuse: numbers are not sold here."""
    _ = org
    raise InvalidRequest(
        "this server sells no phone numbers", fix="POST /import-phone-number takes a number that you have"
    )


@router.post("/import-phone-number", status_code=status.HTTP_201_CREATED)
async def import_(request: Request, response: Response, org: Org, body: NumberImport, sent: Sent) -> dict[str, Any]:
    """Take a number of the customer's own trunk."""
    deps = context_of(request).deps
    number = import_number(body, deps.clock.wall_ms())
    await deps.store.numbers.create(org, number, body.sip_trunk_auth_password)
    warn_of_ignored(response, sent, body)
    return number.wire()


@router.get("/get-phone-number/{phone_number}")
async def retrieve(request: Request, org: Org, phone_number: str) -> dict[str, Any]:
    """Get a number."""
    return (await context_of(request).deps.store.numbers.find(org, phone_number)).wire()


@router.patch("/update-phone-number/{phone_number}")
async def update(
    request: Request, response: Response, org: Org, phone_number: str, *, sent: Sent, body: NumberChanges
) -> dict[str, Any]:
    """Change a number; null clears."""
    deps = context_of(request).deps
    now_ms = deps.clock.wall_ms()
    changed = await deps.store.numbers.change(
        org, phone_number, lambda number: change_number(number, body, now_ms), body.auth_password
    )
    warn_of_ignored(response, sent, body)
    return changed.wire()


@router.get("/v2/list-phone-numbers")
async def list_page(request: Request, org: Org, page: Paging) -> dict[str, Any]:
    """List numbers by last change."""
    return envelope(await context_of(request).deps.store.numbers.page(org, page), PhoneNumber.wire)


@router.get("/list-phone-numbers")
async def list_all(request: Request, org: Org) -> list[dict[str, Any]]:
    """List numbers, the last changed first; at most 1000."""
    page = await context_of(request).deps.store.numbers.page(org, PageQuery(limit=MAX_LIMIT))
    return [number.wire() for number in page.items]


@router.delete("/delete-phone-number/{phone_number}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, phone_number: str) -> None:
    """Delete a number."""
    await context_of(request).deps.store.numbers.delete(org, phone_number)
