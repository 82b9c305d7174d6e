"""ASGI middleware in front of all routes: bodies are bounded, complete and well-formed JSON before anyone sees them."""

from typing import Any

import anyio
import anyio.to_thread
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from retold.api.errors import error_response
from retold.api.json_body import parse_json
from retold.errors import ApiError, InvalidRequest, PayloadTooLarge

MAX_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 12.0
_DISCARDED_BYTES = 16 * 1024 * 1024
"""A client in the middle of a body this long still gets to read why it is refused; a longer one is cut off."""
_INLINE_BYTES = 8 * 1024
"""Larger bodies are parsed in a thread, so that the event loop never waits for one."""
_PARSERS = 2
"""Such threads at a time: the rest of the large bodies stand in line, and nothing else does."""
JSON_KEY = "retold.json"
"""Where in the scope the value of a body is."""
BODY_KEY = "retold.body"
"""Where in the scope a body is as it was sent."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Disconnected(Exception):
    """The client left before its body was complete."""


class BodyLimits:
    """Reads and checks the body, then hands it on in one piece."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._parsers = anyio.CapacityLimiter(_PARSERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app for one request or websocket, or refuse it."""
        if scope["type"] == "http" and _has_nul(scope):
            await error_response(_NUL_REFUSED)(scope, receive, send)
            return
        if scope["type"] == "websocket" and _has_nul(scope):
            await WebSocketClose(WS_1008_POLICY_VIOLATION)(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        is_read = False
        try:
            _refuse_encoded(scope)
            with anyio.fail_after(BODY_TIMEOUT_S):
                body = await _read(receive)
            is_read = True
            value = await self._parse(body) if body else None
        except Disconnected:
            return
        except TimeoutError:
            refusal: ApiError = InvalidRequest(
                f"the body was not complete after {BODY_TIMEOUT_S:.0f} s", field="body", fix="send the body at once"
            )
        except ApiError as error:
            refusal = error
        else:
            # curl -d says it is a form; what parsed as JSON is JSON.
            await self._app(_as_json(scope, body, value) if body else scope, _replay(body, receive), send)
            return
        response = error_response(refusal)
        if not is_read:
            # The rest would have to be read before the next request.
            response.headers["Connection"] = "close"
        await response(scope, receive, send)

    async def _parse(self, body: bytes) -> Any:
        if len(body) <= _INLINE_BYTES:
            return parse_json(body)
        return await anyio.to_thread.run_sync(parse_json, body, limiter=self._parsers)


def _has_nul(scope: Scope) -> bool:
    """Whether an id or a parameter holds a character that no database keeps."""
    return "\0" in scope["path"] or b"%00" in scope["query_string"]


_NUL_REFUSED = InvalidRequest("an address cannot hold a NUL character", fix="leave out %00")


def _refuse_encoded(scope: Scope) -> None:
    """Raises InvalidRequest: a small body that unfolds into a large one is never unfolded."""
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise InvalidRequest(
                "compressed bodies are not read", field="Content-Encoding", fix="send the body as it is"
            )


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _DISCARDED_BYTES:
            break
        if not message.get("more_body", False):
            break
    if size > MAX_BODY_BYTES:
        raise PayloadTooLarge(
            f"the body is over {MAX_BODY_BYTES} bytes", field="body", fix="send less, or a link to it"
        )
    return b"".join(chunks)


def _as_json(scope: Scope, body: bytes, value: Any) -> Scope:
    headers = [header for header in scope["headers"] if header[0] != b"content-type"]
    return {**scope, "headers": [*headers, (b"content-type", b"application/json")], BODY_KEY: body, JSON_KEY: value}


def _replay(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
