"""The body as the client sent it, beside the model made of it: what was ignored is said in a header."""

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from retold.api.context import MAX_WARNINGS, warn
from retold.api.idempotency import once
from retold.api.limits import JSON_KEY
from retold.api.validation import ignored_fields, ignored_warning


class _ParsedRequest(Request):
    """A request whose body has been parsed, strictly and off the event loop, by `BodyLimits`."""

    async def json(self) -> Any:
        """The value of the body."""
        return self.scope[JSON_KEY]


class JsonRoute(APIRoute):
    """A route that takes the parsed body instead of parsing it once more, and does what is repeated once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, given a request that knows its body."""
        handle = super().get_route_handler()

        async def handle_parsed(request: Request) -> Response:
            return await once(_ParsedRequest(request.scope, request.receive), handle)

        return handle_parsed


async def sent_json(request: Request) -> Any:
    """The JSON value of the body, None without one."""
    return request.scope.get(JSON_KEY)


Sent = Annotated[Any, Depends(sent_json)]
"""Parameter type of a route that reports ignored fields."""


def warn_of_ignored(response: Response, sent: Any, model: BaseModel) -> None:
    """Add a warning header for the first fields of `sent` that `model` did not take."""
    warn_of_dropped(response, sent, model.model_dump(mode="json", exclude_unset=True, by_alias=True), type(model))


def warn_of_dropped(response: Response, sent: Any, kept: Any, model: type[BaseModel]) -> None:
    """The same for what was kept of a model of this type."""
    for path in islice(ignored_fields(sent, kept), MAX_WARNINGS):
        warn(response, ignored_warning(path, model))
