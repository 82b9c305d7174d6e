"""The API key resource: make, list, change, roll and delete keys of one's own organisation."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette import status

from retold.api.auth import Org, key_of
from retold.api.body import JsonRoute, Sent, warn_of_ignored
from retold.api.context import ApiContext, context_of
from retold.domain.api_key import ApiKey, KeyChanges, KeyRoll, NewKey
from retold.domain.scopes import PUBLIC_SCOPES
from retold.errors import InvalidRequest, NotFound
from retold.ids import KeyId, new_api_key, new_public_key

router = APIRouter(tags=["api key"], route_class=JsonRoute)

_MAX_ID_CHARS = 100
_SECRET = {"Cache-Control": "no-store"}
"""An answer that holds a secret is kept nowhere, not even for a repeated request."""


@router.post("/create-api-key", status_code=status.HTTP_201_CREATED)
async def create(
    request: Request, response: Response, org: Org, sent: Sent, body: NewKey | None = None
) -> dict[str, Any]:
    """Make a key; its secret is in this answer and never shown again."""
    context = context_of(request)
    wanted = body or NewKey()
    _check_expiry(context, wanted.expires_timestamp)
    secret = new_public_key() if wanted.scopes == PUBLIC_SCOPES else new_api_key()
    made = await context.deps.store.keys.create(org, secret, wanted)
    warn_of_ignored(response, sent or {}, wanted)
    response.headers.update(_SECRET)
    return {**made.wire(), "api_key": secret}


@router.get("/list-api-keys")
async def list_all(request: Request, org: Org) -> list[dict[str, Any]]:
    """List all keys of the organisation, oldest first, revoked and expired ones too; never their secrets."""
    return [key.wire() for key in await context_of(request).deps.store.keys.list_all(org)]


@router.patch("/update-api-key/{api_key_id}")
async def update(
    request: Request, response: Response, org: Org, api_key_id: str, *, sent: Sent, body: KeyChanges
) -> dict[str, Any]:
    """Change a key's name, scopes or expiry; it shows at once."""
    context = context_of(request)
    _check_expiry(context, body.expires_timestamp)
    changed = await context.deps.store.keys.change(org, KeyId(api_key_id[:_MAX_ID_CHARS]), body)
    warn_of_ignored(response, sent, body)
    return _found(changed, api_key_id).wire()


@router.post("/roll-api-key/{api_key_id}", status_code=status.HTTP_201_CREATED)
async def roll(
    request: Request, response: Response, org: Org, api_key_id: str, *, sent: Sent, body: KeyRoll | None = None
) -> dict[str, Any]:
    """Replace a key by a new one of the same name and scopes; the old one works until the grace is over."""
    keys = context_of(request).deps.store.keys
    wanted = body or KeyRoll()
    key_id = KeyId(api_key_id[:_MAX_ID_CHARS])
    old = _found(await keys.get(org, key_id), api_key_id)
    secret = new_public_key() if old.scopes == PUBLIC_SCOPES else new_api_key()
    made = _found(await keys.roll(org, key_id, secret, wanted.grace_s), api_key_id)
    warn_of_ignored(response, sent or {}, wanted)
    response.headers.update(_SECRET)
    return {**made.wire(), "api_key": secret}


@router.delete("/delete-api-key/{api_key_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response)
async def delete(request: Request, org: Org, api_key_id: str) -> None:
    """Revoke a key, at once and for good; it stays in the list."""
    if not await context_of(request).deps.store.keys.revoke(org, KeyId(api_key_id[:_MAX_ID_CHARS])):
        raise _unknown(api_key_id)


@router.get("/get-api-key-info")
async def info(request: Request, org: Org) -> dict[str, Any]:
    """Say whose key this is."""
    key = await key_of(request)
    org_name = await context_of(request).deps.store.keys.org_name(org)
    return {"org_id": org, "org_name": org_name, "api_key_name": key.api_key_name}


def _check_expiry(context: ApiContext, expires_ms: int | None) -> None:
    now_ms = context.deps.clock.wall_ms()
    if expires_ms is not None and expires_ms <= now_ms:
        raise InvalidRequest(
            f"expires_timestamp must be in the future, got {expires_ms}",
            field="expires_timestamp",
            fix=f"it is {now_ms} now; DELETE /delete-api-key ends a key at once",
        )


def _found(key: ApiKey | None, api_key_id: str) -> ApiKey:
    if key is None:
        raise _unknown(api_key_id)
    return key


def _unknown(api_key_id: str) -> NotFound:
    return NotFound(
        f"Cannot find requested asset under given api key: no usable API key {api_key_id[:_MAX_ID_CHARS]}",
        field="api_key_id",
        fix="GET /list-api-keys shows which exist",
    )
