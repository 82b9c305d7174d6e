"""Every error leaves as Retell's `{"status": "error", "message"}`, plus `code` and, where known, `field` and `fix`."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retold import errors
from retold.api.validation import explain

_CODES = {
    404: ("route_not_found", "GET /openapi.json lists every route"),
    405: ("method_not_allowed", "use the method of the Allow header"),
}

log = structlog.stdlib.get_logger()


def error_response(error: errors.ApiError) -> Response:
    """The response for an error raised on purpose."""
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.AnswerNotKept):
        # The official SDKs repeat what was answered 409, unless told.
        headers["X-Should-Retry"] = "false"
    return _respond(error.status, error.code, error.message, field=error.field, fix=error.fix, headers=headers)


def install(app: FastAPI) -> None:
    """Make the app answer every error in one shape."""

    async def on_api_error(_request: Request, error: Exception) -> Response:
        return error_response(as_api_error(error))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code, fix = _CODES.get(error.status_code, ("http_error", None))
        message = f"{request.method} {_short(request.url.path)}: {str(error.detail).lower()}"
        return _respond(error.status_code, code, message, fix=fix, headers=error.headers)

    async def on_unexpected(_request: Request, _error: Exception) -> Response:
        return _unexpected()

    for kind in (errors.ApiError, errors.StorageError, RequestValidationError):
        app.add_exception_handler(kind, on_api_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    # Starlette answers with this and raises the error again, for LastResort to log.
    app.add_exception_handler(Exception, on_unexpected)


class LastResort:
    """ASGI middleware: an unexpected error becomes a 500 that tells the client nothing and the log everything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = is_complete = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started, is_complete
            has_started = True
            await send(message)
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:  # the border of a request
            log.exception("request_failed", method=scope["method"], path=_short(scope["path"]))
            if is_complete:
                return
            if has_started:
                raise
            await _unexpected()(scope, receive, send)


def _unexpected() -> Response:
    return _respond(500, "internal_error", "An unexpected server error occurred.", fix="see the server's log")


def as_api_error(error: Exception) -> errors.ApiError:
    """What a client is told of an error that is not unexpected."""
    match error:
        case errors.ApiError():
            return error
        case RequestValidationError():
            return explain(error.errors(), error.body)
        case errors.StorageFull():
            return errors.Unavailable("the server's disk is full", fix="free space on the disk of the data folder")
        case _:
            log.error("storage_failed", error=str(error))
            return errors.Unavailable("the server cannot reach its storage", fix="see the server's log")


def _respond(
    status: int, code: str, message: str, *, field: str | None = None, fix: str | None = None, headers: Any = None
) -> Response:
    body = {"status": "error", "message": message, "code": code, "field": field, "fix": fix}
    return JSONResponse({name: value for name, value in body.items() if value is not None}, status, headers)


def _short(path: str) -> str:
    return path if len(path) <= 100 else path[:100] + "..."
