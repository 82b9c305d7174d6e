"""The body as the client sent it, beside the model made of it: what was ignored is said in a header."""

import warnings
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Annotated, Any, TypeGuard, get_args

import anyio.to_thread
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.warnings import UnsupportedFieldAttributeWarning

from retold.api.context import MAX_WARNINGS, warn
from retold.api.idempotency import once
from retold.api.limits import JSON_KEY
from retold.api.validation import ignored_fields, ignored_warning

# FastAPI silences it where it makes at start what checks a body; ours is made when first needed (RequestModel).
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)


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
        annotation = None if self.body_field is None else self.body_field.field_info.annotation
        models = [one for one in (annotation, *get_args(annotation)) if _is_model(one)]

        async def handle_parsed(request: Request) -> Response:
            for model in models:
                await made(model)
            return await once(_ParsedRequest(request.scope, request.receive), handle)

        return handle_parsed


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


async def made(model: type[BaseModel]) -> None:
    """Have what checks this model made, off the event loop: for a large one it takes a tenth of a second, once."""
    if not model.__pydantic_complete__:
        await anyio.to_thread.run_sync(model.model_rebuild)


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
