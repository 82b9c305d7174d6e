"""The API's description of itself, `GET /openapi.json`: what the routes declare, and the errors that all can answer."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from retold.api.auth import open_to_all

_ERROR: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["status", "message", "code"],
    "properties": {
        "status": {"const": "error"},
        "message": {"type": "string", "description": "What is wrong, for people"},
        "code": {"type": "string", "description": "What is wrong, for programs"},
        "field": {"type": "string", "description": "The field that is wrong"},
        "fix": {"type": "string", "description": "What mends it"},
    },
}
_MEANINGS = {
    "400": "The request is malformed or names a value that cannot be",
    "401": "The API key is missing or invalid",
    "403": "The API key lacks the scope",
    "404": "There is no such route or file",
    "409": "The state of the resource, or an idempotency key, forbids it",
    "412": "The version is published, in use or the only one",
    "413": "The body is too large",
    "416": "The file is shorter",
    "422": "There is no such thing under this API key",
    "429": "Too many requests",
    "503": "The server cannot take this now",
}
_WITH_BODY = frozenset({"post", "put", "patch", "delete"})
_ON_VERSIONS = ("/update-agent/", "/delete-agent-version/", "/delete-agent-tag/", "/update-retell-llm/")
_ALWAYS = ("503",)
_WITH_KEY = ("401", "403", "422", "429")
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def router_of(application: FastAPI) -> APIRouter:
    """The route that answers with the description."""
    router = APIRouter(tags=["health"], dependencies=[Depends(open_to_all)])

    @router.get("/openapi.json")
    async def openapi() -> dict[str, Any]:
        """The description of this API (OpenAPI 3.1)."""
        return describe(application)

    return router


def describe(application: FastAPI) -> dict[str, Any]:
    """The description; made once."""
    if application.openapi_schema is None:
        made = application.openapi()
        for path, method, operation in _operations(made):
            _declare_errors(path, method, operation)
        schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
        for name in _FASTAPIS_OWN:
            schemas.pop(name, None)
        schemas["Error"] = _ERROR
    return application.openapi()


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _declare_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    statuses = {*_ALWAYS, *(_WITH_KEY if operation.get("security") else ())}
    if "422" in responses:
        # FastAPI's name for what we answer 400.
        del responses["422"]
        statuses.add("400")
    if method in _WITH_BODY:
        statuses |= {"400", "409", "413"}
    if "{" in path:
        statuses |= {"400", "404"}
    if path.startswith(_ON_VERSIONS):
        statuses.add("412")
    for status in sorted(statuses):
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        responses.setdefault(status, {"description": _MEANINGS[status], "content": content})
