"""The short way to the routes that are asked most: what FastAPI does around a route costs more than such an answer.

Only the way is another. The function that answers is the route's own, who may ask is decided by the rule of all routes
(`auth.require_key`), and the route stays where it is declared: for the description of the API, and for whatever asks in
another way.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from retold.api.auth import require_key
from retold.api.errors import as_api_error, error_response
from retold.errors import ApiError, StorageError
from retold.ids import OrgId

Answer = Callable[[Request, OrgId, str], Awaitable[Response]]
"""A route of an organisation that takes the rest of the path, and no body."""


class ShortWay:
    """ASGI middleware right in front of the application: answers GET requests of some paths, by their beginnings."""

    def __init__(self, application: FastAPI, routes: Mapping[str, Answer]) -> None:
        self._app = application
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here, or hand on."""
        answer, rest = self._found(scope) if scope["type"] == "http" and scope["method"] == "GET" else (None, "")
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive)
        try:
            response = await answer(request, await require_key(request), rest)
        except (ApiError, StorageError) as error:
            response = error_response(as_api_error(error))
        await response(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[Answer | None, str]:
        start, _, rest = scope["path"].rpartition("/")
        return (self._routes.get(start) if rest else None), rest
