"""The body as the client sent it, beside the model made of it: what was ignored is said in a header."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from retold.api.context import warn
from retold.api.validation import ignored_fields, ignored_warning


async def sent_json(request: Request) -> Any:
    """The JSON value of the body (parsed once per request), None without one."""
    return await request.json() if await request.body() else None


Sent = Annotated[Any, Depends(sent_json)]
"""Parameter type of a route that reports ignored fields."""


def warn_of_ignored(response: Response, sent: Any, model: BaseModel) -> None:
    """Add a warning header for each field of `sent` that `model` did not take."""
    for path in ignored_fields(sent, model.model_dump(mode="json", exclude_unset=True)):
        warn(response, ignored_warning(path, type(model)))
