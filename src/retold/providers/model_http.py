r"""Streaming requests to one address of a language model's server: deadlines, refusals, and what a refusal teaches.

```
POST --first byte deadline--> event --between deadline--> event ... last event, the rest read, connection kept
  \-- 4xx, 5xx, no stream, silence, cut: ModelFailed            \-- reader left: connection closed at once
```
"""

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import anyio
import httpx2
import orjson

from retold.errors import ModelFailed
from retold.providers.model_limits import Deadlines, is_passing, silence
from retold.providers.server_sent_events import EventReader, ServerSentEvent, StreamTooLong

KEEP_ALIVE: Final = "ping"
"""Anthropic's name of an event that says nothing."""
_OK: Final = 200
_MAX_REFUSAL_BYTES: Final = 16 * 1024
_REFUSAL_S: Final = 1.0
_SHOWN_CHARS: Final = 1_000
_FAREWELL_S: Final = 1.0
"""For the usage, which comes at once where it comes at all."""
_TRAILER_S: Final = 0.02
"""The end of the body follows the last event at once; a connection that is read to its end serves the next request."""


class ModelEndpoint:
    """One address that answers a POST with server-sent events; `secrets` never show in an error."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        url: str,
        headers: Mapping[str, str],
        deadlines: Deadlines,
        secrets: Sequence[str] = (),
    ) -> None:
        self._http = http
        self._url = url
        # Compressed, an event would wait in the server until its block is full.
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        self._deadlines = deadlines
        self._secrets = [secret for secret in secrets if secret]

    async def events(
        self,
        body: Mapping[str, Any],
        is_last: Callable[[ServerSentEvent], bool],
        has_stopped: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[ServerSentEvent]:
        """Ask, and give each event as it comes, up to the last one or the end of the stream.

        When the model `has_stopped`, what is still to come is not waited for as long as the model would be.
        Comments and pings show that the connection lives, not that the model does: no deadline moves for them.
        Raises ModelFailed.
        """
        allowed_s = self._deadlines.first_byte_s
        deadline = anyio.current_time() + allowed_s
        response = await self._open(body, deadline)
        reader = EventReader()
        try:
            async with aclosing(response.aiter_raw()) as pieces:
                while piece := await self._next(pieces, deadline, allowed_s):
                    for event in _fed(reader, piece):
                        if event.name == KEEP_ALIVE:
                            continue
                        if is_last(event):
                            await _read_on(pieces)
                            yield event
                            return
                        yield event
                        allowed_s = self._deadlines.between_s
                        if has_stopped():
                            allowed_s = min(allowed_s, _FAREWELL_S)
                        deadline = anyio.current_time() + allowed_s
        finally:
            # First of all, and without asking the server: who left does not pay for what is still to come.
            await response.aclose()

    async def _open(self, body: Mapping[str, Any], deadline: float) -> httpx2.Response:
        request = self._http.build_request(
            "POST", self._url, content=_encoded(body), headers=self._headers, timeout=None
        )
        with anyio.CancelScope(deadline=deadline):
            try:
                response = await self._http.send(request, stream=True)
            except httpx2.HTTPError as error:
                raise ModelFailed(
                    f"the model's server {request.url.host} cannot be asked: {self._shown(error)}", is_retryable=True
                ) from error
            if response.status_code != _OK or "json" in response.headers.get("Content-Type", ""):
                raise await self._refusal(response)
            return response
        raise silence(self._deadlines.first_byte_s)

    async def _next(self, pieces: AsyncIterator[bytes], deadline: float, allowed_s: float) -> bytes:
        """The next bytes; empty at the end of the stream."""
        with anyio.CancelScope(deadline=deadline):
            try:
                return await anext(pieces, b"")
            except httpx2.HTTPError as error:
                raise ModelFailed(f"the answer was cut off: {self._shown(error)}", is_retryable=True) from error
        raise silence(allowed_s)

    async def _refusal(self, response: httpx2.Response) -> ModelFailed:
        """What the server said instead of an answer; its words help whoever set the server up."""
        said = b""
        with anyio.move_on_after(_REFUSAL_S), contextlib.suppress(httpx2.HTTPError):
            async with aclosing(response.aiter_raw()) as pieces:
                async for piece in pieces:
                    said += piece
                    if len(said) > _MAX_REFUSAL_BYTES:
                        break
        await response.aclose()
        status = response.status_code
        text = self._shown(said[:_MAX_REFUSAL_BYTES].decode(errors="replace"))
        if status == _OK:
            return ModelFailed(f"the model's server did not stream: {text}", is_retryable=False, status=status)
        return ModelFailed(
            f"the model's server answered {status}: {text}", is_retryable=is_passing(status), status=status
        )

    def _shown(self, said: object) -> str:
        text = str(said) or type(said).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_SHOWN_CHARS]


def _fed(reader: EventReader, piece: bytes) -> list[ServerSentEvent]:
    try:
        return reader.feed(piece)
    except StreamTooLong as error:
        raise ModelFailed(f"the answer is beyond all measure: {error}", is_retryable=False) from error


async def _read_on(pieces: AsyncIterator[bytes]) -> None:
    with anyio.move_on_after(_TRAILER_S), contextlib.suppress(httpx2.HTTPError):
        while await anext(pieces, b""):
            pass


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Half a surrogate pair, as JSON may bring in: only the slower encoder has an escape for it.
        return json.dumps(body).encode()
