"""The short way to the routes that are asked most: what FastAPI does around a route costs more than such an answer.

Only the way is another. The function that answers is the route's own, who may ask is decided by the rule of all routes
(`auth.require_key`), and the route stays where it is declared: for the description of the API, and for whatever asks in
another way. A body that the route's model refuses goes the long way, where it is said what is wrong with it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from retold.api.auth import require_key
from retold.api.errors import as_api_error, error_response
from retold.api.idempotency import Handle, once
from retold.api.limits import JSON_KEY
from retold.errors import ApiError, StorageError
from retold.ids import OrgId

Answer = Callable[[Request, OrgId, str], Awaitable[Response]]
"""A route of an organisation that takes the rest of the path, and no body."""
Model = TypeVar("Model", bound=BaseModel)
BodyAnswer = Callable[[Request, OrgId, Model, Any], Awaitable[Response]]
"""A route of an organisation that takes a body, and the JSON value that it was made of."""


class BodyRoute(NamedTuple):
    """A route that takes a body, and what its body must be."""

    model: type[BaseModel]
    answer: BodyAnswer[Any]


class ShortWay:
    """ASGI middleware right in front of the application.

    Answers GET requests by the beginnings of their paths, and POST requests with a good body by their paths.
    """

    def __init__(self, application: FastAPI, gets: Mapping[str, Answer], posts: Mapping[str, BodyRoute]) -> None:
        self._app = application
        self._gets = gets
        self._posts = posts
        for route in posts.values():
            # Their first request is to be as quick as all others.
            route.model.model_rebuild()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here, or hand on."""
        handle = self._handle(scope) if scope["type"] == "http" else None
        if handle is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        try:
            response = await handle(Request(scope, receive))
        except (ApiError, StorageError) as error:
            response = error_response(as_api_error(error))
        await response(scope, receive, send)

    def _handle(self, scope: Scope) -> Handle | None:
        match scope["method"]:
            case "GET":
                return self._handle_get(scope["path"])
            case "POST":
                return self._handle_post(scope["path"], scope.get(JSON_KEY))
            case _:
                return None

    def _handle_get(self, path: str) -> Handle | None:
        start, _, rest = path.rpartition("/")
        answer = self._gets.get(start) if rest else None
        if answer is None:
            return None

        async def handle(request: Request) -> Response:
            return await answer(request, await require_key(request), rest)

        return handle

    def _handle_post(self, path: str, sent: Any) -> Handle | None:
        route = self._posts.get(path)
        if route is None or not isinstance(sent, dict):
            return None
        try:
            body = route.model.model_validate(sent, from_attributes=True)
        except ValidationError:
            return None

        async def answer(request: Request) -> Response:
            return await route.answer(request, await require_key(request), body, sent)

        async def handle(request: Request) -> Response:
            return await once(request, answer)

        return handle
