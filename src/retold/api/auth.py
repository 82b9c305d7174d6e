"""Who may ask: bearer keys for the API, an unguessable id or path for sockets and files, nothing for health.

Every route declares one of these, and a websocket that needs a key has it in its subprotocol; a test walks the
routes and fails on one that does not. What a key may do is said by its scopes, and which scope a request needs by its
path (`domain.scopes`).
"""

from typing import Annotated, cast

from fastapi import Request, Security, WebSocket, WebSocketException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from retold.api.context import context_of
from retold.api.rate_limits import RateLimits, address_of
from retold.domain.api_key import ApiKey
from retold.domain.audit import Actor
from retold.domain.scopes import scope_for
from retold.errors import ApiError, Forbidden, Unauthorized
from retold.ids import OrgId, hash_api_key
from retold.settings import MAX_KEY_CHARS
from retold.storage.audit import act_as

_MESSAGE = "API key is missing or invalid."
_FOUND = "retold.api_key"
"""Where in the scope the key of a request is, once it was looked up."""
_BEARER = "bearer"
_BEARER_AND_KEY = 2
_CLOSED_WITH = 4_000
_bearer = HTTPBearer(auto_error=False, description="An API key, as `Authorization: Bearer key_...`")


async def require_key(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None
) -> OrgId:
    """The organisation of the request's API key. Raises Unauthorized, Forbidden, RateLimited."""
    return (await key_of(request)).org_id


async def key_of(request: HTTPConnection) -> ApiKey:
    """The API key of a request, looked up and counted once. Raises Unauthorized, Forbidden, RateLimited."""
    found = request.scope.get(_FOUND)
    if found is None:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        found = await admit(request, secret.strip() if scheme.lower() == "bearer" else "")
        request.scope[_FOUND] = found
        act_as(Actor("api_key", found.api_key_id, address_of(request)))
    return cast("ApiKey", found)


async def admit(connection: HTTPConnection, secret: str) -> ApiKey:
    """The key with this secret, if it may open this connection. Raises Unauthorized, Forbidden, RateLimited."""
    if not secret or len(secret) > MAX_KEY_CHARS:
        raise Unauthorized(_MESSAGE, fix="send the header Authorization: Bearer <api key>")
    limits = cast("RateLimits", connection.app.state.rate_limits)
    found = await _looked_up(connection, secret, limits)
    if found is None:
        raise Unauthorized(_MESSAGE, fix="`retold keys create` makes a key; `retold keys list` shows which exist")
    limits.count_request(found.api_key_id)
    needed = scope_for(connection.scope.get("method", "GET"), connection.scope["path"])
    if not found.may(needed):
        raise Forbidden(
            f"Forbidden: this API key lacks the scope {needed}", fix=f"use a key whose scopes hold {needed}"
        )
    return found


async def _looked_up(connection: HTTPConnection, secret: str, limits: RateLimits) -> ApiKey | None:
    """The key with this secret; None when it is wrong, which each address may ask only so often."""
    keys = context_of(connection).deps.store.keys
    # What is looked up is a hash of the key: how long that takes tells nothing about any key.
    key_hash = hash_api_key(secret)
    if keys.knows(key_hash):
        return await keys.find(key_hash)
    address = address_of(connection)
    limits.count_failure(address)
    found = await keys.find(key_hash)
    if found is not None:
        limits.forgive_failure(address)
    return found


async def require_key_of_socket(websocket: WebSocket) -> OrgId:
    """The organisation of the key that a websocket names as its subprotocol after `bearer`; accepts the websocket.

    A browser's websocket has no headers. Refused, it is closed with 4000 and the HTTP status.
    """
    offered = [name.strip() for name in websocket.headers.get("sec-websocket-protocol", "").split(",")]
    is_offered = len(offered) == _BEARER_AND_KEY and offered[0] == _BEARER
    # The key itself is never sent back.
    await websocket.accept(subprotocol=_BEARER if is_offered else None)
    try:
        return (await admit(websocket, offered[1] if is_offered else "")).org_id
    except ApiError as error:
        raise WebSocketException(_CLOSED_WITH + error.status, error.message) from error


async def unguessable_address() -> None:
    """Declares that the id or token in the path is the credential."""


async def open_to_all() -> None:
    """Declares that a route needs no credential and tells nothing of value."""


Org = Annotated[OrgId, Security(require_key)]
"""Parameter type of a route that works for one organisation."""
