"""Who may ask: bearer keys for the API, an unguessable id or path for sockets and files, nothing for health.

Every route declares one of the three; a test walks the routes and fails on one that does not.
"""

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from retold.api.context import context_of
from retold.errors import Unauthorized
from retold.ids import OrgId, hash_api_key
from retold.settings import MAX_KEY_CHARS

_MESSAGE = "API key is missing or invalid."
_bearer = HTTPBearer(auto_error=False, description="An API key, as `Authorization: Bearer key_...`")


async def require_key(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> OrgId:
    """The organisation of the request's API key. Raises Unauthorized."""
    key = credentials.credentials if credentials else ""
    if not key or len(key) > MAX_KEY_CHARS:
        raise Unauthorized(_MESSAGE, fix="send the header Authorization: Bearer <api key>")
    # What is looked up is a hash of the key: how long that takes tells nothing about any key.
    found = await context_of(request).deps.store.find_api_key(hash_api_key(key))
    if found is None:
        raise Unauthorized(_MESSAGE, fix="`retold keys create` makes a key; `retold keys list` shows which exist")
    return OrgId(found.org_id)


async def unguessable_address() -> None:
    """Declares that the id or token in the path is the credential."""


async def open_to_all() -> None:
    """Declares that a route needs no credential and tells nothing of value."""


Org = Annotated[OrgId, Security(require_key)]
"""Parameter type of a route that works for one organisation."""
